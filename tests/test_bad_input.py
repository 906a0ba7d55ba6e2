"""Whatever is wrong with a file that a stage reads: one line that names it, and no output touched."""

import functools
import json
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
import yaml

import tiny
from results_tree import params_of, write_results
from tasklaws.core.files import sha256_file

Harm = tuple[str, Callable[[], object]]
Spoiled = list[tuple[str, str, Callable[[str], bool]]]


def params() -> dict[str, Any]:
    """One rung for each role, asked two families."""
    found = params_of("nano_mini", ("addition", "largest_of_four"))
    few = 4 * tiny.SOURCE.step_tokens
    source = {**asdict(tiny.SOURCE), "n_tokens": few, "seeds": [0], "checkpoints": []}
    found["models"]["rungs"] = {"one": {"role": "fit", "source": source}, "two": {"role": "holdout", "source": source}}
    return found


def run(stage: str) -> None:
    """A stage's script in this process, jobs and all."""
    name, *arguments = stage.split()
    with mock.patch.object(sys, "argv", [name, *arguments]):
        runpy.run_path(str(tiny.ROOT / f"stages/{name}.py"), run_name="__main__")


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tasklaws.ladder.rung", "tasklaws.harness.ask"):
        monkeypatch.setattr(f"{module}.run_each", lambda function, jobs, _: [function(*job) for job in jobs])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stages up to observe make of one rung."""
    root = tmp_path_factory.mktemp("made")
    (root / "params.yaml").write_text(yaml.safe_dump(params()))
    (root / "custom_tasks").symlink_to(tiny.ROOT / "custom_tasks")
    tiny.write_items(root / "data/items", every=30)
    tiny.write_corpus(root / "data/corpus")
    with chdir(root):
        for stage in ("ladder", "model one", "respond one", "score one", "observe fit"):
            run(stage)
    return root


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What track reads."""
    root = tmp_path_factory.mktemp("finished")
    write_results(root, params_of("nano_mini", ("addition",)))
    return root


def outputs(root: Path, harmed: Path) -> dict[Path, str]:
    files = (path for path in root.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path: sha256_file(path) for path in files if path != harmed and "mlflow" not in path.name}


def wrong(value: Any) -> Any:
    """A value of another type."""
    return 5 if isinstance(value, str) else "many"


