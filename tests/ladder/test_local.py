"""A rung from a folder of this machine: what is taken, what is read from it, and what is refused in one line."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import hub_server
from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_file
from tasklaws.core.settings import LocalSource, gpt_neox_n_params
from tasklaws.ladder import card, local, model_files
from tasklaws.ladder.heldout import heldout_loss
from tasklaws.ladder.model_sizes import Sizes
from tasklaws.ladder.sizes import sizes_of

DOCUMENTS = [{"prompt": "Q: 17+4\nA:", "target": " 21"}, {"prompt": "Q: 1+1\nA:", "target": " 2\n"}]
N_PARAMS = gpt_neox_n_params(2, 16)
N_TOTAL = N_PARAMS + 2 * 257 * 16


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder as people have it, with files that no rung needs."""
    folder = tmp_path_factory.mktemp("made") / "my-model"
    folder.mkdir()
    for name, content in hub_server.stand_in("me/my-model", 1, "both").files.items():
        (folder / name).write_bytes(content)
    (folder / "optimizer.pt").write_text("large")
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "my-model"))


def source(path: Path, **more: Any) -> LocalSource:
    return read(LocalSource, {"kind": "local", "path": str(path), **more}, "source", "correct it")


def take(tmp_path: Path, given: LocalSource) -> card.Card:
    return local.take("mine", given, DOCUMENTS, tmp_path / "models/mine", tmp_path / "work")


def refuses(tmp_path: Path, given: LocalSource, message: str) -> None:
    """It ends in one line with `message`, an older rung stays as it was, and no work is left."""
    older = tmp_path / "models/mine/card.json"
    older.parent.mkdir(parents=True)
    older.write_text("of an older ladder")
    with pytest.raises(TasklawsError, match=message) as caught:
        take(tmp_path, given)
    assert "\n" not in str(caught.value)
    assert [path.name for path in older.parent.iterdir()] == ["card.json"]
    assert not list((tmp_path / "work").glob("*"))


@pytest.mark.parametrize("weights", ["copy", "link"])
def test_takes_what_a_rung_needs_and_reads_its_sizes(weights: str, model: Path, tmp_path: Path) -> None:
    found = take(tmp_path, source(model, weights=weights, n_tokens=1000, n_params=N_PARAMS, heads=2))
    out = tmp_path / "models/mine"
    assert found == card.read_card(out)
    card.check_files(out, found)
    assert (found.n_params, found.n_params_total) == (N_PARAMS, N_TOTAL)
    assert (found.source_kind, found.path, found.final.n_tokens) == ("local", "my-model", 1000)
    names = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in out.iterdir()} == names | {"card.json"}
    assert (out / "model.safetensors").is_symlink() == (weights == "link")
    assert found.final.weights_sha256 == sha256_file(model / "model.safetensors")
    expected = heldout_loss(model, DOCUMENTS)
    assert (found.final.loss_nats, found.final.bits_per_byte) == pytest.approx(tuple(expected), abs=1e-6)
    assert str(tmp_path) not in (out / "card.json").read_text()
    assert not list((tmp_path / "work").glob("*"))


def test_what_is_unknown_stays_empty(model: Path, tmp_path: Path) -> None:
    found = take(tmp_path, source(model, heldout=False))
    told = json.loads((tmp_path / "models/mine/card.json").read_text())["checkpoints"][0]
    assert not {"n_tokens", "train_flops", "loss_nats", "bits_per_byte"} & set(told)
    assert (found.final.n_tokens, found.final.train_flops, found.final.loss_nats) == (None, None, None)


def test_a_link_to_weights_that_change_is_found(model: Path, tmp_path: Path) -> None:
    found = take(tmp_path, source(model, weights="link"))
    state = load_file(model / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in state.items()}, model / "model.safetensors")
    with pytest.raises(TasklawsError, match=r"model\.safetensors has SHA-256"):
        card.check_files(tmp_path / "models/mine", found)
    (model / "model.safetensors").unlink()
    with pytest.raises(TasklawsError, match="is on the card and not there"):
        card.check_files(tmp_path / "models/mine", found)


