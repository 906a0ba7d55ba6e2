"""The loss exponent of each corpus beside what its Zipf exponent predicts."""

import pandas as pd

from tasklaws.laws import fit
from tasklaws.overlap.tables import ZIPF_COLUMNS

REPLICATES = 200


def predicted_exponent(zipf: float) -> float:
    """a / (1 + a) for skills of frequency k^-(1 + a): the exponent of error in data (Hutter 2021, arXiv 2102.04074;
    Michaud et al. 2023, arXiv 2303.13506, section 2), for a zipf exponent above 1 and endlessly many skills."""
    return (zipf - 1) / zipf


def exponents(runs: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row (ZIPF_COLUMNS) for each Zipf exponent: E + A D^-a fitted to the losses of all runs (RUN_COLUMNS), with the
    90% bootstrap interval of a; E is the `floor`. Numbers of tokens are resampled with all their seeds."""
    rows = []
    for zipf, own in runs.groupby("zipf", sort=True):
        table = pd.DataFrame({"n_tokens": own["n_tokens"], "value": own["loss_nats"], "metric": "loss_nats"})
        found = fit(table, "power", axis="n_tokens", seed=seed, replicates=REPLICATES)
        low, high = found.interval["a"]
        rows.append(
            [zipf, predicted_exponent(float(zipf)), found.params["a"], low, high, found.params["E"], found.status]
        )
    return pd.DataFrame(rows, columns=ZIPF_COLUMNS)
