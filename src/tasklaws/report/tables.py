"""The report's tables, and the tidy one that `dvc plots show` draws."""

from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from tasklaws.forecast.curve_fits import FittedLaw
from tasklaws.overlap.effective_number import worth
from tasklaws.plotting import short
from tasklaws.report.figures import SHARES
from tasklaws.report.load import CONTINUOUS, CORPUS, Evidence, Row
from tasklaws.report.shapes import Rise
from tasklaws.tables import BASELINE_NAMES, CURVES, CurveKey, is_loss

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


SHORT = {
    "exact_match": "exact match",
    "partial_credit": "partial credit",
    "brier": "Brier",
    "target_bits_per_byte": "bits/byte",
    "loss_nats": "nats/token",
    "bits_per_byte": "bits/byte",
}
Rows = list[dict[str, Any]]


def number(value: float, metric: str) -> str:
    """A score as its metric is written: a share in per cent, anything else with three digits."""
    return percent(value) if metric in SHARES else f"{value:.3g}"


def span(lower: float, upper: float, metric: str) -> str:
    """An interval: `32–81%`, `0.44–0.59`."""
    if metric in SHARES:
        return f"{100 * lower:.0f}–{100 * upper:.0f}%"
    return f"{lower:.2g}–{upper:.2g}"


def error(value: float, metric: str) -> str:
    """The size of an error: of a share in percentage points, of anything else to three decimals."""
    if metric in SHARES:
        return percent(value)
    return f"{value:.3f}" if value >= 0.0005 else "<0.001"


def ladder_rows(evidence: Evidence) -> Rows:
    """One row a rung: role, sizes, budget, held-out loss of its final checkpoints, seeds."""
    found = []
    for rung, role in evidence.rungs.items():
        rows = [row for row in evidence.observations if row["rung"] == rung and row["is_final"]]
        losses = [row["value"] for row in evidence.of(CORPUS, "loss_nats", final=True) if row["rung"] == rung]
        spread = f" ± {(max(losses) - min(losses)) / 2:.3f}" if len(losses) > 1 else ""
        found.append(
            {
                "rung": rung,
                "role": role,
                "n_params": f"{rows[0]['n_params']:,.0f}",
                "n_params_total": f"{rows[0]['n_params_total']:,.0f}" if "n_params_total" in rows[0] else "–",
                "n_tokens": short(rows[0]["n_tokens"]),
                "tokens_per_param": short(rows[0]["n_tokens"] / rows[0]["n_params"]),
                "train_flops": f"{rows[0]['train_flops']:.1e}",
                "loss": f"{fmean(losses):.3f}{spread}" if losses else "–",
                "seeds": len({row["seed"] for row in rows}),
            }
        )
    return found


def forecast_rows(comparisons: list[Comparison]) -> Rows:
    """One row a forecast: what was said, what happened, and how far off it and each baseline were."""
    return [
        {
            "pair": f"{row.family} · {row.elicitation}",
            "metric": SHORT.get(row.metric, row.metric),
            "verdict": row.verdict,
            "method": row.method.replace("_", " "),
            "items": short(round(row.equivalent_items)) if row.metric in SHARES else "–",
            "predicted": number(row.predicted, row.metric),
            "interval": span(row.lower, row.upper, row.metric),
            "observed": number(row.observed, row.metric),
            "inside": "inside" if row.inside else "outside",
            "error": error(row.error, row.metric),
            "curve": "power" if is_loss(row.metric) else "logistic",
            "baselines": {name: error(value, row.metric) for name, value in row.baselines.items()},
            "best": row.best_baseline is not None and row.error <= row.best_baseline,
        }
        for row in comparisons
    ]


def verdict_rows(evidence: Evidence) -> Rows:
    """One row a forecast curve: the verdict and what it rests on."""
    order = {pair: index for index, pair in enumerate(evidence.pairs)}
    rows = [row for row in evidence.forecasts if row["metric"] == "exact_match" and "verdict" in row]
    rows.sort(key=lambda row: order.get((row["family"], row["elicitation"]), -1))
    return [
        {
            "pair": f"{row['family']} · {row['elicitation']}",
            "verdict": row["verdict"],
            "evidence": row.get("evidence", "–"),
        }
        for row in rows
    ]


