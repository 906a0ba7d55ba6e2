"""The few numbers of a ladder to see first: `results/headline.json`, and MLflow's run of the ladder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEADLINE = Path("results/headline.json")
# The name, and where the number stands in results/<ladder>/metrics.json; README.md says what each is.
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


def headline(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The headline's numbers by name, of what metrics.json holds; what a ladder has no curves for is left out."""
    scores = [curve["observed"] for curve in metrics.get("families", {}).values()]
    found = {"score": sum(scores) / len(scores)} if scores else {}
    found |= {name: metrics[part][key] for name, (part, key) in FOUND_AT.items() if key in metrics.get(part, {})}
    return {name: round(value, 4) for name, value in found.items()}
