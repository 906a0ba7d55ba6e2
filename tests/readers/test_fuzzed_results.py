"""Files of every tool, spoilt a place at a time, are read as they were, or with a line that says what is left out."""

import copy
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import result_files as files

from fuzz import Changed, Valid, failures
from tasklaws.readers.merge import merge_results
from tasklaws.readers.samples import read_samples

# What stands where a number should, or beside numbers.
ODD: list[Any] = [None, True, "", "N/A", "x" * 3000, [], [1], {}, {"a": "b"}, math.nan, math.inf, -math.inf, 10**400]
NUMBERS: list[Any] = [-1, 0, 0.3, 1, 37.5, 1e300, 10**12]
NAMES = ["new", "é", "a,b,c", "details", "x" * 500, "|", " "]
# What follows from other entries than a score's own value.
UNKNOWN = ("stderr", "n_items", "chance", "n_params", "step", "higher_is_better")


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every entry of every object and list, as its container and the key in it."""
    entries = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in entries:
        yield document, key
        yield from places(value)


def content(document: Any) -> bytes:
    if isinstance(document, list):
        return "".join(json.dumps(line) + "\n" for line in document).encode()
    return json.dumps(document).encode()


def scores(document: Any) -> Any:
    """The part that has the scores."""
    return document if isinstance(document, list) else document.get("results", document.get("evaluation_results"))


def _odd(document: Any) -> list[Any]:
    """What is no score: of an item it is one that something is true."""
    return [one for one in ODD if not (one is True and isinstance(document, list))]


def odd_number(file: Valid, rng: random.Random) -> Changed:
    """Something else in the place of a number among scores: that score goes, with a line."""
    document = copy.deepcopy(file.source)
    # Another doc_id is another item.
    numbers = [
        (box, key) for box, key in places(scores(document)) if type(box[key]) in (int, float) and key != "doc_id"
    ]
    box, key = rng.choice(numbers)
    box[key] = rng.choice(_odd(document))
    return Changed(file.name, content(document), unknown=UNKNOWN)


def odd_entry(file: Valid, rng: random.Random) -> Changed:
    """Something that is no number beside the scores: nothing else changes."""
    document = copy.deepcopy(file.source)
    boxes = [box[key] for box, key in places(scores(document)) if isinstance(box[key], dict)]
    rng.choice(boxes or document)[rng.choice(NAMES)] = rng.choice(_odd(document))
    return Changed(file.name, content(document), unknown=UNKNOWN)


def anything(file: Valid, rng: random.Random) -> Changed:
    """One to three entries replaced, removed, renamed or swapped, and the end cut off now and then."""
    document = copy.deepcopy(file.source)
    for _ in range(rng.choice([1, 1, 2, 3])):
        found = list(places(document))
        if not found:
            break
        box, key = rng.choice(found)
        kind = rng.randrange(4)
        if kind == 0:
            box[key] = copy.deepcopy(rng.choice(ODD + NUMBERS))
        elif kind == 1:
            del box[key]
        elif kind == 2 and isinstance(box, dict):
            box[rng.choice([*NAMES, key.upper(), f"{key},", f"{key}_stderr", "results", "model", "acc,none"])] = (
                box.pop(key)
            )
        else:
            other = rng.choice(list(box) if isinstance(box, dict) else range(len(box)))
            box[key], box[other] = box[other], box[key]
    data = content(document)
    return Changed(file.name, data[: rng.randrange(len(data))] if rng.random() < 0.05 else data, free=True)


def valid(folder: Path) -> list[Valid]:
    """A file of every kind, read as results or as items."""
    models = files.write(folder / "models.csv", files.MODELS)

    def results(path: Path) -> pd.DataFrame:
        found = merge_results([path], "ladder", models)
        return noted(found.table, found.notes)

    def items(path: Path) -> pd.DataFrame:
        found = read_samples([path], models)
        return noted(found.table.rename(columns={"score": "value"}).assign(metric="score"), found.notes)

    changes = [odd_number, odd_entry, anything]
    kinds: list[tuple[dict[str, tuple[str, Callable[[], Any]]], Callable[[Path], pd.DataFrame]]] = [
        (files.RESULTS, results),
        (files.SAMPLES, items),
    ]
    return [
        Valid(name, content(make()), read, changes, make()) for group, read in kinds for name, make in group.values()
    ]


def noted(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    table = table.copy()
    table.attrs["notes"] = notes
    return table


@pytest.mark.parametrize("seed", range(1))
def test_a_spoilt_file_is_read_right_or_refused_in_a_line(tmp_path, seed):
    assert failures(valid(tmp_path), 50, seed, tmp_path) == []


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1, 2, *range(100, 106)])
def test_many_spoilt_files_are_read_right_or_refused_in_a_line(tmp_path, seed):
    assert failures(valid(tmp_path), 1000, seed, tmp_path) == []
