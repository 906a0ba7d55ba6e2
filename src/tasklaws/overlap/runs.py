"""The table of runs for Hutter's question: one row for each exponent, number of tokens and seed."""

from pathlib import Path

import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.files import read_table

RUN_KEYS = ["zipf", "n_tokens", "seed"]
RUN_COLUMNS = [*RUN_KEYS, "n_params", "loss_nats"]


def read_runs(folder: Path, exponents: list[float]) -> pd.DataFrame:
    """The runs of every exponent; a missing or malformed table and a loss that is not above 0 raise TasklawsError."""
    tables = [read_table(folder / f"{one:g}.csv", RUN_COLUMNS, RUN_KEYS, RUN_COLUMNS, RUN_COLUMNS) for one in exponents]
    runs = pd.concat(tables, ignore_index=True)
    bad = runs[~(runs["loss_nats"] > 0)]
    if len(bad):
        raise TasklawsError(f"{folder}: loss_nats is {bad['loss_nats'].iloc[0]}: run `dvc repro --force zipf_train`")
    return runs
