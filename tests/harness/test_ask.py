"""Asking a rung: only the models of its card, and what a killed run kept only as that run left it."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tiny
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl, write_jsonl
from tasklaws.core.schema import train_flops
from tasklaws.harness import respond
from tasklaws.harness.ask import ask_rung
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card

RUNG, ITEMS, OUT = Path("models/n1"), Path("items"), Path("said.jsonl")
SETTINGS = replace(tiny.SETTINGS, execution=replace(tiny.SETTINGS.execution, workers=1))
PATHS = {10: "seed0-step10", 20: "."}


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A rung of two checkpoints in a directory of its own, and the names of the models that were asked, instead of
    which each says its own weights."""
    monkeypatch.chdir(tmp_path)
    write_jsonl(ITEMS / "addition.jsonl", [])
    checkpoints = []
    for step, path in PATHS.items():
        (RUNG / path).mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json"):
            (RUNG / path / name).write_text(f"{name} of step {step}")
        n_tokens = 100 * step
        flops = train_flops(1000, n_tokens)
        files = hash_files(RUNG / path)
        checkpoints.append(Checkpoint(path, 0, step, step == 20, n_tokens, flops, 0.5, 0.25, files))
    write_card(RUNG, Card("n1", "train", 1000, 1500, "a" * 64, tuple(checkpoints), corpus_sha256="b" * 64))
    names: list[str] = []

    def said(models: Iterable[Path], *_: object) -> Iterator[list[dict[str, Any]]]:
        for model in models:
            names.append(model.name)
            yield [{"item": "add-1", "response": (model / "model.safetensors").read_text()}]

    monkeypatch.setattr(respond, "respond", said)
    return names


def ask() -> None:
    ask_rung(RUNG, SETTINGS, {"addition": ["direct"]}, ITEMS, OUT)


def test_every_checkpoint_is_asked(asked: list[str]) -> None:
    ask()
    assert asked == ["seed0-step10", "n1"]
    assert [(row["step"], row["response"]) for row in read_jsonl(OUT)] == [
        (10, "model.safetensors of step 10"),
        (20, "model.safetensors of step 20"),
    ]
    assert not list(Path(".work/respond").iterdir())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: (RUNG / "config.json").write_text("{}"), "config.json has SHA-256"),
        (lambda: (RUNG / "generation_config.json").unlink(), "generation_config.json is on the card and not there"),
        (
            lambda: shutil.copy(RUNG / PATHS[10] / "model.safetensors", RUNG / "model.safetensors"),
            "model.safetensors has SHA-256",
        ),
        (lambda: (RUNG / "special_tokens_map.json").write_text("{}"), "special_tokens_map.json is not on the card"),
    ],
)
def test_a_model_that_is_not_the_cards_is_not_asked(asked: list[str], change: Callable[[], Any], named: str) -> None:
    change()
    with pytest.raises(TasklawsError, match=rf"^models/n1/{named}.*: remove models/n1 and run `dvc repro`$"):
        ask()
    assert not asked


@pytest.mark.parametrize(
    "change",
    [
        lambda part: part.write_text(part.read_text().replace("of step", "to step")),
        lambda part: part.write_text("no JSON"),
        lambda part: part.with_name(f"{part.name}.seal").write_text("0" * 64),
        lambda part: part.with_name(f"{part.name}.seal").unlink(),
    ],
)
def test_what_a_killed_run_kept_is_taken_up_unless_it_has_changed(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], Any]
) -> None:
    ask()
    wanted = OUT.read_text()
    with monkeypatch.context() as patch:
        patch.setattr("tasklaws.harness.ask.read_jsonl", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ask()
    asked.clear()
    (part,) = Path(".work/respond").glob("*/seed0-step10.jsonl")
    change(part)
    ask()
    assert asked == ["seed0-step10"]
    assert OUT.read_text() == wanted
