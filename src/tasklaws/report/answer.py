"""The answer first: can the next model be forecast, which tasks not and why, what to do next; and what truly
surprised."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from tasklaws.core.arrays import Array
from tasklaws.report.load import Results, Task, of_task
from tasklaws.report.surprises import FALSE_DISCOVERIES, Surprises
from tasklaws.stats.links import ARCSINE
from tasklaws.stats.resampling import Draws, interval
from tasklaws.tables import HEADLINES, VERDICT_NAMES

UNFORECAST = HEADLINES[-1]
REMEDIES = {
    "too far": "train a rung nearer to {}",
    "discontinuous": "train rungs about the jump and past it",
    "non-monotone": "train more rungs about the turn",
    "not enough rungs": "train more rungs",
    "at the floor": "train a rung large enough to leave the floor",
    "no signal": "ask more items, or train rungs further apart in size",
    "too few items": "ask more items, on more skills",
    "noisy": "train more seeds",
    "lawful": "train a rung nearer to {}",
}
"""What would make a forecast narrower, by its verdict."""


@dataclass(frozen=True, eq=False)
class RungAnswer:
    """How well one held-out rung was forecast, over its shares solved.

    `rows` are those of validation.csv; `width` is the mean width of their 90% intervals and `n_inside` how many hold
    the outcome. `error` and `error_repeat` are the mean absolute errors of the forecast and of repeating the score of
    the largest fit rung, `gain` their difference with the 90% interval `gain_low` to `gain_high` (bootstrap over tasks;
    NaN of one task): negative where repeating is better. `worth` is the median, least and largest number of items that
    would tell as much, asked of the rung itself. `headlines` and `verdicts` count every one there is.
    """

    rung: str
    n_params: float
    rows: pd.DataFrame
    width: float
    n_inside: int
    error: float
    error_repeat: float
    gain: float
    gain_low: float
    gain_high: float
    worth: tuple[float, float, float]
    headlines: Mapping[str, int]
    verdicts: Mapping[str, int]

    @property
    def unforecast(self) -> dict[str, list[Task]]:
        """The tasks that are not forecastable by their verdict, in the verdicts' order."""
        rows = self.rows[self.rows["headline"] == UNFORECAST]
        return {
            str(verdict): [*zip(own["family"], own["elicitation"], strict=True)]
            for verdict in VERDICT_NAMES
            if len(own := rows[rows["verdict"] == verdict])
        }

    @property
    def against_repeating(self) -> str:
        """Whether the gain can be told from none: `better`, `worse` or `no better`."""
        return "better" if self.gain_low > 0 else "worse" if self.gain_high < 0 else "no better"


def rung_answers(results: Results) -> list[RungAnswer]:
    """Of each held-out rung that was forecast, from the smallest up."""
    shares = results.validation[results.validation["metric"] == "exact_match"]
    return [_rung_answer(results, rung, own) for rung in results.holdouts if len(own := shares[shares["rung"] == rung])]


def _rung_answer(results: Results, rung: str, rows: pd.DataFrame) -> RungAnswer:
    gains = (rows["abs_error_repeat_last"] - rows["abs_error"]).to_numpy(dtype=float)
    gain, low, high = interval(Draws.of(1, len(gains)).mean(gains[None, :])) if len(gains) else (np.nan,) * 3
    worth = rows["equivalent_items"]
    return RungAnswer(
        rung=rung,
        n_params=results.n_params[rung],
        rows=rows,
        width=float((rows["upper"] - rows["lower"]).mean()),
        n_inside=int(rows["inside"].sum()),
        error=float(rows["abs_error"].mean()),
        error_repeat=float(rows["abs_error_repeat_last"].mean()),
        gain=gain,
        gain_low=low if len(gains) > 1 else np.nan,
        gain_high=high if len(gains) > 1 else np.nan,
        worth=(float(worth.median()), float(worth.min()), float(worth.max())),
        **count_words(rows),
    )


def count_words(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How often each headline and each verdict was given, zeros too."""
    return {
        "headlines": {name: int((rows["headline"] == name).sum()) for name in HEADLINES},
        "verdicts": {name: int((rows["verdict"] == name).sum()) for name in VERDICT_NAMES},
    }


@dataclass(frozen=True)
class Surprise:
    """What of a task surprised most on a held-out rung: its `kind` (share, skill or item), `name`, how many answers
    were right where so many were expected, and q, the false discovery rate at which it stands out."""

    kind: str
    rung: str
    name: str
    seen: float
    expected: float
    n_answers: float
    q: float


def real_surprises(results: Results, surprises: Surprises) -> tuple[dict[Task, Surprise], dict[str, int]]:
    """Of each task the surprise with q at most FALSE_DISCOVERIES, if there is one: its share before its skills before
    its items, of a kind that of the smallest q. And how many there were of each kind in all.

    q is Benjamini and Hochberg's, over all of a kind on a rung: of shares by the forecast's normal on the arcsine
    scale; of skills as surprising_skills.csv has it; of items p is twice the less likely tail, 2^(1 - bits).
    """
    found: list[tuple[Task, Surprise]] = []
    for rung in results.holdouts:
        for kind, rows in (
            ("share", _share_rows(results, rung)),
            ("skill", _skill_rows(surprises, rung)),
            ("item", _item_rows(surprises, rung)),
        ):
            for row in rows[rows["q"] <= FALSE_DISCOVERIES].to_dict("records"):
                told: dict[str, Any] = {name: row[name] for name in ("name", "seen", "expected", "n_answers", "q")}
                found.append(((row["family"], row["elicitation"]), Surprise(kind, rung, **told)))
    kinds = ("share", "skill", "item")
    found.sort(key=lambda one: (kinds.index(one[1].kind), one[1].q))
    counts = {kind: sum(one.kind == kind for _, one in found) for kind in kinds}
    return dict(reversed(found)), counts


def _share_rows(results: Results, rung: str) -> pd.DataFrame:
    rows = results.validation[(results.validation["rung"] == rung) & (results.validation["metric"] == "exact_match")]
    apart = np.abs(ARCSINE.of(rows["observed"].to_numpy(dtype=float), np.inf) - rows["link_mean"])
    p_values = (2 * norm.sf(apart / np.maximum(rows["link_sd"], 1e-6))).clip(0, 1)
    known = rows.assign(seen=rows["observed"], expected=rows["predicted"], n_answers=np.nan)
    return known.assign(name="", q=_corrected(p_values))


def _skill_rows(surprises: Surprises, rung: str) -> pd.DataFrame:
    rows = surprises.skills[surprises.skills["rung"] == rung]
    return rows.assign(name=rows["skill"], seen=rows["solved"], q=rows["q_value"])


def _item_rows(surprises: Surprises, rung: str) -> pd.DataFrame:
    rows = surprises.items[surprises.items["rung"] == rung]
    p_values = np.minimum(1.0, 2.0 ** (1 - rows["evidence_bits"].to_numpy(dtype=float)))
    expected = rows["expected"] * rows["n_seeds"]
    known = rows.assign(seen=rows["n_solved"], expected=expected, n_answers=rows["n_seeds"])
    return known.assign(name=rows["question"], q=_corrected(p_values))


def _corrected(p_values: Array) -> Array:
    return false_discovery_control(p_values, method="bh") if len(p_values) else p_values


def rows_of(results: Results, task: Task, metric: str = "exact_match") -> pd.DataFrame:
    """The forecasts of a curve with their outcomes, a row a held-out rung from the smallest up."""
    return of_task(results.validation, task, metric).sort_values("n_params", kind="stable")
