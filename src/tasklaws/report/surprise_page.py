"""The page of surprises: for each holdout its families, skills and items that went otherwise than forecast."""

from html import escape

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from scipy.stats import beta, norm

from tasklaws.forecast.surprises import EXPECTED, FAILED, SOLVED
from tasklaws.plotting import LIGHT, inline, letters, panel, share_y
from tasklaws.report.load import Results
from tasklaws.report.surprises import Surprises
from tasklaws.report.template import template
from tasklaws.stats.links import ARCSINE

EDGES = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.0)
FALSE_DISCOVERIES = 0.1
SHOWN = 20  # items a list shows before it folds


def render_surprises(results: Results, surprises: Surprises, svgs: dict[str, str]) -> str:
    """The page as text; `svgs` holds the figures of `calibration_figures` by name."""
    names = {rung: _figure_name(rung) for rung in results.holdouts}
    figures = {
        rung: Markup(inline(svgs[name], name, escape(name.replace("-", " "))))
        for rung, name in names.items()
        if name in svgs
    }
    return template("surprises.html.jinja").render(
        ladder=results.paths.ladder,
        letters=Markup(letters([svgs[names[rung]] for rung in figures])),
        holdouts=results.holdouts,
        surprises=surprises,
        kinds=(SOLVED, FAILED),
        figures=figures,
        families={rung: family_surprises(results, rung) for rung in results.holdouts},
        skills={rung: skill_surprises(surprises, rung) for rung in results.holdouts},
        top=SHOWN,
        rate=FALSE_DISCOVERIES,
    )


def _figure_name(rung: str) -> str:
    return f"{rung}-item-calibration"


def calibration_figures(surprises: Surprises) -> dict[str, Figure]:
    """For each rung, the share solved of items with about the same probability: as forecast, and given the family."""
    figures = {}
    for rung, own in surprises.items.groupby("rung"):
        figure, axes = panel(f"{rung}: are item forecasts calibrated?")
        axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1, linestyle="--")
        kinds = (("probability", "as forecast", "forecast"), ("expected", "given the family's share", "outcome"))
        for column, label, colour in kinds:
            centre, share, lower, upper = _calibration(own, column).T
            spread = np.abs(np.array([lower, upper]) - share)
            axes.errorbar(centre, share, yerr=spread, fmt="o", markersize=4, color=LIGHT[colour], label=label)
        axes.set_xlim(-0.04, 1.04)
        axes.set_xlabel("probability")
        share_y(axes, "solved")
        axes.legend(loc="upper left")
        figures[_figure_name(str(rung))] = figure
    return figures


def _calibration(items: pd.DataFrame, column: str) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """(bins, 4) mean probability, share solved and its 90% interval (Jeffreys) in each bin of EDGES that has items.

    An item counts once, whatever its seeds."""
    bins = pd.cut(items[column], EDGES, right=False, labels=False).fillna(len(EDGES) - 2)  # 1 is in the last one
    rows = []
    for _, own in items.groupby(bins):
        solved = (own["n_solved"] / own["n_seeds"]).sum()
        share = solved / len(own)
        lower, upper = (float(beta.ppf(at, solved + 0.5, len(own) - solved + 0.5)) for at in (0.05, 0.95))
        rows.append((own[column].mean(), share, min(lower, share), max(upper, share)))
    return np.array(rows, dtype=np.float64)


def family_surprises(results: Results, rung: str) -> pd.DataFrame:
    """Each family's share against its forecast, the most surprising first; `surprise_bits` of the two-sided tail on the
    arcsine scale, on which the forecast is normal."""
    validation = results.validation
    rows = validation[(validation["rung"] == rung) & (validation["metric"] == "exact_match")]
    apart = np.abs(ARCSINE.of(rows["observed"].to_numpy(dtype=float), np.inf) - rows["link_mean"])
    tails = (2 * norm.sf(apart / np.maximum(rows["link_sd"], 1e-6))).clip(1e-300, 1.0)
    table = rows.assign(surprise_bits=np.abs(np.log2(tails)))
    return table.sort_values(["surprise_bits", "family", "elicitation"], ascending=[False, True, True])


def skill_surprises(surprises: Surprises, rung: str) -> pd.DataFrame:
    """The skills that items name, the most surprising first, each with the surprising items that share it,
    `shared_by`: (question, seeds that solved it, seeds)."""
    own = surprises.skills[surprises.skills["rung"] == rung]
    own = own.sort_values(["p_value", "family", "elicitation", "skill"])
    items = surprises.items[(surprises.items["rung"] == rung) & (surprises.items["surprise"] != EXPECTED)]
    shared: dict[tuple[str, str, str], list[tuple[str, float, float]]] = {}
    for item in items.to_dict("records"):
        for skill in dict.fromkeys(item["skills"].split()):
            key = (item["family"], item["elicitation"], skill)
            shared.setdefault(key, []).append((item["question"], item["n_solved"], item["n_seeds"]))
    keys = zip(own["family"], own["elicitation"], own["skill"], strict=True)
    return own.assign(shared_by=pd.Series([shared.get(key, []) for key in keys], own.index, dtype=object))