def shape_rows(rises: dict[tuple[str, str], dict[str, Rise]]) -> Rows:
    """One row a pair: the shape of its rise under exact match, and the largest jump under every metric."""
    found = []
    for pair, by_metric in rises.items():
        rise = by_metric["exact_match"]
        found.append(
            {
                "pair": " · ".join(pair),
                "shape": rise.shape,
                "first": percent(rise.levels[0].value),
                "best": percent(max(level.value for level in rise.levels)),
                "width": "–" if rise.width is None else f"{'≥ ' if rise.width_is_bound else ''}{rise.width:.2f}",
                "jump": "–" if rise.width is None else percent(rise.jump),
                "where": "–" if rise.width is None else f"{rise.before} → {rise.after}",
                "drop": percent(rise.drop) if rise.width is not None else "–",
                "others": {
                    SHORT[metric]: percent(by_metric[metric].jump)
                    for metric in CONTINUOUS
                    if metric in by_metric and by_metric[metric].width is not None
                },
            }
        )
    return found


def curve_table(evidence: Evidence) -> pd.DataFrame:
    """Every final score, forecast and interval in one tidy table, for `dvc plots show`."""
    rows: Rows = []
    for pair in [CORPUS, *evidence.pairs]:
        curve = " ".join(pair)
        for metric in evidence.metrics(pair):
            for row in evidence.of(pair, metric, final=True):
                rows.append(
                    {
                        "curve": curve,
                        **{key: row[key] for key in ("metric", "role", "n_params", "seed", "value")},
                    }
                )
            forecast = evidence.forecast(pair, metric)
            for role in ("predicted", "lower", "upper"):
                if forecast is not None and role in forecast:
                    rows.append(
                        {
                            "curve": curve,
                            "metric": metric,
                            "role": {"predicted": "forecast"}.get(role, f"forecast {role}"),
                            "n_params": forecast["n_params"],
                            "seed": "",
                            "value": forecast[role],
                        }
                    )
    return pd.DataFrame(rows, columns=[*CURVES.keys, "value"])


TAKEN = {"seeds": "between seeds", "trend": "around a trend", "design": "design only"}


def worth_rows(evidence: Evidence) -> Rows:
    """One row a family and elicitation, in the order of params; what cannot be told is a dash."""
    return [
        {
            "pair": " · ".join((row["family"], row["elicitation"])),
            "n_items": f"{row['n_items']:.0f}",
            "designed": decimals(row, "designed"),
            "observed": estimate(row, "observed", 1),
            "by_design": estimate(row, "by_design", 1),
            "taken_from": TAKEN.get(row["taken_from"], row["taken_from"]),
            "design_effect": f"{row['design_effect']:.1f}",
            "widening": "–" if (wider := widening(evidence, row)) is None else f"× {wider:.2f}",
            "index": estimate(row, "index", 2),
            "expected_index": estimate(row, "expected_index", 2),
        }
        for row in ordered(evidence)
    ]


def ordered(evidence: Evidence) -> list[Row]:
    order = {pair: index for index, pair in enumerate(evidence.pairs)}
    return sorted(evidence.structure, key=lambda row: order.get((row["family"], row["elicitation"]), len(order)))


def decimals(row: Row, name: str, digits: int = 1) -> str:
    return f"{row[name]:.{digits}f}" if name in row else "–"


def estimate(row: Row, name: str, digits: int) -> str:
    """`4.2 (1.0 to 19.5)`."""
    if name not in row:
        return "–"
    value, low, high = (decimals(row, name + end, digits) for end in ("", "_low", "_high"))
    return f"{value} ({low} to {high})"


def widening(evidence: Evidence, row: Row) -> float | None:
    """By what factor overlap widened the forecast of the share solved."""
    told = evidence.forecast((row["family"], row["elicitation"]), "exact_match")
    return None if told is None else float(told["widening"])


def worth_sentences(evidence: Evidence) -> list[str]:
    """What the table says: the extremes, how often the design fits, where a curve is a step beyond its tasks."""
    rows = ordered(evidence)
    if not rows:
        return []
    least, most = (choose(rows, key=lambda row: row["n_eff"] / row["n_items"]) for choose in (min, max))
    said = [
        f"The items of {name(least)} hang together most: {worth(least)}. Those of {name(most)} least: {worth(most)}."
    ]
    both = [row for row in rows if "observed" in row and "designed" in row]
    if both:
        inside = [row for row in both if row["observed_low"] <= row["designed"] <= row["observed_high"]]
        width = [row for row in both if row["observed_high"] >= 0.99 * row["n_items"] and row["observed_low"] <= 1.01]
        said.append(
            f"What the skills that items name would make of them lies within the 90% limits of what is seen in "
            f"{len(inside)} of {len(both)} families"
            + (f"; in {len(width)} of them the limits say nothing." if width else ".")
        )
    shown = [row for row in rows if "index" in row and "expected_index" in row]
    if shown:
        steeper = [row for row in shown if row["index"] > row["expected_index_high"]]
        named = f" ({', '.join(map(name, steeper))})" if steeper else ""
        said.append(
            f"In {len(steeper)} of {len(shown)} families{named} the sharpest gap makes up more of the rise than it "
            "would with so many independent tasks on a smooth rise, in 95% of draws. That alone is no step."
        )
    wider = [(factor, row) for row in rows if (factor := widening(evidence, row)) is not None]
    if wider:
        factor, row = max(wider, key=lambda pair: pair[0])
        said.append(f"Of all shares solved, overlap widens the interval of {name(row)} most: by {percent(factor - 1)}.")
    return said


