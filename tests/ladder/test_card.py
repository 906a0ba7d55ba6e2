"""A rung's card: what goes in comes out, and what cannot be true is refused."""

import hashlib
import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_file
from tasklaws.ladder import card
from tasklaws.ladder.card import Card, Checkpoint, train_flops

COMMIT, OTHER, SHA256 = "a" * 40, "b" * 40, "c" * 64


def checkpoint(path: str, step: int, is_final: bool, commit: str | None, n_params: int = 100, seed: int = 7) -> Any:
    n_tokens = step * 10
    flops = train_flops(n_params, n_tokens)
    return Checkpoint(path, seed, step, is_final, n_tokens, flops, 2.5, 3.5, {"model.safetensors": "e" * 64}, commit)


def hub_card() -> Card:
    checkpoints = (checkpoint("seed7-step1", 1, False, OTHER), checkpoint(".", 2, True, COMMIT))
    return Card(
        "pythia-70m",
        "hub",
        100,
        120,
        SHA256,
        checkpoints,
        None,
        "EleutherAI/x",
        "main",
        COMMIT,
        n_params_loaded=90,
    )


def trained_card() -> Card:
    checkpoints = (
        checkpoint(".", 2, True, None),
        checkpoint("seed7-step1", 1, False, None),
        checkpoint("seed8-step2", 2, True, None, seed=8),
    )
    return Card("n1k", "train", 100, 120, SHA256, checkpoints, corpus_sha256=SHA256)


@pytest.mark.parametrize("known", [hub_card(), trained_card()], ids=["hub", "train"])
def test_what_was_written_is_read(known: Card, tmp_path: Path) -> None:
    card.write_card(tmp_path / "rung", known)
    assert card.read_card(tmp_path / "rung") == known


def test_a_field_that_a_kind_lacks_is_absent() -> None:
    hub, trained = hub_card().to_dict(), trained_card().to_dict()
    assert set(hub) - set(trained) == {"repo", "revision", "commit", "n_params_loaded"}
    assert set(trained) - set(hub) == {"corpus_sha256"}
    assert all("commit" in row for row in hub["checkpoints"])
    assert not any("commit" in row for row in trained["checkpoints"])


def test_the_final_checkpoint_is_the_one_in_the_directory_itself() -> None:
    assert hub_card().final.step == 2
    assert trained_card().final.seed == 7


@given(st.integers(1, 10**11), st.integers(0, 10**13))
def test_train_flops_is_6_n_d(n_params: int, n_tokens: int) -> None:
    assert train_flops(n_params, n_tokens) == pytest.approx(6 * n_params * n_tokens, rel=1e-12)


BAD_CARDS: list[tuple[str, dict[str, Any], str]] = [
    ("hub", {"n_params": None}, "no n_params"),
    ("hub", {"n_params": 0}, "n_params is 0"),
    ("hub", {"n_params": True}, "n_params is True"),
    ("hub", {"n_params": 130}, "130 exceeds n_params_total 120"),
    ("hub", {"n_params_total": float("nan")}, "NaN is no JSON number"),
    ("hub", {"n_params": 50}, "train_flops of seed7-step1 is 6000.0: 6 N D is 3000.0"),
    ("hub", {"commit": "unknown"}, "commit is 'unknown'"),
    ("hub", {"commit": OTHER}, "not that of the final checkpoint"),
    ("hub", {"commit": None}, "no commit"),
    ("hub", {"corpus_sha256": SHA256}, "card of a hub rung has corpus_sha256"),
    ("train", {"repo": "a/b"}, "card of a train rung has repo"),
    ("train", {"corpus_sha256": "abc"}, "corpus_sha256 is 'abc'"),
    ("train", {"tokenizer_sha256": 3}, "tokenizer_sha256 is 3"),
    ("train", {"source_kind": "file"}, "source_kind is 'file'.*train, hub"),
    ("train", {"checkpoints": []}, "has no checkpoints"),
    ("train", {"checkpoints": "none"}, "checkpoints is 'none'"),
    ("train", {"checkpoints": ["none"]}, r"checkpoints\[0\] is 'none'"),
    ("train", {"colour": "blue"}, "unknown key 'colour'"),
    ("train", {"rung": 5}, "rung is 5, not text"),
    ("hub", {"repo": ["a/b"]}, r"repo is \['a/b'\], not text"),
]


