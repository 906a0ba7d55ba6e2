"""Stage pythia_check: the forecasts of Pythia 6.9b against what it did, and against repeating the last known score."""

from pathlib import Path
from typing import Any

import pandas as pd

from tasklaws.core.files import sha256_file, write_json
from tasklaws.core.script import run
from tasklaws.frames.csv_files import write_table
from tasklaws.stats.scores import is_inside
from tasklaws.tables import AHEAD_FORECASTS, AHEAD_METHODS
from tasklaws.tabular.points import read_points

STUDY = Path("studies/pythia")
CURVE = ["model", "task", "metric"]
SHOWN = ["predicted", "lower", "upper", "observed", "error", "inside", "last", "headline", "verdict"]


def main() -> None:
    results = STUDY / "results"
    outcomes = read_points(STUDY / "published/outcomes_6.9b.csv")
    observed = outcomes[[*CURVE, "value"]].rename(columns={"value": "observed"})
    checked = []
    for path in sorted(results.glob("forecasts_6.9b*.csv")):
        rows = AHEAD_FORECASTS.read(path)
        steps = path.stem.partition("_after_")[2]
        if steps:  # the run's name stands in the ladder's place: "pythia-standard pythia-6.9b"
            rows["model"] = rows["ladder"].str.split().str[-1]
        joined = rows.merge(observed, on=CURVE, validate="one_to_one")
        assert len(joined) == len(rows), path
        joined = joined.assign(known=f"steps to {steps}" if steps else "smaller models")
        joined = joined.assign(error=joined["predicted"] - joined["observed"], inside=is_inside(joined))
        checked.append(joined[["known", *CURVE, *SHOWN]])
    table = pd.concat(checked)
    methods = AHEAD_METHODS.read(results / "methods_6.9b.csv").merge(observed, on=CURVE)
    write_table(results / "check.csv", table, ["known", *CURVE])
    write_json(results / "check.json", {**figures(table, methods), "sha256": digests(results)})


def figures(table: pd.DataFrame, methods: pd.DataFrame) -> dict[str, Any]:
    """Of each kind of forecast how many there are, the mean absolute error beside that of repeating the last known
    score (points of 100; of perplexity per cent of the outcome), how many 90% intervals held it, and their mean width;
    of each single method its error."""
    found: dict[str, Any] = {}
    for (known, metric), rows in table.groupby(["known", "metric"]):
        unit = 100 / (rows["observed"] if metric == "ppl" else 1.0)
        found.setdefault(str(metric), {})[known] = {
            "n": len(rows),
            "mae": _mean((rows["error"] * unit).abs()),
            "mae_repeat_last": _mean(((rows["last"] - rows["observed"]) * unit).abs()),
            "inside": int(rows["inside"].sum()),
            "width": _mean((rows["upper"] - rows["lower"]) * unit),
        }
    scores = methods[methods["metric"] == "acc"]
    errors = (100 * (scores["predicted"] - scores["observed"]).abs()).groupby(scores["method"]).mean()
    return {**found, "methods": {str(name): round(error, 2) for name, error in errors.items()}}


def digests(results: Path) -> dict[str, str]:
    """What was checked, by the contents of the files: the forecasts as they stood, and the outcomes."""
    files = [*sorted(results.glob("forecasts_6.9b*.csv")), STUDY / "published/outcomes_6.9b.csv"]
    return {path.name: sha256_file(path) for path in files}


def _mean(values: "pd.Series[float]") -> float:
    return round(float(values.mean()), 2)


if __name__ == "__main__":
    run(main)
