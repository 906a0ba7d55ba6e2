"""Stage headline: the few numbers of a ladder that `dvc exp show` and `dvc metrics diff` set beside another's."""

from pathlib import Path
from typing import Any

from tasklaws.core.errors import run
from tasklaws.core.files import read_json, write_json
from tasklaws.core.settings import load
from tasklaws.paths import Paths

HEADLINE = Path("results/headline.json")
# The name here, and where the number stands in results/<ladder>/metrics.json; README.md says what each is.
NUMBERS = {
    "forecasts": ("all", "n"),
    "coverage": ("all", "coverage"),
    "log_score": ("all", "log_score"),
    "error": ("exact_match", "mae_forecast"),
    "error_repeat": ("exact_match", "mae_repeat_last"),
    "loss_error": ("loss_nats", "mae_forecast"),
    "item_bits": ("items", "log_loss_forecast"),
}


def main() -> None:
    metrics: dict[str, Any] = read_json(Paths(load().models.name).metrics)
    scores = [curve["observed"] for curve in metrics.get("families", {}).values()]
    found = {"score": round(sum(scores) / len(scores), 6)} if scores else {}
    found |= {name: metrics[part][key] for name, (part, key) in NUMBERS.items() if key in metrics.get(part, {})}
    write_json(HEADLINE, found)


if __name__ == "__main__":
    run(main)
