"""The loss exponent of each corpus beside what its Zipf exponent predicts."""

import numpy as np
import pandas as pd

from tasklaws.laws import fit
from tasklaws.overlap.tables import ZIPF_COLUMNS

REPLICATES = 200


def predicted_exponent(zipf: float) -> float:
    """a / (1 + a) for skills of frequency k^-(1 + a): the exponent of error in data (Hutter 2021, arXiv 2102.04074;
    Michaud et al. 2023, arXiv 2303.13506, section 2), for a zipf exponent above 1 and endlessly many skills."""
    return (zipf - 1) / zipf


def exponents(runs: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row (ZIPF_COLUMNS) for each Zipf exponent: E + A D^-a fitted to the losses of all runs (RUN_COLUMNS).

    `low` and `high` are the 90% bootstrap interval of a, in which numbers of tokens are resampled with all their seeds;
    E is the `floor`."""
    rows = []
    for zipf in sorted(set(runs["zipf"].astype(float))):
        own = runs[runs["zipf"] == zipf]
        table = pd.DataFrame({"n_tokens": own["n_tokens"], "value": own["loss_nats"], "metric": "loss_nats"})
        found = fit(table, "power", axis="n_tokens", seed=seed, replicates=REPLICATES)
        low, high = found.interval["a"]
        rows.append([zipf, predicted_exponent(zipf), found.params["a"], low, high, found.params["E"], found.status])
    return pd.DataFrame(rows, columns=ZIPF_COLUMNS)


def zipf_sentence(table: pd.DataFrame) -> str:
    """Whether the loss exponent moves with the corpus's Zipf exponent as predicted."""
    rows = table.sort_values("zipf")
    told = ", ".join(
        f"{row['exponent']:.2f} ({row['low']:.2f} to {row['high']:.2f}; predicted {row['predicted']:.2f}) at "
        f"{row['zipf']:g}"
        for _, row in rows.iterrows()
    )
    held = int(((rows["low"] <= rows["predicted"]) & (rows["predicted"] <= rows["high"])).sum())
    rising = bool((np.diff(rows["exponent"]) > 0).all())
    order = "it rises with the Zipf exponent, as predicted" if rising else "it does not rise with it throughout"
    return (
        f"The exponent of held-out loss in training tokens is {told}: the prediction lies in {held} of {len(rows)} "
        f"90% intervals, and {order}."
    )