def name(row: Row) -> str:
    return f"{row['family']} {row['elicitation']}"


@dataclass(frozen=True)
class Weights:
    """Each method's weight in, and forecast of, several curves; its mean error on the holdout where it forecast all."""

    curves: tuple[str, ...]
    rows: Rows


def weights(evidence: Evidence, metric: str) -> Weights:
    """The methods that the combination mixes under one metric (the last holdout rung's), the weightiest first."""
    curves = [pair for pair in [*evidence.pairs, CORPUS] if evidence.forecast(pair, metric)]
    told: dict[str, dict[int, Row]] = {}
    for place, pair in enumerate(curves):
        for row in evidence.methods_of(pair, metric):
            told.setdefault(row["method"], {})[place] = row
    observed = {
        place: seen for place, pair in enumerate(curves) if (seen := evidence.outcome(pair, metric)) is not None
    }
    used = {name: by_curve for name, by_curve in told.items() if any(row["weight"] for row in by_curve.values())}
    used = dict(sorted(used.items(), key=lambda pair: (-sum(row["weight"] for row in pair[1].values()), pair[0])))
    return Weights(
        tuple(" · ".join(pair) for pair in curves),
        [
            {
                "method": name.replace("_", " "),
                "cells": [cell(by_curve.get(place), metric) for place in range(len(curves))],
                "error": mean_error(by_curve, observed, metric),
            }
            for name, by_curve in used.items()
        ],
    )


def cell(row: Row | None, metric: str) -> tuple[str, str]:
    """A method's weight and its forecast."""
    return ("–", "") if row is None else (percent(row["weight"]), number(row["predicted"], metric))


def mean_error(by_curve: dict[int, Row], observed: dict[int, float], metric: str) -> str:
    if not observed or set(observed) - set(by_curve):
        return "–"
    found = fmean(abs(by_curve[place]["predicted"] - seen) for place, seen in observed.items())
    return points(found) if metric in SHARES else error(found, metric)


def law_rows(evidence: Evidence) -> Rows:
    """One row a law fitted to a share solved or to the held-out loss: how its fit ended, and its parameters."""
    found = []
    for pair, metric in [*((pair, "exact_match") for pair in evidence.pairs), (CORPUS, "loss_nats")]:
        curve = evidence.fits.get(CurveKey(*pair, metric))
        for law in curve.laws if curve else ():
            found.append(
                {
                    "pair": " · ".join(pair),
                    "law": law.law.replace("_", " "),
                    "status": law.status.replace("_", " "),
                    "reason": law.reason,
                    "params": parameters(law),
                    "misfit": "–" if law.misfit is None else misfit(law.misfit, metric),
                }
            )
    return found


def parameters(law: FittedLaw) -> list[str]:
    """Each parameter with its interval: `k 1.1 (0.9 to 1.3)`."""
    return [
        f"{name} {value:.3g}" + (" ({:.3g} to {:.3g})".format(*law.interval[name]) if name in law.interval else "")
        for name, value in law.params.items()
    ]


def misfit(value: float, metric: str) -> str:
    """Of a loss the residuals are those of its logarithm, which are about relative ones."""
    return percent(value) if is_loss(metric) else error(value, metric)


def survival(row: Row) -> str:
    if "statistic" not in row:
        return "no jump"
    return {True: "survives", False: "mirage", None: "undecided"}[row.get("survives")]


def mirage_rows(evidence: Evidence) -> Rows:
    """One row a family, elicitation and continuous metric: does the jump survive?"""
    order = {pair: index for index, pair in enumerate(evidence.pairs)}
    rows = sorted(evidence.mirage, key=lambda row: order.get((row["family"], row["elicitation"]), -1))
    return [
        {
            "pair": f"{row['family']} · {row['elicitation']}",
            "metric": SHORT.get(row["metric"], row["metric"]),
            **{
                name: f"{row[name]:.2f}" if name in row else "–"
                for name in ("jump_exact", "jump_continuous", "statistic")
            },
            "p_value": f"{row['p_value']:.2g}" if "p_value" in row else "–",
            "survives": survival(row),
            "evidence": row["evidence"],
        }
        for row in rows
    ]
