"""Stage pythia_next: what Pythia 12b will score, from all that is smaller, stated for whoever has the outcome."""

from pathlib import Path

import pandas as pd

from tasklaws.core.errors import run
from tasklaws.core.files import sha256_file, write_json
from tasklaws.forecast.ahead.verb import forecast
from tasklaws.points import read_points
from tasklaws.tables import AHEAD_FORECASTS

STUDY = Path("studies/pythia")
KNOWN = ("known.csv", "checkpoints_6.9b.csv", "outcomes_6.9b.csv")
SIZE = {"n_params": 11_327_027_200, "n_tokens": 299_892_736_000}
TARGETS = [
    {"ladder": "pythia-standard", "model": "pythia-12b", **SIZE},
    {"ladder": "pythia-deduped", "model": "pythia-12b-deduped", **SIZE},
]
JUDGED_BY = "zero-shot files of step 143000 in evals/pythia-v1/MODEL of https://github.com/EleutherAI/pythia"


def main() -> None:
    tables = [STUDY / "published" / name for name in KNOWN]
    known = pd.concat([read_points(path) for path in tables], ignore_index=True)
    found = pd.concat([forecast(known, TARGETS, axis="size", metric=metric).forecasts for metric in ("acc", "ppl")])
    out = STUDY / "results/forecasts_12b.csv"
    AHEAD_FORECASTS.write(out, AHEAD_FORECASTS.pick(found))
    statement = {
        "what": "value and 90% interval of each model, task and metric: the columns predicted, lower and upper",
        "models": {str(target["model"]): SIZE for target in TARGETS},
        "n_forecasts": len(found),
        "forecasts": {out.name: sha256_file(out)},
        "known": {path.name: sha256_file(path) for path in tables},
        "judged_by": JUDGED_BY,
    }
    write_json(STUDY / "results/statement_12b.json", statement)


if __name__ == "__main__":
    run(main)
