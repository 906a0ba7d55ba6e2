"""Stage pythia_next: what Pythia 12b will score, from all that is smaller."""

from pathlib import Path

import pandas as pd

from tasklaws.core.script import run
from tasklaws.forecast.ahead.verb import forecast
from tasklaws.tables import AHEAD_FORECASTS
from tasklaws.tabular.points import read_points

STUDY = Path("studies/pythia")
KNOWN = ("known.csv", "checkpoints_6.9b.csv", "outcomes_6.9b.csv")
SIZE = {"n_params": 11_327_027_200, "n_tokens": 299_892_736_000}
TARGETS = [
    {"ladder": "pythia-standard", "model": "pythia-12b", **SIZE},
    {"ladder": "pythia-deduped", "model": "pythia-12b-deduped", **SIZE},
]


def main() -> None:
    tables = [STUDY / "published" / name for name in KNOWN]
    known = pd.concat([read_points(path) for path in tables], ignore_index=True)
    found = pd.concat([forecast(known, TARGETS, axis="size", metric=metric).forecasts for metric in ("acc", "ppl")])
    out = STUDY / "results/forecasts_12b.csv"
    AHEAD_FORECASTS.write(out, AHEAD_FORECASTS.pick(found))


if __name__ == "__main__":
    run(main)
