"""Forecasts set against what the holdout rung did, and against the naive baselines."""

from dataclasses import dataclass
from statistics import fmean

from tasklaws.forecast.tables import BASELINE_NAMES
from tasklaws.report.evidence import Evidence

SAME = (
    *("family", "elicitation", "metric", "rung", "verdict", "method", "equivalent_items"),
    *("predicted", "lower", "upper", "observed"),
)


@dataclass(frozen=True)
class Comparison:
    """One forecast and its outcome; `error` and `baselines` are absolute differences in the metric's unit."""

    family: str
    elicitation: str
    metric: str
    rung: str
    verdict: str
    method: str
    equivalent_items: float
    predicted: float
    lower: float
    upper: float
    observed: float
    inside: bool
    error: float
    baselines: dict[str, float]

    @property
    def best_baseline(self) -> float | None:
        return min(self.baselines.values(), default=None)


def comparisons(evidence: Evidence) -> list[Comparison]:
    """Every forecast with its outcome, families in the order of params."""
    order = {pair: index for index, pair in enumerate(evidence.pairs)}
    found = [
        Comparison(
            **{key: row[key] for key in SAME},
            inside=bool(row["inside"]),
            error=row["abs_error"],
            baselines={name: row[f"abs_error_{name}"] for name in BASELINE_NAMES if f"abs_error_{name}" in row},
        )
        for row in evidence.validation
    ]
    return sorted(found, key=lambda row: (order.get((row.family, row.elicitation), -1), row.metric))


def percent(share: float) -> str:
    """0.123 -> `12%`; only nothing is 0%, only everything is 100%."""
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 < share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def points(share: float) -> str:
    """0.0284 -> `2.8 points`: an error of a share, in hundredths of the scale."""
    return f"{100 * share:.1f} points"


def headline(rows: list[Comparison]) -> str:
    """One sentence on how well the exact-match forecasts did."""
    rows = [row for row in rows if row.metric == "exact_match"]
    if not rows:
        return "No forecast could be made on this ladder."
    inside = sum(row.inside for row in rows)
    against = [row for row in rows if row.best_baseline is not None]
    won = sum(row.error < (row.best_baseline or 0.0) for row in against)
    tied = sum(row.error == row.best_baseline for row in against)
    usual = points(fmean(row.error for row in rows))
    return (
        f"Of {len(rows)} shares solved that were forecast, {inside} came out inside the 90% interval. The "
        f"mean error was {usual}; of the baselines: {', '.join(baseline_errors(rows))}. The forecast was closer than "
        f"the best of them, picked in hindsight, for {won} of {len(against)} curves and tied with it for {tied}."
    )


def baseline_errors(rows: list[Comparison]) -> list[str]:
    """The mean error of every baseline that all of the rows have."""
    names = [name for name in BASELINE_NAMES if all(name in row.baselines for row in rows)]
    return [f"{name.replace('_', ' ')} {points(fmean(row.baselines[name] for row in rows))}" for name in names]
