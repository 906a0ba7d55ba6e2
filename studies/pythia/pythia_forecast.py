"""Stage pythia_forecast: what Pythia 6.9b will score, from its smaller sisters, and from the first part of its own run.

Reads no outcome. The first kind rests on published/known.csv alone, the second on published/checkpoints_6.9b.csv alone.
"""

from pathlib import Path

import pandas as pd

from tasklaws.core.script import run
from tasklaws.forecast.ahead.verb import forecast
from tasklaws.tables import AHEAD_FORECASTS, AHEAD_METHODS
from tasklaws.tabular.points import read_points

STUDY = Path("studies/pythia")
SIZE = {"n_params": 6_444_163_072, "n_tokens": 299_892_736_000}
TARGETS = [
    {"ladder": "pythia-standard", "model": "pythia-6.9b", **SIZE},
    {"ladder": "pythia-deduped", "model": "pythia-6.9b-deduped", **SIZE},
]
METRICS = ("acc", "ppl")
LAST_KNOWN_STEPS = (33_000, 63_000, 103_000)  # a quarter, nearly half and three quarters of 143,000


def main() -> None:
    results = STUDY / "results"
    known = read_points(STUDY / "published/known.csv")
    found = [forecast(known, TARGETS, axis="size", metric=metric) for metric in METRICS]
    AHEAD_FORECASTS.write(
        results / "forecasts_6.9b.csv", AHEAD_FORECASTS.pick(pd.concat([one.forecasts for one in found]))
    )
    AHEAD_METHODS.write(results / "methods_6.9b.csv", pd.concat([one.methods for one in found]))
    own = read_points(STUDY / "published/checkpoints_6.9b.csv")
    for last in LAST_KNOWN_STEPS:
        along = forecast(own[own["step"] <= last], {"step": 143_000}, axis="step", metric="acc").forecasts
        AHEAD_FORECASTS.write(results / f"forecasts_6.9b_after_{last}.csv", AHEAD_FORECASTS.pick(along))


if __name__ == "__main__":
    run(main)