@pytest.mark.parametrize(("kind", "change", "message"), BAD_CARDS)
def test_refuses_a_card_that_cannot_be(kind: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    row = (hub_card() if kind == "hub" else trained_card()).to_dict() | change
    refuses(row, tmp_path, message)


BAD_CHECKPOINTS: list[tuple[dict[str, Any], str]] = [
    ({"loss_nats": float("nan")}, "NaN is no JSON number"),
    ({"bits_per_byte": -1.0}, "bits_per_byte is -1.0"),
    ({"files": {"model.safetensors": "none"}}, r"files\.model\.safetensors is .none."),
    ({"files": {}}, "files of . have no weights"),
    ({"files": {"config.json": SHA256}}, "files of . have no weights"),
    ({"files": {"../model.safetensors": SHA256}}, "not the name of a file"),
    ({"train_flops": "6000"}, "train_flops is '6000'"),
    ({"n_tokens": 1.5}, "n_tokens is 1.5"),
    ({"seed": -1}, "seed is -1"),
    ({"is_final": 1}, "is_final is 1"),
    ({"is_final": False}, "is_final of . is False: step 2 is the seed's last"),
    ({"path": "../elsewhere"}, "not a path inside the rung's directory"),
    ({"path": "/tmp"}, "not a path inside the rung's directory"),
    ({"path": "seed7-step2"}, "no final checkpoint"),
    ({"path": "seed7-step1"}, "share the path seed7-step1"),
    ({"step": 1}, "share the seed and step"),
    ({"commit": "main"}, "commit is 'main'"),
    ({"commit": COMMIT}, "commit of . is a"),
    ({"mood": "good"}, "unknown key 'mood'"),
    ({"path": 5}, r"checkpoints\[0\].path is 5, not text"),
    ({"files": "e"}, "files is .e., not a mapping"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CHECKPOINTS)
def test_refuses_a_checkpoint_that_cannot_be(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    row = trained_card().to_dict()
    row["checkpoints"][0] |= change
    refuses(row, tmp_path, message)


@pytest.mark.parametrize(
    "key", ["rung", "source_kind", "n_params", "n_params_total", "tokenizer_sha256", "checkpoints"]
)
def test_names_a_missing_key(key: str, tmp_path: Path) -> None:
    row = trained_card().to_dict()
    del row[key]
    refuses(row, tmp_path, f"no {key}")


@pytest.mark.parametrize("key", ["path", "seed", "step", "is_final", "n_tokens", "train_flops", "loss_nats"])
def test_names_a_missing_key_of_a_checkpoint(key: str, tmp_path: Path) -> None:
    row = trained_card().to_dict()
    del row["checkpoints"][1][key]
    refuses(row, tmp_path, f"no {key}")


@pytest.mark.parametrize(("text", "message"), [("{", "malformed JSON"), ("[]", "not a mapping"), (None, "exist")])
def test_refuses_a_file_that_is_no_card(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "card.json").write_text(text)
    with pytest.raises(TasklawsError, match=message):
        card.read_card(tmp_path)


def test_what_made_scores_is_read(tmp_path: Path) -> None:
    content = {"card": trained_card().to_dict(), "sandbox": "engine"}
    (tmp_path / "n1k.json").write_text(json.dumps(content))
    assert card.read_made_by(tmp_path, "n1k") == card.MadeBy(trained_card(), "engine")
    for change, message in (
        ({"card": None}, "it has no card"),
        ({"card": "none"}, "card is 'none', not a mapping"),
        ({"card": trained_card().to_dict() | {"rung": "n2k"}}, "holds the card of n2k"),
        ({"sandbox": 5}, "sandbox is 5, not text"),
    ):
        (tmp_path / "n1k.json").write_text(json.dumps(content | change))
        with pytest.raises(TasklawsError, match=rf"n1k\.json.*{message}.*run `dvc repro --force score@n1k`"):
            card.read_made_by(tmp_path, "n1k")


def on_disk(rung_dir: Path) -> Card:
    """The card of a rung whose files lie in `rung_dir`."""
    checkpoints = []
    for one in trained_card().checkpoints:
        folder = rung_dir / one.path
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json"):
            (folder / name).write_text(f"{name} of {one.path}")
        checkpoints.append(replace(one, files=card.hash_files(folder)))
    made = replace(trained_card(), checkpoints=tuple(checkpoints))
    card.write_card(rung_dir, made)
    return made


def test_the_hash_of_weights_is_that_of_the_file_or_of_the_list_of_shards(tmp_path: Path) -> None:
    one = on_disk(tmp_path).final
    assert one.weights_sha256 == sha256_file(tmp_path / "model.safetensors")
    shards = replace(one, files={"b.bin": "b" * 64, "a.bin": "a" * 64, "config.json": "c" * 64})
    assert shards.weights_sha256 == hashlib.sha256(b"a" * 64 + b"\n" + b"b" * 64).hexdigest()


def test_the_files_of_a_card_are_those_of_its_directory(tmp_path: Path) -> None:
    made = on_disk(tmp_path)
    card.check_files(tmp_path, made)
    assert {path for one in made.checkpoints for path in one.files} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rung: (rung / "config.json").write_text("other"),
            r"/config\.json has SHA-256 \w{64}, on the card it is",
        ),
        (lambda rung: (rung / "generation_config.json").write_text("{}"), r"/generation_config\.json has SHA-256"),
        (lambda rung: (rung / "seed7-step1/tokenizer.json").write_text("{}"), r"/seed7-step1/tokenizer\.json has"),
        (
            lambda rung: shutil.copy(rung / "seed7-step1/model.safetensors", rung / "model.safetensors"),
            r"/model\.safetensors has SHA-256",
        ),
        (lambda rung: (rung / "special_tokens_map.json").touch(), r"/special_tokens_map\.json is not on the card"),
        (lambda rung: (rung / "seed7-step1/a.json").symlink_to("no"), r"/seed7-step1/a\.json is not on the card"),
        (lambda rung: shutil.rmtree(rung / "seed8-step2"), r"/seed8-step2/config\.json is on the card and not there"),
        (
            lambda rung: ((rung / "seed8-step2").rename(rung.parent / "s"), (rung / "seed8-step2").symlink_to("../s")),
            r"/seed8-step2/config\.json has|/seed8-step2 is not on the card",
        ),
    ],
)
def test_a_file_that_is_not_the_cards_is_named(tmp_path: Path, change: Callable[[Path], Any], message: str) -> None:
    rung = tmp_path / "rung"
    made = on_disk(rung)
    change(rung)
    with pytest.raises(TasklawsError, match=rf"^{rung}{message}.*: remove {rung} and run `dvc repro`$"):
        card.check_files(rung, made)


def refuses(row: dict[str, Any], rung_dir: Path, message: str) -> None:
    """Reading this card fails on one line that names the file and holds `message`."""
    (rung_dir / "card.json").write_text(json.dumps(deepcopy(row)))
    with pytest.raises(TasklawsError, match=message) as caught:
        card.read_card(rung_dir)
    assert "run `dvc repro`" in str(caught.value)
    assert str(rung_dir / "card.json") in str(caught.value)
    assert "\n" not in str(caught.value)
