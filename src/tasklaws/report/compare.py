"""Forecasts set against what the holdout rung did, and against the naive baselines."""

from dataclasses import dataclass
from statistics import median

from tasklaws.report.evidence import Evidence

BASELINES = ("repeat_last", "chance", "linear")


@dataclass(frozen=True)
class Comparison:
    """One forecast and its outcome; `error` and `baselines` are absolute differences in the metric's unit.

    `lower`, `upper` and `inside` are None where no interval was given.
    """

    family: str
    elicitation: str
    metric: str
    rung: str
    verdict: str
    law: str
    status: str
    predicted: float
    lower: float | None
    upper: float | None
    observed: float
    inside: bool | None
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
            **{key: row[key] for key in ("family", "elicitation", "metric", "rung", "verdict", "law")},
            status=row["fit_status"],
            predicted=row["predicted"],
            lower=row.get("lower"),
            upper=row.get("upper"),
            observed=row["observed"],
            inside=bool(row["inside"]) if "inside" in row else None,
            error=row["abs_error"],
            baselines={name: row[f"abs_error_{name}"] for name in BASELINES if f"abs_error_{name}" in row},
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


def headline(rows: list[Comparison]) -> str:
    """One sentence on how well the exact-match forecasts did."""
    rows = [row for row in rows if row.metric == "exact_match"]
    if not rows:
        return "No forecast could be made on this ladder."
    judged = [row for row in rows if row.inside is not None]
    inside = sum(bool(row.inside) for row in judged)
    against = [row for row in rows if row.best_baseline is not None]
    won = sum(row.error < (row.best_baseline or 0.0) for row in against)
    tied = sum(row.error == row.best_baseline for row in against)
    return (
        f"Of {len(judged)} shares solved that were forecast with an interval, {inside} came out inside it. The "
        f"forecast was closer than the best of the naive baselines for {won} of {len(against)} curves and tied with "
        f"it for {tied}; its median error was {percent(median(row.error for row in rows))} of the scale."
    )
