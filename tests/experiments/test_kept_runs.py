"""Runs beside the ladder: what a stopped stage had trained is taken up by the next, unless it has changed."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tiny
from tasklaws.core.schema import train_flops
from tasklaws.core.settings import Settings, TrainSource, ZipfRuns
from tasklaws.experiments import sharded_runs, zipf_runs
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card
from tasklaws.tables import SHARDED

CHAIN = {"generator": "step_chain", "fuel": 100000000, "lengths": {1: 1}, "optional_share": 0.0, "ordered_share": 0.0}
CHAIN |= {"overlap": 1.0, "n_rare": 100}
SOURCE = {"kind": "train", "layers": 2, "width": 8, "heads": 2, "seeds": [0], "step_tokens": 384, "muon_lr": 0.01}
SOURCE |= {"adam_lr": 0.009, "adam_lr_width": 0.18, "checkpoints": []}
RUNS = ZipfRuns(200, 20, 300, (384, 768), CHAIN, SOURCE)


class Training:
    """Stands in for `train_rung`: every run has the loss 0.5, and its name is kept."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str, source: TrainSource, corpus: Path, out: Path, workers: int) -> None:
        self.names.append(name)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        (out / "model.safetensors").write_text(name)
        flops = train_flops(1000, source.n_tokens)
        last = Checkpoint(".", 0, source.n_steps, True, source.n_tokens, flops, 0.5, 0.25, hash_files(out))
        write_card(out, Card(name, "train", 1000, 1500, "a" * 64, (last,), corpus_sha256="b" * 64))


@pytest.fixture(autouse=True)
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    monkeypatch.chdir(tmp_path)
    found = Training()
    for module in (zipf_runs, sharded_runs):
        monkeypatch.setattr(module, "train_rung", found)
    return found


def lower_loss(run: Path) -> None:
    path = run / "card.json"
    path.write_text(path.read_text().replace('"loss_nats": 0.5', '"loss_nats": 0.1'))


def test_finished_runs_are_taken_up(training: Training) -> None:
    first = zipf_runs.train_runs(1.6, RUNS, 0, 1)
    assert len(training.names) == 2
    assert zipf_runs.train_runs(1.6, RUNS, 0, 1).equals(first)
    assert len(training.names) == 2


@pytest.mark.parametrize(
    "change",
    [lower_loss, lambda run: (run / "model.safetensors").write_text("planted"), lambda run: (run / "more").touch()],
)
def test_a_changed_run_is_trained_anew(training: Training, change: Callable[[Path], Any]) -> None:
    first = zipf_runs.train_runs(1.6, RUNS, 0, 1)
    (run,) = Path(".work/zipf").glob("*/zipf1.6-384-*/")
    change(run)
    assert zipf_runs.train_runs(1.6, RUNS, 0, 1).equals(first)
    assert training.names[2:] == training.names[:1]


@pytest.mark.parametrize("name", ["train.npy", "heldout.jsonl", "tokenizer/tokenizer.json"])
def test_a_changed_corpus_is_drawn_anew(training: Training, name: str) -> None:
    zipf_runs.train_runs(1.6, RUNS, 0, 1)
    (corpus,) = Path(".work/zipf").glob("*/corpus")
    drawn = (corpus / name).read_bytes()
    (corpus / name).write_bytes(drawn[:-1])
    zipf_runs.train_runs(1.6, RUNS, 0, 1)
    assert (corpus / name).read_bytes() == drawn
    assert len(training.names) == 2


def test_a_changed_rung_of_several_workers_is_trained_anew(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.write_corpus(Path("data/corpus"), 60)
    source = replace(tiny.SOURCE, checkpoints=())
    settings: Settings = replace(
        tiny.SETTINGS, models=replace(tiny.SETTINGS.models, sharded={"by-1": source, "by-4": source})
    )
    monkeypatch.setattr(sharded_runs, "ask_rung", lambda model, *_, **__: 1 / (model.name == "by-1"))
    monkeypatch.setattr(sharded_runs, "score_rung", lambda *_, **__: None)
    monkeypatch.setattr(sharded_runs, "observations", lambda *_: SHARDED.frame([]).assign(is_final=True))

    def stop() -> list[str]:
        with pytest.raises(ZeroDivisionError):
            sharded_runs.sharded_runs(settings)
        return training.names

    assert stop() == ["by-1", "by-4"]
    assert stop() == ["by-1", "by-4"]
    (rung,) = Path(".work/sharded").glob("*/by-1/")
    lower_loss(rung)
    assert stop() == ["by-1", "by-4", "by-1"]
