"""Stage headline: the few numbers of a ladder that `dvc exp show` and `dvc metrics diff` set beside another's."""

from pathlib import Path

from tasklaws.core.errors import run
from tasklaws.core.files import read_json, write_json
from tasklaws.core.settings import load
from tasklaws.paths import Paths

HEADLINE = Path("results/headline.json")
# The name here, and where the number stands in results/<ladder>/metrics.json; README.md says what each is.
# None is called error, which DVC takes for a file that it could not read.
FOUND_AT = {
    "n": ("all", "n"),
    "coverage": ("all", "coverage"),
    "log_score": ("all", "log_score"),
    "mae": ("exact_match", "mae_forecast"),
    "mae_repeat": ("exact_match", "mae_repeat_last"),
    "mae_loss": ("loss_nats", "mae_forecast"),
    "item_bits": ("items", "log_loss_forecast"),
}


def main() -> None:
    metrics = read_json(Paths(load().models.name).metrics)
    scores = [curve["observed"] for curve in metrics.get("families", {}).values()]
    found = {"score": sum(scores) / len(scores)} if scores else {}
    found |= {name: metrics[part][key] for name, (part, key) in FOUND_AT.items() if key in metrics.get(part, {})}
    write_json(HEADLINE, {name: round(value, 4) for name, value in found.items()})


if __name__ == "__main__":
    run(main)
