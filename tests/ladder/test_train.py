"""A rung's training: it learns, survives a kill, and ends in the same bytes whoever runs it."""

import io
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import tiny
from tasklaws.core.files import read_jsonl, sha256_file
from tasklaws.core.schema import Document
from tasklaws.core.settings import gpt_neox_n_params
from tasklaws.ladder import card, heldout, train
from tasklaws.ladder.batches import Encoded, batches, make_batch
from tasklaws.ladder.decoder import Decoder
from tasklaws.ladder.rung import train_rung
from tasklaws.ladder.tokenizer import encode, load_tokenizer
from tasklaws.ladder.train import Training, build_model

SOURCE = tiny.SOURCE
FEW = replace(SOURCE, n_tokens=40 * SOURCE.step_tokens)  # forty steps


@pytest.fixture(scope="module")
def tokenizer(corpus_dir):
    return load_tokenizer(corpus_dir / "tokenizer")


@pytest.fixture(scope="module")
def documents(corpus_dir):
    return [Document(**row) for row in read_jsonl(corpus_dir / "train.jsonl")]


@pytest.fixture(scope="module")
def rung(corpus_dir, tmp_path_factory) -> Path:
    """A rung of two seeds, one after the other in this process."""
    return make_rung(tmp_path_factory.mktemp("one"), corpus_dir)


def make_rung(root: Path, corpus_dir: Path, workers: int = 0) -> Path:
    """A rung of two seeds, by so many workers, or by none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        if not workers:
            patch.setattr("tasklaws.ladder.rung.run_each", lambda job, jobs, _: [job(*one) for one in jobs])
        train_rung("tiny", tiny.SOURCE, corpus_dir, Path("models/tiny"), workers)
    return root / "models/tiny"


def bytes_of(folder: Path) -> dict[str, str]:
    """Every file's hash, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): sha256_file(path) for path in files if path.suffix not in (".state", ".seal")
    }


def test_the_loss_falls(documents, tokenizer):
    torch.set_num_threads(1)
    training = Training(SOURCE, build_model(SOURCE, tokenizer, 0))
    stream = batches(encode(documents, tokenizer), SOURCE.step_tokens, 1, 0, 0, SOURCE.n_steps)
    losses = [training.advance(shards) for shards in stream]
    assert len(losses) == SOURCE.n_steps
    # A model that knows nothing pays ln(vocabulary).
    assert losses[0] == pytest.approx(math.log(len(tokenizer)), rel=0.1)
    assert sum(losses[-10:]) / 10 < 0.6 * losses[0]