def test_the_sizes_are_read_without_the_weights(model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert sizes_of(source(model)) == Sizes(2, 16, 2, N_PARAMS, N_TOTAL)


def test_a_tokenizer_in_other_files_is_taken_and_hashed_too(model: Path) -> None:
    names = ["config.json", "model.safetensors", "merges.txt", "vocab.json", "notes.txt"]
    assert model_files.chosen(names, source(model), "it", "") == sorted(names[:-1])
    files = {"vocab.json": "a" * 64, "merges.txt": "b" * 64}
    both = model_files.tokenizer_sha256(files)
    assert both not in (None, *files.values())
    assert model_files.tokenizer_sha256(files | {"tokenizer.json": "c" * 64}) == "c" * 64


def _config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(model: Path) -> None:
        config = json.loads((model / "config.json").read_text())
        change(config)
        (model / "config.json").write_text(json.dumps(config))

    return apply


def _cut(model: Path) -> None:
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[: len(weights) // 2])


def _sharded(model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    named = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(named))


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        (lambda model: shutil.rmtree(model), {}, "my-model does not exist: correct `path`"),
        (lambda model: (shutil.rmtree(model), model.touch()), {}, "is no directory and no .gguf file"),
        (lambda model: (model / "config.json").unlink(), {}, "holds no config.json"),
        (lambda model: (model / "tokenizer.json").unlink(), {}, "holds no tokenizer.json, nor tokenizer.model, vocab"),
        (lambda model: (model / "config.json").write_text("{"), {}, "config.json: malformed JSON"),
        (lambda model: (model / "config.json").write_text("{}"), {}, "config.json of .* does not load"),
        (_config(lambda config: config.update(model_type="nobody")), {}, "config.json of .* does not load"),
        (_config(lambda config: config.update(num_hidden_layers=10**6)), {}, "num_hidden_layers 1000000, more than"),
        (
            _config(lambda config: config.update(model_type="own", auto_map={"AutoConfig": "own.Config"})),
            {},
            "names code of the model's own.*trust_remote_code: true",
        ),
        (_cut, {"heldout": False}, "model.safetensors does not load"),
        (_sharded, {"heldout": False}, "no model-00002-of-00002.safetensors, which model.safetensors.index.json names"),
        (
            lambda model: (model / "model.safetensors").unlink(),
            {},
            r"pickle files alone \(pytorch_model.bin\).*pickled",
        ),
        (
            lambda model: [path.unlink() for path in (*model.glob("*.safetensors"), *model.glob("*.bin"))],
            {},
            "no weights",
        ),
        (lambda model: None, {"sha256": "0" * 64}, "have SHA-256 .*, not 0000"),
        (lambda model: None, {"n_params": 5}, f"has n_params {N_PARAMS}, not 5: correct what its source states"),
        (lambda model: None, {"layers": 3, "width": 17}, "has layers 2, not 3; width 16, not 17"),
    ],
)
def test_refuses_in_one_line(
    change: Callable[[Path], Any], more: dict[str, Any], message: str, model: Path, tmp_path: Path
) -> None:
    change(model)
    refuses(tmp_path, source(model, **more), message)


def test_pickled_weights_are_taken_where_the_source_says_so(model: Path, tmp_path: Path) -> None:
    assert take(tmp_path, source(model, pickled_weights=True)).final.files.keys() >= {"model.safetensors"}
    (model / "model.safetensors").unlink()
    found = take(tmp_path, source(model, pickled_weights=True))
    assert found.final.weights_sha256 == sha256_file(model / "pytorch_model.bin")


def test_without_room_nothing_is_left(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(local.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        take(tmp_path, source(model))
    assert not (tmp_path / "models").exists()
    assert not list((tmp_path / "work").glob("*"))


@pytest.mark.parametrize(("name", "content"), [("m.gguf", None), ("m.gguf", b"no such thing"), ("m.gguf", b"GGUF\x03")])
def test_a_gguf_file_that_is_none_is_refused(name: str, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for call in (lambda given: take(tmp_path, given), sizes_of):
        with pytest.raises(TasklawsError, match=name) as caught:
            call(source(tmp_path / name))
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()


def test_a_gguf_file_cannot_be_linked() -> None:
    with pytest.raises(TasklawsError, match="cannot be linked, as a GGUF file is converted"):
        source(Path("m.gguf"), weights="link")
