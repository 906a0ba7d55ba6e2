"""The page of surprises: for each holdout its families, skills and items that went otherwise than forecast, with what
the model said."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from scipy.stats import beta, norm

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.surprises import EXPECTED, FAILED, SOLVED
from tasklaws.plotting import LIGHT, panel, share_y
from tasklaws.report.album import Album
from tasklaws.report.load import Results
from tasklaws.report.said import SaidAnswer
from tasklaws.report.template import template
from tasklaws.stats.links import ARCSINE
from tasklaws.tables import SURPRISE_COUNTS, SURPRISES, SURPRISING_SKILLS, refuse_strangers

LONGEST = 160  # characters shown of what a model said
EDGES = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.0)
FALSE_DISCOVERIES = 0.1
UNFOLDED = 20  # items a list shows before it folds
_CALIBRATION = "{}-item-calibration"  # the name of a rung's figure


@dataclass(frozen=True, eq=False)
class Surprises:
    """The tables of surprises: `items` the most surprising first, each with its question and answer and the `responses`
    of the seeds: (text, how many seeds)."""

    items: pd.DataFrame
    counts: pd.DataFrame
    skills: pd.DataFrame

    def of(self, rung: str, kind: str) -> pd.DataFrame:
        """The items that a holdout solved, or failed, against expectation."""
        return self.items[(self.items["rung"] == rung) & (self.items["surprise"] == kind)]


def load_surprises(results: Results, said: dict[str, list[SaidAnswer]]) -> Surprises:
    """Read the tables of surprises; a malformed file, or an item of which nothing was `said`, raises TasklawsError."""
    paths = results.paths
    items = SURPRISES.read(paths.surprises).sort_values("rank")
    items = items[items["rung"].isin(list(results.rungs))].fillna({"skills": ""})
    refuse_strangers(items["item"], results.items.index, "data/items", "run `dvc repro validate`")
    texts: dict[tuple[str, str, str], Counter[str]] = {}
    for rung in results.holdouts:
        texts |= _texts(rung, said[rung])
    asked = list(zip(items["rung"], items["elicitation"], items["item"], strict=True))
    for (rung, elicitation, item), kind in zip(asked, items["surprise"], strict=True):
        if kind != EXPECTED and (rung, elicitation, item) not in texts:
            raise TasklawsError(f"rung {rung} has no {elicitation} response to {item}: run `dvc repro respond@{rung}`")
    asked_items = results.items[["question", "answer"]].loc[items["item"]].set_index(items.index)
    by_item = pd.Series([list(texts.get(key, Counter()).items()) for key in asked], items.index, dtype=object)
    return Surprises(
        items=items.join(asked_items).assign(responses=by_item),
        counts=SURPRISE_COUNTS.read(paths.surprise_counts),
        skills=SURPRISING_SKILLS.read(paths.surprising_skills),
    )


def _texts(rung: str, said: list[SaidAnswer]) -> dict[tuple[str, str, str], "Counter[str]"]:
    """How many checkpoints of a rung said what, by (rung, elicitation, item), long texts cut."""
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for one in said:
        text = one.text if len(one.text) <= LONGEST else one.text[:LONGEST] + "…"
        found.setdefault((rung, one.elicitation, one.item), Counter())[text] += 1
    return found


def render_surprises(results: Results, surprises: Surprises, album: Album, traced: Callable[[str], Markup]) -> str:
    """The page as text; the `album` has the figures of `calibration_figures`, `traced` marks a table."""
    figures = {rung: album.figure(_CALIBRATION.format(rung)) for rung in results.holdouts}
    return template("surprises.html.jinja").render(
        ladder=results.paths.ladder,
        letters=album,
        holdouts=results.holdouts,
        surprises=surprises,
        kinds=(SOLVED, FAILED),
        figures={rung: figure for rung, figure in figures.items() if figure},
        families={rung: family_surprises(results, rung) for rung in results.holdouts},
        skills={rung: skill_surprises(surprises, rung) for rung in results.holdouts},
        top=UNFOLDED,
        rate=FALSE_DISCOVERIES,
        traced=traced,
    )


def calibration_figures(surprises: Surprises) -> dict[str, Figure]:
    """For each rung, the share solved of items with about the same probability: as forecast, and given the family.

    Bars are 90% intervals of the share (Jeffreys), in which an item counts once, whatever its seeds.
    """
    figures = {}
    for rung, own in surprises.items.groupby("rung"):
        figure, axes = panel(f"{rung}: are item forecasts calibrated?")
        axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1, linestyle="--")
        kinds = (("probability", "as forecast", "forecast"), ("expected", "given the family's share", "outcome"))
        for column, label, colour in kinds:
            bins = pd.cut(own[column], EDGES, right=False, labels=False).fillna(len(EDGES) - 2)  # 1 is in the last one
            items = own.assign(share=own["n_solved"] / own["n_seeds"]).groupby(bins)
            centre, share, count = items[column].mean(), items["share"].mean(), items.size()
            limits = beta.ppf([[0.05], [0.95]], count * share + 0.5, count * (1 - share) + 0.5)
            reach = np.maximum([[-1], [1]] * (limits - share.to_numpy()), 0)
            axes.errorbar(centre, share, yerr=reach, fmt="o", markersize=4, color=LIGHT[colour], label=label)
        axes.set_xlim(-0.04, 1.04)
        axes.set_xlabel("probability")
        share_y(axes, "solved")
        axes.legend(loc="upper left")
        figures[_CALIBRATION.format(rung)] = figure
    return figures


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