def test_two_runs_end_in_the_same_bytes_and_two_seeds_do_not(documents, tokenizer, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train.train("tiny", FEW, seed, encode(documents, tokenizer), tokenizer, tmp_path / name)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    last = f"step{FEW.n_steps}/model.safetensors"
    assert sha256_file(tmp_path / "a" / f"seed0-{last}") != sha256_file(tmp_path / "c" / f"seed1-{last}")


@pytest.mark.parametrize("stops", [[10], [7, 30]])
def test_a_resumed_run_ends_in_the_same_bytes(documents, tokenizer, tmp_path, monkeypatch, stops):
    """Interrupted after any step, and resumed from the last state before it."""
    train.train("tiny", FEW, 0, encode(documents, tokenizer), tokenizer, tmp_path / "whole")
    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    advance = Training.advance
    for stop in stops:

        def stopping(self: Training, batch: Any, stop: int = stop) -> float:
            if self.step == stop:
                raise KeyboardInterrupt
            return advance(self, batch)

        monkeypatch.setattr(Training, "advance", stopping)
        with pytest.raises(KeyboardInterrupt):
            train.train("tiny", FEW, 0, encode(documents, tokenizer), tokenizer, tmp_path / "parts")
    monkeypatch.setattr(Training, "advance", advance)
    train.train("tiny", FEW, 0, encode(documents, tokenizer), tokenizer, tmp_path / "parts")
    assert bytes_of(tmp_path / "parts") == bytes_of(tmp_path / "whole")


def spoil_state(work: Path, other: Path) -> None:
    content = bytearray((work / "seed0.state").read_bytes())
    content[-len(content) // 3] ^= 1
    (work / "seed0.state").write_bytes(content)


def plant_state(work: Path, other: Path) -> None:
    shutil.copy(other / "seed1.state", work / "seed0.state")


def plant_unsealed_state(work: Path, other: Path) -> None:
    (work / "seed0.state").write_bytes((other / "seed1.state").read_bytes()[64:])


def plant_weights(work: Path, other: Path) -> None:
    shutil.copy(other / "seed1-step10/model.safetensors", work / "seed0-step10/model.safetensors")


def spoil_config(work: Path, other: Path) -> None:
    path = work / "seed0-step10/generation_config.json"
    path.write_text(path.read_text().replace("eos_token_id", "stop_token_id"))


@pytest.mark.parametrize("change", [spoil_state, plant_state, plant_unsealed_state, plant_weights, spoil_config])
def test_kept_work_that_has_changed_is_not_taken_up(documents, tokenizer, tmp_path, monkeypatch, change):
    """Training begins anew, and ends in the same bytes."""
    encoded = encode(documents, tokenizer)
    train.train("tiny", FEW, 0, encoded, tokenizer, tmp_path / "whole")
    train.train("tiny", FEW, 1, encoded, tokenizer, tmp_path / "other")
    with monkeypatch.context() as patch:
        advance = Training.advance

        def stopping(self: Training, batch: Any) -> float:
            if self.step == 12:
                raise KeyboardInterrupt
            return advance(self, batch)

        patch.setattr(Training, "advance", stopping)
        with pytest.raises(KeyboardInterrupt):
            train.train("tiny", FEW, 0, encoded, tokenizer, tmp_path / "parts")
    change(tmp_path / "parts", tmp_path / "other")
    train.train("tiny", FEW, 0, encoded, tokenizer, tmp_path / "parts")
    assert bytes_of(tmp_path / "parts") == bytes_of(tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_rung_resumes_with_more_workers_and_ends_in_the_same_bytes(rung, corpus_dir, tmp_path):
    program = (
        "import sys; from pathlib import Path; import tiny\n"
        "from tasklaws.ladder.rung import train_rung\n"
        "if __name__ == '__main__':\n"
        "    train_rung('tiny', tiny.SOURCE, Path(sys.argv[1]), Path('models/tiny'), 1)\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    process = subprocess.Popen(
        [sys.executable, script, corpus_dir],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tiny.ROOT / "tests")},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".work/train/tiny/*/seed0.state")) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "models").exists()
    (state,) = tmp_path.glob(".work/train/tiny/*/seed0.state")
    assert 0 < torch.load(io.BytesIO(state.read_bytes()[64:]), weights_only=True)["step"] < SOURCE.n_steps
    assert bytes_of(make_rung(tmp_path, corpus_dir, workers=2)) == bytes_of(rung)
    assert not list((tmp_path / ".work/train").iterdir())


def test_a_finished_rung_leaves_the_work_of_other_rungs_and_no_other(corpus_dir, tmp_path):
    given_up, others = tmp_path / ".work/train/tiny/0123", tmp_path / ".work/train/tiny-2/4567/seed0.state"
    given_up.mkdir(parents=True)
    others.parent.mkdir(parents=True)
    others.touch()
    make_rung(tmp_path, corpus_dir)
    left = [path for path in (tmp_path / ".work/train").rglob("*") if path.is_file()]
    assert left == [others]
    assert not given_up.exists()


def test_a_checkpoint_is_loaded_once(corpus_dir, tmp_path, monkeypatch):
    loaded = []
    load = heldout.load_directory
    monkeypatch.setattr(
        heldout, "load_directory", lambda folder, *how: loaded.append(folder.name) or load(folder, *how)
    )
    make_rung(tmp_path, corpus_dir)
    assert sorted(loaded) == sorted(f"seed{seed}-step{step}" for seed in (0, 1) for step in (30, 60, 120))