def harms(path: Path) -> Iterator[Harm]:
    """Ways to spoil a file: away, cut in the middle, a key gone, a value of another type, for every key."""
    content = path.read_bytes()
    yield "missing", path.unlink
    yield "truncated", functools.partial(path.write_bytes, content[: len(content) // 2])
    if path.suffix == ".csv":
        table = pd.read_csv(path)
        for column in table:
            yield f"no {column}", functools.partial(table.drop(columns=column).to_csv, path, index=False)
            if pd.api.types.is_numeric_dtype(table[column]) and table[column].notna().any():
                bad = table.astype({column: object})
                bad[column] = "many"
                yield f"{column} is text", functools.partial(bad.to_csv, path, index=False)
    if path.suffix == ".jsonl":
        first, *rows = content.decode().splitlines()
        for harm, row in spoiled(json.loads(first)):
            yield harm, functools.partial(path.write_text, "\n".join([json.dumps(row), *rows]) + "\n")
        yield "a list", functools.partial(path.write_text, "[]\n")
    if path.suffix == ".json":
        for harm, row in spoiled(json.loads(content)):
            yield harm, functools.partial(path.write_text, json.dumps(row))
        yield "a list", functools.partial(path.write_text, "[]")


def spoiled(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in row.items():
        yield f"no {key}", {name: one for name, one in row.items() if name != key}
        yield f"{key} is of another type", row | {key: wrong(value)}
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            for harm, bad in spoiled(inner):
                yield f"{key}: {harm}", row | {key: [bad, *value[1:]] if isinstance(value, list) else bad}


def status_of(stage: str) -> int | str | None:
    """The status with which a stage ends."""
    try:
        run(stage)
    except SystemExit as error:
        return error.code
    return 0


def check(root: Path, table: Spoiled, place: int, every: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """Do one wanted harm or every one to a file, one after the other, and see what the stage says."""
    stage, file, wanted = table[place]
    path = root / file
    before = outputs(root, path)
    found = [harm for harm in harms(path) if wanted(harm[0])]
    for harm, spoil in found if every else one_of(found, place):
        spoil()
        shutil.rmtree(root / ".work", ignore_errors=True)
        capfd.readouterr()
        with chdir(root):
            status = status_of(stage)
        said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
        assert status == 1, f"{file} with {harm} is accepted"
        assert len(said) == 1, harm
        assert path.stem in said[0] or path.parent.name in said[0], f"{harm}: {said[0]}"
        assert re.search("run |give |check |needs |lies in ", said[0]), f"no remedy for {harm}: {said[0]}"
        assert outputs(root, path) == before, f"{harm}: outputs changed"


def whole(harm: str) -> bool:
    """Harms of a file that another library reads, or a slow stage, or one that needs a part of it."""
    return harm in ("missing", "truncated", "no model", "no answer", "no verdict", "n_params is text")


def of_fits(harm: str) -> bool:
    # That an item or a parameter is gone is for those to see who look for it.
    return not any(f"{part}: no " in harm for part in ("difficulty", "params", "units", "stderr", "interval"))


def of_people(harm: str) -> bool:
    # Of the many estimates these stages read a few.
    wanted = ("item", "n_people", "n_solved", "solve_rate", "median_seconds")
    return harm in ("missing", "truncated", *(f"no {column}" for column in wanted), "n_solved is text")


def any_harm(harm: str) -> bool:
    # An item without choices is none of the choice families'; the judging stage knows.
    return harm != "no choices"


def of_card(harm: str) -> bool:
    # Which files a checkpoint had, but for its weights, is for the stage to see that asks it.
    return any_harm(harm) and not re.search(r"files: no (?!model)", harm)


# Stage, file, and the harms that it must refuse; what the first stages make, and what the later ones do.
FIRST = [
    ("corpus", "data/items/addition.jsonl", any_harm),
    ("model one", "data/corpus/train.npy", whole),
    ("model one", "data/corpus/heldout.jsonl", any_harm),
    ("model one", "data/corpus/tokenizer/tokenizer.json", whole),
    ("respond one", "data/items/addition.jsonl", whole),
    ("respond one", "data/items/largest_of_four.shots.jsonl", whole),
    ("respond one", "models/one/card.json", any_harm),
    ("respond one", "models/one/tokenizer.json", whole),
    ("respond one", "models/one/config.json", whole),
    ("respond one", "models/one/model.safetensors", whole),
    ("score one", "data/items/largest_of_four.jsonl", any_harm),
    ("score one", "models/one/card.json", of_card),
    ("score one", "responses/nano_mini/one.jsonl", any_harm),
    ("observe fit", "scores/nano_mini/fit/one.csv", any_harm),
    ("observe fit", "scores/nano_mini/fit/one.json", of_card),
]
LATER = [
    ("fit", "results/nano_mini/observations_fit.csv", any_harm),
    ("fit", "scores/nano_mini/fit/mini-1k.csv", any_harm),
    ("structure", "results/nano_mini/observations_fit.csv", any_harm),
    ("structure", "scores/nano_mini/fit/mini-1k.csv", any_harm),
    ("structure", "data/items/addition.jsonl", any_harm),
    ("forecast", "results/nano_mini/structure.csv", any_harm),
    ("forecast", "results/nano_mini/fits.json", of_fits),
    ("forecast", "results/nano_mini/ladder.csv", any_harm),
    ("forecast", "results/nano_mini/observations_fit.csv", any_harm),
    ("validate", "results/nano_mini/forecasts.csv", any_harm),
    ("validate", "results/nano_mini/methods.csv", any_harm),
    ("validate", "results/nano_mini/item_forecasts.csv", any_harm),
    ("validate", "results/nano_mini/observations_holdout.csv", any_harm),
    ("validate", "scores/nano_mini/holdout/mini-21k.csv", any_harm),
    ("validate", "data/items/addition.jsonl", whole),
    ("orders", "data/humans/items.csv", of_people),
    ("orders", "results/nano_mini/observations_holdout.csv", whole),
    ("orders", "scores/nano_mini/holdout/mini-21k.csv", whole),
    ("report", "results/nano_mini/orders.csv", any_harm),
    ("report", "results/nano_mini/orders_agreement.csv", any_harm),
    ("report", "data/humans/items.csv", of_people),
    ("report", "results/nano_mini/fits.json", of_fits),
    ("report", "results/nano_mini/mirage.csv", any_harm),
    ("report", "results/nano_mini/structure.csv", any_harm),
    ("report", "results/nano_mini/forecasts.csv", any_harm),
    ("report", "results/nano_mini/methods.csv", any_harm),
    ("report", "results/nano_mini/bands.csv", any_harm),
    ("report", "results/nano_mini/observations_fit.csv", any_harm),
    ("report", "results/nano_mini/validation.csv", any_harm),
    ("report", "results/nano_mini/surprises.csv", any_harm),
    ("report", "results/nano_mini/surprise_counts.csv", any_harm),
    ("report", "results/nano_mini/surprising_skills.csv", any_harm),
    ("report", "responses/nano_mini/mini-21k.jsonl", any_harm),
    ("report", "scores/nano_mini/fit/mini-1k.csv", any_harm),
    ("report", "data/items/addition.jsonl", any_harm),
    ("track", "scores/nano_mini/fit/mini-1k.json", of_card),
    ("track", "results/nano_mini/observations_fit.csv", any_harm),
    ("track", "results/nano_mini/forecasts.csv", whole),
    ("track", "results/nano_mini/metrics.json", whole),
    ("report", "results/nano_mini/planned.csv", any_harm),
]
EACH_AND_EVERY = pytest.mark.parametrize(
    "every", [False, pytest.param(True, marks=pytest.mark.heavy)], ids=["one harm", "every harm"]
)
KINDS = ("missing", "truncated", "no ", " is ")  # as `harms` calls them


def one_of(found: list[Harm], place: int) -> list[Harm]:
    """One harm of those found: in the course of the list, of each kind alike."""
    for turn in range(len(KINDS)):
        kind = KINDS[(place + turn) % len(KINDS)]
        if own := [harm for harm in found if kind in harm[0]]:
            return [own[place % len(own)]]
    return found[:1]


@EACH_AND_EVERY
@pytest.mark.parametrize("place", range(len(FIRST)), ids=[f"{stage}: {file}" for stage, file, _ in FIRST])
def test_a_bad_input_is_one_line_and_touches_no_output(made, tmp_path, capfd, place, every):
    root = Path(shutil.copytree(made, tmp_path / "root", symlinks=True))
    check(root, FIRST, place, every, capfd)


@EACH_AND_EVERY
@pytest.mark.parametrize("place", range(len(LATER)), ids=[f"{stage}: {file}" for stage, file, _ in LATER])
def test_a_bad_input_of_a_later_stage_is_one_line(finished, tmp_path, capfd, place, every):
    root = Path(shutil.copytree(finished, tmp_path / "root"))
    check(root, LATER, place, every, capfd)
