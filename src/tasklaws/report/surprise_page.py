"""The page of surprises: for each holdout its families, skills and items that went otherwise than forecast."""

import math
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from scipy.stats import beta, norm

from tasklaws.forecast.surprises import EXPECTED
from tasklaws.plotting import LIGHT, inline, letters, panel, share_y
from tasklaws.report.load import Evidence, Row
from tasklaws.report.surprises import Surprises, holdouts_of, surprise_blocks
from tasklaws.report.tables import percent
from tasklaws.report.template import template
from tasklaws.stats.links import ARCSINE

EDGES = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.0)
FALSE_DISCOVERIES = 0.1
SHOWN = 20  # items a list shows before it folds


def render_surprises(evidence: Evidence, surprising: Surprises, svgs: dict[str, str]) -> str:
    """The page as text; `svgs` holds the figures of `calibration` by name."""
    blocks = surprise_blocks(evidence, surprising)
    used = [svgs[name] for name in map(figure_name, holdouts_of(evidence)) if name in svgs]
    for block in blocks:
        name = figure_name(block["rung"])
        title = escape(name.replace("-", " "))
        block |= {
            "figure": Markup(inline(svgs[name], name, title)) if name in svgs else "",
            "families": family_rows(evidence, block["rung"]),
            "skills": [skill_row(evidence, surprising, row) for row in ranked_skills(surprising, block["rung"])],
        }
        block["n_skills"] = len(block["skills"])
        block["n_surprising_skills"] = sum(row["surprising"] for row in block["skills"])
    return template("surprises.html.jinja").render(
        ladder=evidence.ladder,
        letters=Markup(letters(used)),
        blocks=blocks,
        top=SHOWN,
        rate=percent(FALSE_DISCOVERIES),
    )


def figure_name(rung: str) -> str:
    return f"{rung}-item-calibration"


def calibration(surprising: Surprises) -> dict[str, Figure]:
    """For each rung, the share solved of items with about the same probability: as forecast, and given the family."""
    figures = {}
    for rung in sorted({row["rung"] for row in surprising.items}):
        figure, axes = panel(f"{rung}: are item forecasts calibrated?")
        axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1, linestyle="--")
        own = [row for row in surprising.items if row["rung"] == rung]
        kinds = (("probability", "as forecast", "forecast"), ("expected", "given the family's share", "outcome"))
        for column, label, colour in kinds:
            found = np.array(calibration_points(own, column))
            centre, share, lower, upper = found.T
            spread = np.abs(np.array([lower, upper]) - share)
            axes.errorbar(centre, share, yerr=spread, fmt="o", markersize=4, color=LIGHT[colour], label=label)
        axes.set_xlim(-0.04, 1.04)
        axes.set_xlabel("probability")
        share_y(axes, "solved")
        axes.legend(loc="upper left")
        figures[figure_name(rung)] = figure
    return figures


def calibration_points(rows: list[Row], column: str) -> list[tuple[float, float, float, float]]:
    """Mean probability, share solved and its 90% interval (Jeffreys) in each bin of EDGES that has items.

    An item counts once, whatever its seeds."""
    points = []
    for low, high in pairwise(EDGES):
        own = [row for row in rows if low <= row[column] < high or row[column] == high == 1]
        if own:
            solved = math.fsum(row["n_solved"] / row["n_seeds"] for row in own)
            lower, upper = (float(beta.ppf(at, solved + 0.5, len(own) - solved + 0.5)) for at in (0.05, 0.95))
            share = solved / len(own)
            centre = math.fsum(row[column] for row in own) / len(own)
            points.append((centre, share, min(lower, share), max(upper, share)))
    return points


def family_rows(evidence: Evidence, rung: str) -> list[dict[str, Any]]:
    """Each family's share against its forecast, the most surprising first; bits of the two-sided tail on the arcsine
    scale, on which the forecast is normal."""
    found = []
    for row in evidence.validation:
        if row["rung"] == rung and row["metric"] == "exact_match":
            apart = float(ARCSINE.of(np.array(row["observed"]), np.inf)) - row["link_mean"]
            tail = 2 * norm.sf(abs(apart) / max(row["link_sd"], 1e-6))
            found.append((-math.log2(max(min(tail, 1.0), 1e-300)), row))
    return [
        {
            "pair": f"{row['family']} · {row['elicitation']}",
            "predicted": percent(row["predicted"]),
            "interval": f"{percent(row['lower'])} to {percent(row['upper'])}",
            "observed": percent(row["observed"]),
            "bits": f"{max(bits, 0.0):.1f}",
        }
        for bits, row in sorted(found, key=lambda pair: (-pair[0], pair[1]["family"], pair[1]["elicitation"]))
    ]


def ranked_skills(surprising: Surprises, rung: str) -> list[Row]:
    own = [row for row in surprising.skills if row["rung"] == rung]
    return sorted(own, key=lambda row: (row["p_value"], row["family"], row["elicitation"], row["skill"]))


def skill_row(evidence: Evidence, surprising: Surprises, row: Row) -> dict[str, Any]:
    """One skill, with the surprising items that share it."""
    items = [
        (evidence.items[item["item"]].question, f"{item['n_solved']:.0f}/{item['n_seeds']:.0f}")
        for item in surprising.items
        if item["surprise"] != EXPECTED
        and all(item[key] == row[key] for key in ("rung", "family", "elicitation"))
        and row["skill"] in item.get("skills", "").split()
    ]
    return {
        "pair": f"{row['family']} · {row['elicitation']}",
        "skill": row["skill"],
        "n_items": f"{row['n_items']:.0f}",
        "solved": f"{row['solved']:.0f} of {row['n_answers']:.0f}",
        "expected": f"{row['expected']:.1f}",
        "p": f"{row['p_value']:.2g}",
        "q": f"{row['q_value']:.2g}",
        "surprising": row["q_value"] <= FALSE_DISCOVERIES,
        "items": items,
    }