def test_the_rung_is_an_ordinary_directory(rung, tokenizer):
    model = AutoModelForCausalLM.from_pretrained(rung)
    loaded = AutoTokenizer.from_pretrained(rung)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    given_ids = loaded("Q: 1+2\nA:", return_tensors="pt", add_special_tokens=False)["input_ids"]
    assert given_ids.tolist()[0] == tokenizer("Q: 1+2\nA:", add_special_tokens=False)["input_ids"]
    said = model.generate(given_ids, max_new_tokens=3, do_sample=False, pad_token_id=loaded.pad_token_id)
    assert said.shape[0] == 1
    assert model.config.num_hidden_layers == tiny.SOURCE.layers


def test_the_card_tells_the_facts(rung, corpus_dir):
    known = card.read_card(rung)
    assert (known.rung, known.source_kind) == ("tiny", "train")
    assert known.n_params == gpt_neox_n_params(2, 8)
    model = AutoModelForCausalLM.from_pretrained(rung)
    assert known.n_params_total == sum(parameter.numel() for parameter in model.parameters())
    assert known.corpus_sha256 == sha256_file(corpus_dir / "train.jsonl")
    assert known.tokenizer_sha256 == sha256_file(corpus_dir / "tokenizer/tokenizer.json")
    documents = read_jsonl(corpus_dir / "heldout.jsonl")
    for checkpoint in known.checkpoints:
        assert checkpoint.n_tokens == checkpoint.step * SOURCE.step_tokens
        loss = heldout.heldout_loss(rung / checkpoint.path, documents, dtype=torch.float64)
        assert checkpoint.loss_nats == pytest.approx(loss.loss_nats, abs=1e-6)
        assert checkpoint.bits_per_byte == pytest.approx(loss.bits_per_byte, abs=1e-6)


def test_checkpoints_are_kept_at_three_training_lengths(rung):
    known = card.read_card(rung)
    for seed in tiny.SOURCE.seeds:
        own = [checkpoint for checkpoint in known.checkpoints if checkpoint.seed == seed]
        assert [checkpoint.step for checkpoint in own] == [30, 60, 120]
        assert [checkpoint.is_final for checkpoint in own] == [False, False, True]
        losses = [checkpoint.loss_nats for checkpoint in own]
        assert losses == sorted(losses, reverse=True)
    assert known.final.seed == tiny.SOURCE.seeds[0]
    folders = {path.name for path in rung.iterdir() if path.is_dir()}
    assert folders == {checkpoint.path for checkpoint in known.checkpoints} - {"."}
    weights = [sha256_file(rung / checkpoint.path / "model.safetensors") for checkpoint in known.checkpoints]
    assert len(set(weights)) == len(weights)


def gradients_of(model: Any, documents: list[Encoded]) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients by Hugging Face's own forward pass, every document by itself."""
    total: Any = 0.0
    for document in documents:
        ids = torch.tensor([document.ids])
        logits = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        chosen = logits.gather(1, ids[0, 1:, None])[:, 0]
        total = total - chosen[max(document.n_prompt, 1) - 1 :].sum()
    total.backward()
    return total.item(), {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize(("layers", "width", "heads"), [(1, 6, 1), (3, 8, 2), (2, 24, 3)])
def test_loss_and_gradients_are_those_of_the_hugging_face_model(documents, tokenizer, layers, width, heads):
    """Also that documents of one batch do not see one another, and that a model goes in and comes out the same."""
    encoded = encode(documents, tokenizer)[:40]
    source = replace(SOURCE, layers=layers, width=width, heads=heads)
    model = build_model(source, tokenizer, 0)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():  # norms and biases begin at 1 and 0, which hide mistakes
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    decoder = Decoder(model)
    batch = make_batch(encoded)
    loss = decoder.loss(batch)
    loss.backward()
    wanted_loss, wanted = gradients_of(model, encoded)
    assert loss.item() == pytest.approx(wanted_loss, rel=1e-5)
    other = build_model(source, tokenizer, 1)
    decoder.write_to(other)
    assert all(map(torch.equal, other.parameters(), model.parameters()))
    for parameter in decoder.parameters().values():
        parameter.data.copy_(parameter.grad)
    decoder.write_to(other)
    for name, gradient in other.named_parameters():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=2e-4 * float(wanted[name].abs().max()))


