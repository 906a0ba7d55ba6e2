"""Fetch the published result files again by `dvc import`, and compare every figure in published/ with them.

    python studies/pythia/refetch.py                        from https://github.com/EleutherAI/pythia
    python studies/pythia/refetch.py REPOSITORY [COMMIT]    from a copy of it, by path or address

Run it in the repository's root. Fetches the zero-shot files of the models in published/ into studies/pythia/fetched,
no others: the outcome of 12b stays unseen. fetched/MODEL/zero-shot.dvc records the commit that they came from. A
figure that the files lack, or have otherwise by more than its rounding, is an error.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from dvc.exceptions import DvcException
from dvc.repo import Repo

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.script import run
from tasklaws.readers.lm_eval import read_results
from tasklaws.tabular.points import read_points

STUDY = Path("studies/pythia")
FETCHED = STUDY / "fetched"
FIGURE = ["model", "step", "task", "metric"]
_ROUNDING = 5.1e-6  # of six significant digits


def main() -> None:
    source = read_json(STUDY / "published/source.json")
    given = dict(zip(("repository", "commit"), sys.argv[1:], strict=False))
    published = pd.concat([read_points(path) for path in sorted((STUDY / "published").glob("*.csv"))])
    models = sorted(published["model"].unique())
    fetch(given.get("repository", source["repository"]), given.get("commit"), source["folder"], models)
    print(compare(published, pd.concat([figures(model) for model in models])))


def fetch(repository: str, commit: str | None, folder: str, models: list[str]) -> None:
    """Import each model's zero-shot folder at a commit (None: the latest); what cannot be had raises TasklawsError."""
    try:
        with Repo() as repo:
            for model in models:
                (FETCHED / model).mkdir(parents=True, exist_ok=True)
                repo.imp(repository, f"{folder}/{model}/zero-shot", out=str(FETCHED / model), rev=commit, force=True)
    except DvcException as error:
        reason = " ".join(str(error).split())
        raise TasklawsError(
            f"{repository}: {reason}: give a repository that has {folder}, by path or address"
        ) from error


def figures(model: str) -> pd.DataFrame:
    """Every zero-shot figure in a model's fetched files."""
    rows = []
    for path in sorted((FETCHED / model).glob("zero-shot/*.json")):
        found = read_results(path, json.loads(path.read_text(encoding="utf-8")), [])
        rows += [(model, found.step, each.task, each.metric, each.value) for each in found.scores if not each.n_shot]
    return pd.DataFrame(rows, columns=[*FIGURE, "found"])


def compare(published: pd.DataFrame, fetched: pd.DataFrame) -> str:
    """How many figures are as published; one that is not raises TasklawsError."""
    both = published.merge(fetched, on=FIGURE, how="left", validate="one_to_one")
    other = both[~np.isclose(both["found"], both["value"], rtol=_ROUNDING, atol=0)]
    if len(other):
        first = other.iloc[0]
        name = f"{first['model']} step {first['step']:g} {first['task']} {first['metric']}"
        has = "is not there" if np.isnan(first["found"]) else f"is {first['found']:g}"
        raise TasklawsError(
            f"{len(other)} of {len(both)} figures differ from {STUDY}/published: {name} {has} in {FETCHED}, and "
            f"{first['value']:g} there: the repository has other results; do not use the study before it is known why"
        )
    return f"{len(both)} figures are those of {FETCHED}"


if __name__ == "__main__":
    run(main)
