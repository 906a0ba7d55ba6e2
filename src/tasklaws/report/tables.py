"""The report's tables, and the tidy one that `dvc plots show` draws."""

from statistics import fmean
from typing import Any

import pandas as pd

from tasklaws.report.compare import Comparison, percent
from tasklaws.report.curves import SHARES
from tasklaws.report.evidence import CONTINUOUS, CORPUS, Evidence
from tasklaws.report.rise import Rise
from tasklaws.report.style import short
from tasklaws.schema import is_loss

CURVE_KEYS = ["curve", "metric", "role", "n_params", "seed"]
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
    return pd.DataFrame(rows, columns=[*CURVE_KEYS, "value"])