def test_muon_moves_matrices_as_torch_does_but_for_its_bfloat16():
    start = torch.randn(2, 12, 5, generator=torch.Generator().manual_seed(0))
    stacked = start.clone().requires_grad_(True)
    single = [matrix.clone().requires_grad_(True) for matrix in start]
    ours = train.Muon([stacked], {"lr": 0.1})
    theirs = torch.optim.Muon(single, lr=0.1, weight_decay=0.0)
    for step in range(3):
        stacked.grad = torch.randn(start.shape, generator=torch.Generator().manual_seed(step + 1))
        for matrix, gradient in zip(single, stacked.grad, strict=True):
            matrix.grad = gradient.clone()
        ours.step()
        theirs.step()
    moved = float((stacked.detach() - start).abs().max())
    torch.testing.assert_close(stacked, torch.stack(single), rtol=0, atol=0.03 * moved)


@pytest.mark.parametrize("n_shards", [2, 8])
def test_a_step_in_shards_is_the_step_in_one_up_to_rounding(documents, tokenizer, n_shards):
    runs = []
    for count in (1, n_shards):
        training = Training(SOURCE, build_model(SOURCE, tokenizer, 0))
        stream = batches(encode(documents, tokenizer), SOURCE.step_tokens, count, 0, 0, 3)
        runs.append([training.advance(shards) for shards in stream])
    assert runs[0] == pytest.approx(runs[1], rel=1e-4)


def test_only_targets_are_learned(documents, tokenizer):
    """What is read is the prompt, what is learned the target and the end."""
    encoded = encode(documents, tokenizer)
    for document, ids in zip(documents[:50], encoded, strict=False):
        assert tokenizer.decode(ids.ids[: ids.n_prompt]) == document.prompt
        assert tokenizer.decode(ids.ids[ids.n_prompt : -1]) == document.target
        assert ids.ids[-1] == tokenizer.eos_token_id


def test_kept_steps_are_shares_of_the_whole():
    assert SOURCE.n_steps == 120
    assert SOURCE.kept_steps == [30, 60, 120]
    assert replace(SOURCE, checkpoints=(0.001, 1.0)).kept_steps == [1, 120]
    assert replace(SOURCE, checkpoints=()).kept_steps == [120]


@pytest.mark.slow
def test_a_write_cut_short_is_one_line_and_leaves_nothing(corpus_dir, tmp_path):
    """The state is written by torch, the weights by safetensors: each hides a full disk behind an error of its own."""
    program = (
        "import resource, sys; from pathlib import Path; import tiny\n"
        "from tasklaws.core import script; from tasklaws.ladder.tokenizer import encode, load_tokenizer\n"
        "from tasklaws.ladder.train import Training, build_model, export\n"
        "tokenizer = load_tokenizer(Path(sys.argv[1]))\n"
        "training = Training(tiny.SOURCE, build_model(tiny.SOURCE, tokenizer, 0))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "model = training.model\n"
        "for write in (lambda: training.save(Path('seed0.state')), lambda: export(model, tokenizer, Path('seed0'))):\n"
        "    try: script.run(write)\n"
        "    except SystemExit as exit: assert exit.code == 1\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, corpus_dir / "tokenizer"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tiny.ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    state, weights = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "seed0.state" in state
    assert "File too large" in state
    assert "seed0" in weights
    assert "free some space" in weights
    assert not (tmp_path / "seed0.state").exists()
    assert not (tmp_path / "seed0").exists()
