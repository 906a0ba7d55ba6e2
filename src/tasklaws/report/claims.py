"""What the essays claimed, set against what these models show: every judgement and number comes from the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from scipy.stats import spearmanr

from tasklaws.report.load import Results, Task, of_task, program_outcomes
from tasklaws.report.shapes import Rise, rise_of
from tasklaws.report.template import counted
from tasklaws.tables import VERDICT_NAMES

Judgement = Literal["shown", "partly shown", "not shown", "cannot be told"]
NONE, MOST, ALL = 0.05, 0.5, 0.95
_DOUBTFUL = [name for name in VERDICT_NAMES if name not in ("lawful", "at the floor", "no signal")]


@dataclass(frozen=True, eq=False)
class Claim:
    """The judgement on one claim of the essays, and what it rests on: `facts`, and a table of `shares` by rung.

    claims.html.jinja has under `name` what was claimed, and puts the facts into words.
    """

    name: str
    judgement: Judgement
    facts: Mapping[str, Any]
    shares: pd.DataFrame | None = None


def claims(results: Results) -> list[Claim]:
    """Every claim that this ladder's families can speak to."""
    found = [_one_step(results, (family, "python")) for family in results.made_by("sha256_power")]
    found += [_pieces(results, (family, "python")) for family in results.made_by("gauss_sum")]
    found += [_overlap(results), _human_time(results), _mirage(results), _foreseen(results)]
    return [claim for claim in found if claim is not None]


def loop_limit(results: Results, family: str) -> float | None:
    """The n from which a loop runs out of fuel, as stated in params."""
    limit = results.families[family].get("loop_limit")
    return None if limit is None else float(limit)


def rise_of_curve(results: Results, task: Task, metric: str = "exact_match") -> Rise | None:
    """How the curve rises; None if the task was not scored by the metric."""
    return rise_of(results.observed(task, metric), metric)


def _judged(signs: list[bool]) -> Judgement:
    """Shown if all signs speak for a claim, partly if some do."""
    if not signs:
        return "cannot be told"
    return "shown" if all(signs) else "partly shown" if any(signs) else "not shown"


def _shares(scores: pd.DataFrame, by: "pd.Series[int] | pd.Series[bool]") -> pd.DataFrame:
    """The share solved by rung (from the smallest up) and by what `by` says of each row."""
    return scores.groupby(["rung", by], sort=False)["exact_match"].mean().unstack().reindex(scores["rung"].unique())


def _one_step(results: Results, task: Task) -> Claim | None:
    rise, scores = rise_of_curve(results, task), of_task(results.scores, task)
    if rise is None:
        return None
    models = scores.groupby(["rung", "seed"])["exact_match"].mean()
    partway = int(models.between(NONE, ALL, inclusive="neither").sum())
    shares = _shares(scores, scores["n_digits"]).sort_index(axis=1)
    shares = shares.rename(columns=lambda n_digits: f"solved, {counted(n_digits, 'digit')}")
    failed = scores[scores["exact_match"] != 1]
    ran = (program_outcomes(failed) == "wrong answer").groupby(failed["rung"]).mean()
    judgement: Judgement = "partly shown" if rise.shape == "jump" or partway <= 1 else "not shown"
    if rise.shape == "jump" and not partway:
        judgement = "shown"
    if rise.shape == "too few rungs" or rise.width is None:
        judgement = "cannot be told"
    facts = {"rise": rise, "partway": partway, "n_models": len(models), "none": NONE, "all": ALL}
    return Claim("one step", judgement, facts, shares.assign(**{"failures that ran, wrong hash": ran}))


def _pieces(results: Results, task: Task) -> Claim | None:
    rise, limit = rise_of_curve(results, task), loop_limit(results, task[0])
    if rise is None or limit is None:
        return None
    scores = of_task(results.scores, task)
    above = scores["size"] >= limit
    out_of_fuel = (program_outcomes(scores) == "out of fuel")[above].groupby(scores["rung"]).mean()
    shares = _shares(scores, above).reindex(columns=[False, True]).assign(out_of_fuel=out_of_fuel).dropna()
    below, beyond = shares[False], shares[True]
    loops = list(shares.index[(below >= MOST) & (beyond <= below / 2)])
    whole = list(shares.index[(below >= ALL) & (beyond >= ALL)])
    judgement: Judgement = "shown" if loops and whole else "partly shown" if loops else "not shown"
    shares = shares.set_axis(["solved below the limit", "solved above it", "out of fuel above it"], axis=1)
    facts = {"rise": rise, "limit": limit, "loops": loops, "whole": whole, "most": MOST, "all": ALL}
    return Claim("pieces", "cannot be told" if rise.width is None else judgement, facts, shares)


def _overlap(results: Results) -> Claim | None:
    chains = sorted(results.made_by("step_chain"), key=lambda family: results.families[family]["overlap"])
    rises: dict[Task, Rise] = {}
    more_sudden = []
    for elicitation in sorted({elicitation for family, elicitation in results.tasks if family in chains}):
        ends = [(chains[0], elicitation), (chains[-1], elicitation)]
        own = {task: rise for task in ends if (rise := rise_of_curve(results, task))}
        if len(own) < 2:
            continue
        rises |= own
        apart, shared = own.values()
        if apart.width is not None and shared.width is not None:
            more_sudden.append(shared.jump > apart.jump and shared.width <= apart.width)
    return Claim("overlap", _judged(more_sudden), {"rises": rises, "more_sudden": more_sudden}) if rises else None


def _human_time(results: Results) -> Claim | None:
    ranks = []
    for task in results.tasks:
        items = of_task(results.scores, task).groupby("item").agg({"human_seconds": "first", "exact_match": "mean"})
        if items.nunique().min() >= 3:
            rank = float(spearmanr(items["human_seconds"], items["exact_match"]).statistic)
            ranks.append((" ".join(task), rank, len(items)))
    return Claim("human time", _judged([rank > -0.5 for _, rank, _ in ranks]), {"ranks": ranks}) if ranks else None


def _mirage(results: Results) -> Claim | None:
    """What the mirage check decided, metric by metric."""
    if results.mirage.empty:
        return None
    jumps = results.mirage[results.mirage["statistic"].notna()]
    decided = jumps[jumps["survives"].notna()]
    survives = decided["survives"].astype(bool)
    facts = {
        "decided": decided,
        "n_curves": len(results.tasks),
        "n_jumping": len(jumps[["family", "elicitation"]].drop_duplicates()),
        "n_jumps": len(jumps),
        "n_surviving": int(survives.sum()),
    }
    return Claim("mirage", _judged((~survives).tolist()), facts)


def _foreseen(results: Results) -> Claim | None:
    """Whether the verdicts, given beforehand, mark the forecasts that come true."""
    rows = results.validation[results.validation["metric"] == "exact_match"]
    if rows.empty:
        return None
    doubtful, lawful = (rows.loc[rows["verdict"].isin(verdicts), "abs_error"] for verdicts in (_DOUBTFUL, ["lawful"]))
    signs = [bool(lawful.mean() < doubtful.mean())] if len(doubtful) and len(lawful) else []
    errors = rows.groupby("verdict")["abs_error"].agg(["size", "mean", "max"]).reset_index()
    return Claim("foreseen", _judged(signs), {"errors": errors})
