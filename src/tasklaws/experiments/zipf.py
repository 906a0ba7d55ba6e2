"""Hutter's question: does the loss exponent of a corpus follow the Zipf exponent of its skills?"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.fitting import fit
from tasklaws.tables import ZIPF_EXPONENTS, ZIPF_RUNS

_REFITS = 200


def read_runs(folder: Path, exponents: Sequence[float]) -> pd.DataFrame:
    """The runs of every exponent; a missing or malformed table and a loss that is not above 0 raise TasklawsError."""
    tables = [ZIPF_RUNS.read(folder / f"{one:g}.csv") for one in exponents]
    runs = pd.concat(tables, ignore_index=True)
    bad = runs[~(runs["loss_nats"] > 0)]
    if len(bad):
        raise TasklawsError(f"{folder}: loss_nats is {bad['loss_nats'].iloc[0]}: run `dvc repro --force zipf_train`")
    return runs


def predicted_exponent(zipf: float) -> float:
    """a / (1 + a) for skills of frequency k^-(1 + a): the exponent of error in data (Hutter 2021, arXiv 2102.04074;
    Michaud et al. 2023, arXiv 2303.13506, section 2), for a zipf exponent above 1 and endlessly many skills."""
    return (zipf - 1) / zipf


def exponents(runs: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row (tables.ZIPF_EXPONENTS) for each Zipf exponent: E + A D^-a fitted to the losses of all runs.

    `low` and `high` are the 90% bootstrap interval of a, in which numbers of tokens are resampled with all their seeds;
    E is the `floor`."""
    rows = []
    for zipf in sorted(set(runs["zipf"].astype(float))):
        own = runs[runs["zipf"] == zipf]
        table = pd.DataFrame({"n_tokens": own["n_tokens"], "value": own["loss_nats"], "metric": "loss_nats"})
        found = fit(table, "power", axis="n_tokens", seed=seed, replicates=_REFITS)
        low, high = found.interval["a"]
        exponent, floor = (found.params[name] for name in ("a", "E"))
        rows.append([zipf, predicted_exponent(zipf), exponent, low, high, floor, found.status])
    return ZIPF_EXPONENTS.frame(rows)
