"""What stands behind the forecasts: the methods' weights, the laws' fits, and the mirage check."""

from dataclasses import dataclass
from statistics import fmean

from tasklaws.forecast.fits import FittedLaw
from tasklaws.forecast.tables import Key
from tasklaws.report.compare import percent, points
from tasklaws.report.curves import SHARES
from tasklaws.report.evidence import CORPUS, Evidence, Row
from tasklaws.report.tables import SHORT, Rows, error, number
from tasklaws.schema import is_loss


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
        curve = evidence.fits.get(Key(*pair, metric))
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
        f"{name} {one.value:.3g}" + (f" ({one.lower:.3g} to {one.upper:.3g})" if one.upper > one.lower else "")
        for name, one in law.parameters.items()
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
