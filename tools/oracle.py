"""Compare what the pipeline made before the house was rebuilt with what it makes now.

    python tools/oracle.py OLD NEW

OLD is a clone of the last commit before the move (5b4840a) and NEW one of today's, both after `make repro` on the same
kind of processor: another one rounds differently and trains other weights (README.md). Items, corpus, models, responses
and scores must have the same hashes in dvc.lock; every other result the same values, under today's names of files and
columns. `CHANGED` names the results whose values part 2 of the rebuild changed, with the entry of docs/log.md that says
why; how far they moved is printed. Exits with 1 if anything else differs.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

BEFORE = "5b4840a"
SAME_HASHES = ("data/items", "data/corpus", "data/population", "models/", "responses/", "scores/")
RENAMED = {"ladder.csv": "before/fit.csv", "forecasts.csv": "before/holdout.csv"}
CHANGED = {
    "fits.json": "a fit as JSON in one form; item difficulty by one Rasch model",
    "item_forecasts.csv": "item difficulty by one Rasch model",
    "surprises.csv": "item difficulty by one Rasch model",
    "surprise_counts.csv": "item difficulty by one Rasch model",
    "surprising_skills.csv": "item difficulty by one Rasch model",
    "metrics.json": "item difficulty by one Rasch model",
    "mirage.csv": "one rule for a step: a column that says whether the verdict's rule calls it one",
    "orders.csv": "one pooling of people's solve rates",
    "orders_agreement.csv": "one pooling of people's solve rates",
    "tracking.json": "hashes of the files above",
}
TOLERANCE = 1e-9


def locked(root: Path) -> dict[str, str]:
    """The hash of every output in a clone's dvc.lock, by path."""
    stages = yaml.safe_load((root / "dvc.lock").read_text())["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def values(path: Path) -> dict[str, Any]:
    """Every value of a table or JSON file, by where it stands."""
    if path.suffix == ".json":
        return dict(_leaves(json.loads(path.read_text()), ""))
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    texts = [column for column in table if not pd.api.types.is_numeric_dtype(table[column])]
    named = table[[column for column in texts if column not in ("evidence", "skills", "step", "survives")]]
    keys = named.fillna("").astype(str).agg(" ".join, axis=1)
    place = keys + " #" + keys.groupby(keys).cumcount().astype(str)
    return {f"{at}: {column}": value for column in table for at, value in zip(place, table[column], strict=True)}


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{at}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{at}[{index}]")
    else:
        yield at, value


def differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[str], float]:
    """Where two files differ, and the largest difference between two numbers."""
    found, largest = sorted(set(old) ^ set(new)), 0.0
    for at in old.keys() & new.keys():
        one, other = old[at], new[at]
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (one, other))
        if numbers and not (math.isnan(one) and math.isnan(other)):
            largest = max(largest, abs(one - other))
            if not math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                found.append(at)
        elif not numbers and one != other:
            found.append(at)
    return found, largest


def compare(old: Path, new: Path) -> Iterator[str]:
    """Compare two clones, print a line a file, and yield what no entry of `CHANGED` explains."""
    before, now = locked(old), locked(new)
    for output in sorted(now):
        if output.startswith(SAME_HASHES):
            same = before.get(output) == now[output]
            print(f"{'same bytes' if same else 'DIFFERS':12}{output}")
            if not same:
                yield f"{output}: {before.get(output)} before, {now[output]} now"
    for ladder in sorted((new / "results").iterdir()):
        for path in sorted(ladder.rglob("*")):
            name = path.relative_to(ladder).as_posix()
            earlier = old / "results" / ladder.name / RENAMED.get(name, name)
            if path.suffix not in (".csv", ".json") or name.startswith("gate/"):
                continue
            if not earlier.exists():
                yield f"{path}: was not there before"
                continue
            where, largest = differences(values(earlier), values(path))
            if not where:
                print(f"{'same values':12}{name}")
            elif name in CHANGED:
                print(f"{'changed':12}{name}: {len(where)} values, numbers by up to {largest:.3g} ({CHANGED[name]})")
            else:
                yield f"{name}: {len(where)} values differ, first {where[0]}, numbers by up to {largest:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help=f"a clone of {BEFORE} after make repro")
    parser.add_argument("new", type=Path, help="a clone of today's commit after make repro")
    arguments = parser.parse_args()
    faults = list(compare(arguments.old, arguments.new))
    print("\n".join(["", *faults]) if faults else "\nnothing differs that docs/log.md does not name")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
