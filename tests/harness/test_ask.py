"""Asking a rung: only the models of its card, and what a killed run kept only as that run left it."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tiny
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, read_jsonl, write_jsonl
from tasklaws.core.schema import train_flops
from tasklaws.core.settings import AskingOfRung, LmEvalSource, Rung, Settings
from tasklaws.harness import respond
from tasklaws.harness.ask import Part, ask_rung
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card

RUNG, ITEMS, OUT = Path("models/n1"), Path("items"), Path("said.jsonl")
PAIR = {"n1": Rung("fit", tiny.SOURCE), "n2": Rung("holdout", tiny.SOURCE)}
SETTINGS = replace(
    tiny.SETTINGS,
    execution=replace(tiny.SETTINGS.execution, workers=1),
    models=replace(tiny.SETTINGS.models, rungs=PAIR),
)
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
        checkpoints.append(
            Checkpoint(
                path=path,
                seed=0,
                step=step,
                is_final=step == 20,
                n_tokens=n_tokens,
                train_flops=flops,
                loss_nats=0.5,
                bits_per_byte=0.25,
                files=files,
            )
        )
    write_card(
        RUNG,
        Card(
            rung="n1",
            source_kind="train",
            n_params=1000,
            n_params_total=1500,
            tokenizer_sha256="a" * 64,
            checkpoints=tuple(checkpoints),
            corpus_sha256="b" * 64,
        ),
    )
    names: list[str] = []

    def said(models: Iterable[Path], *_: object) -> Iterator[list[dict[str, Any]]]:
        for model in models:
            names.append(model.name)
            yield [{"item": "add-1", "response": (model / "model.safetensors").read_text()}]

    monkeypatch.setattr(respond, "respond", said)
    monkeypatch.setattr("tasklaws.harness.ask.loaded_models", lambda directories, *_: directories)
    return names


def ask(settings: Settings = SETTINGS) -> None:
    ask_rung(RUNG, settings, {"addition": ["direct"]}, ITEMS, OUT)


def with_rung(rung: Rung) -> Settings:
    """The settings, but for one rung."""
    return replace(SETTINGS, models=replace(SETTINGS.models, rungs={"n1": rung, "n2": replace(PAIR["n2"], role="fit")}))


def test_every_checkpoint_is_asked(asked: list[str]) -> None:
    ask()
    assert asked == ["seed0-step10", "n1"]
    assert [(row["step"], row["response"]) for row in read_jsonl(OUT)] == [
        (10, "model.safetensors of step 10"),
        (20, "model.safetensors of step 20"),
    ]
    how = read_json(OUT.with_suffix(".json"))
    assert (how["device"], how["dtype"], how["likelihoods"]) == ("cpu", "float64", True)


def test_another_role_asks_nothing_again_another_asking_does(asked: list[str]) -> None:
    ask()
    said = OUT.read_bytes()
    OUT.unlink()
    asked.clear()
    ask(with_rung(Rung("holdout", tiny.SOURCE)))
    assert not asked
    assert OUT.read_bytes() == said
    ask(with_rung(Rung("holdout", tiny.SOURCE, AskingOfRung(num_fewshot=1))))
    assert asked == ["seed0-step10", "n1"]


def test_few_ways_of_asking_are_kept(asked: list[str]) -> None:
    for num_fewshot in (5, 4, 3, 2, 1, 5):
        ask(with_rung(Rung("holdout", tiny.SOURCE, AskingOfRung(num_fewshot=num_fewshot))))
    assert len(asked) == 2 * 6, "the first is long gone"
    assert len(list(Path(".work/respond/n1").iterdir())) == 4


def test_what_a_server_said_is_not_kept(asked: list[str]) -> None:
    served = LmEvalSource(kind="lm_eval", model="local-completions", n_params=1000)
    for _ in range(2):
        ask(with_rung(Rung("holdout", served)))
    assert len(asked) == 4, "it may say otherwise the next time"


def test_a_device_that_is_not_here_is_named(asked: list[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(TasklawsError, match=r"^device is cuda, which is not here: give auto or cpu$"):
        ask(replace(SETTINGS, execution=replace(SETTINGS.execution, device="cuda")))
    assert not asked


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
    asked: list[str], change: Callable[[Path], Any]
) -> None:
    ask()
    wanted = OUT.read_text()
    OUT.unlink()
    asked.clear()
    (part,) = Path(".work/respond/n1").glob("*/seed0-step10.jsonl")
    change(part)
    ask()
    assert asked == ["seed0-step10"]
    assert OUT.read_text() == wanted


def test_a_part_that_is_none_is_named() -> None:
    assert Part.of("") is None
    assert Part.of("2of4") == Part(2, 4)
    for text in ("0of4", "5of4", "2", "2of", "of", "-1of4"):
        with pytest.raises(TasklawsError, match="give NofM"):
            Part.of(text)
