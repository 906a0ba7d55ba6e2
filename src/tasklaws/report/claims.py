"""What the essays claimed, set against what these models show: every judgement and number comes from the data."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd
from scipy.stats import spearmanr

from tasklaws.plotting import short
from tasklaws.report.load import Results, Task, of_task, program_outcomes
from tasklaws.report.shapes import Rise, rise_of
from tasklaws.report.template import counted, percent

Judgement = Literal["shown", "partly shown", "not shown", "cannot be told"]
NONE, MOST, ALL = 0.05, 0.5, 0.95


@dataclass(frozen=True, eq=False)
class Claim:
    """One claim of the essays, the judgement on it, and the findings (and table of shares, by rung) that it rests
    on."""

    title: str
    claim: str
    judgement: Judgement
    findings: list[str]
    shares: pd.DataFrame | None = None


def describe_rise(rise: Rise) -> str:
    """The rise in a sentence."""
    ends = f"{percent(rise.levels[0].value)} at {rise.levels[0].rung}"
    best = max(rise.levels, key=lambda level: level.value)
    if rise.width is None:
        return f"Nothing rises: {ends}, at best {percent(best.value)} ({best.rung})."
    width = f"{'at least ' if rise.width_is_bound else ''}{rise.width:.1f} decades"
    return (
        f"From {ends} to {percent(best.value)} at {best.rung}. Going from 10% to 90% of the rise takes "
        f"{width} of n_params; the largest jump between neighbouring rungs, {rise.before} to "
        f"{rise.after}, makes up {percent(rise.jump)} of it. In one word: {rise.shape}"
        f"{', made by the held-out rungs: the fit rungs alone show none' if rise.unseen else ''}."
    )


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
    partway = models.between(NONE, ALL, inclusive="neither").sum()
    shares = _shares(scores, scores["n_digits"]).sort_index(axis=1)
    shares = shares.rename(columns=lambda n_digits: f"solved, {counted(n_digits, 'digit')}")
    failed = scores[scores["exact_match"] != 1]
    ran = (program_outcomes(failed) == "wrong answer").groupby(failed["rung"]).mean()
    steps = rise.shape == "step"
    judgement: Judgement = "partly shown" if steps or partway <= 1 else "not shown"
    if steps and not partway:
        judgement = "shown"
    return Claim(
        "sha256 iterated: one step",
        "Small models solve none of the hundred tasks; from some size on a model solves all of them, for who can "
        "write the loop for one can write it for every one.",
        "cannot be told" if rise.shape == "too few rungs" or rise.width is None else judgement,
        [
            describe_rise(rise),
            f"{partway} of {len(models)} trained models solve some but not all of it (more than {percent(NONE)}, fewer "
            f"than {percent(ALL)}); the claim expects none.",
            "The table keeps copying and method apart: a model that solves small powers but not large ones has the "
            "method and miscopies the power; of its failures, programs that run and print another hash are of that "
            "kind.",
        ],
        shares.assign(**{"failures that ran, wrong hash": ran}),
    )


def _pieces(results: Results, task: Task) -> Claim | None:
    rise, limit = rise_of_curve(results, task), loop_limit(results, task[0])
    if rise is None or limit is None:
        return None
    scores = of_task(results.scores, task)
    above = scores["size"] >= limit
    out_of_fuel = (program_outcomes(scores) == "out of fuel")[above].groupby(scores["rung"]).mean()
    shares = _shares(scores, above).reindex(columns=[False, True]).assign(out_of_fuel=out_of_fuel).dropna()
    below, beyond = shares[False], shares[True]
    loops = [str(rung) for rung in shares.index[(below >= MOST) & (beyond <= below / 2)]]
    whole = [str(rung) for rung in shares.index[(below >= ALL) & (beyond >= ALL)]]
    judgement: Judgement = "shown" if loops and whole else "partly shown" if loops else "not shown"
    return Claim(
        "Sum of 1..n: pieces",
        "Small models solve nothing, middling ones loop and solve every n up to their budget, large ones know "
        "Gauss's formula and solve all.",
        "cannot be told" if rise.width is None else judgement,
        [
            describe_rise(rise),
            f"A loop passes below n = {short(limit)} and runs out of fuel from there on; the formula always passes.",
            f"Rungs that solve at least {percent(MOST)} below the limit and at most half of that above it: "
            f"{', '.join(loops) or 'none'}. Rungs that solve at least {percent(ALL)} on both sides: "
            f"{', '.join(whole) or 'none'}.",
        ],
        shares.set_axis(["solved below the limit", "solved above it", "out of fuel above it"], axis=1),
    )


def _overlap(results: Results) -> Claim | None:
    chains = sorted(results.made_by("step_chain"), key=lambda family: results.families[family]["overlap"])
    findings, more_sudden = [], []
    for elicitation in sorted({elicitation for family, elicitation in results.tasks if family in chains}):
        ends = (chains[0], chains[-1])
        rises = {family: rise for family in ends if (rise := rise_of_curve(results, (family, elicitation)))}
        if len(rises) < 2:
            continue
        findings += [
            f"{elicitation}, overlap {results.families[family]['overlap']:g} ({family}): {describe_rise(rise)}"
            for family, rise in rises.items()
        ]
        apart, shared = rises.values()
        if apart.width is not None and shared.width is not None:
            more_sudden.append(shared.jump > apart.jump and shared.width <= apart.width)
    if not findings:
        return None
    findings.append(
        f"With full overlap the rise is both narrower and has the larger jump in {sum(more_sudden)} of "
        f"{len(more_sudden)} elicitations in which both families rise."
    )
    return Claim(
        "Overlap decides whether there is a law",
        "The more the tasks of a set share what they need, the more they are solved all at once, and the less the "
        "smaller models tell of it.",
        _judged(more_sudden),
        findings,
    )


def _human_time(results: Results) -> Claim | None:
    findings, weak = [], []
    for task in results.tasks:
        items = of_task(results.scores, task).groupby("item").agg({"human_seconds": "first", "exact_match": "mean"})
        if items.nunique().min() < 3:
            continue
        rank = float(spearmanr(items["human_seconds"], items["exact_match"]).statistic)
        weak.append(rank > -0.5)
        findings.append(
            f"{' '.join(task)}: rank correlation {rank:+.2f} between the human seconds of an item and the share of "
            f"models that solve it ({len(items)} items)."
        )
    if not findings:
        return None
    return Claim(
        "Human time is a poor order of difficulty",
        "That a task takes people longer need not make it harder for a model. (Were it a good order, the "
        "correlations below would be near -1; one above -0.5 counts for the claim.)",
        _judged(weak),
        findings,
    )


def _mirage(results: Results) -> Claim | None:
    """What the mirage check decided, metric by metric."""
    if results.mirage.empty:
        return None
    jumps = results.mirage[results.mirage["statistic"].notna()]
    decided = jumps[jumps["survives"].notna()]
    survives = decided["survives"].astype(bool).tolist()
    findings = [
        f"{row['family']} {row['elicitation']}, {row['metric']}: {row['statistic']:.2f} of the jump remains "
        f"(p = {row['p_value']:.2g}): {'it survives' if row['survives'] else 'a mirage'}."
        for _, row in decided.iterrows()
    ]
    findings.append(
        f"{len(jumps[['family', 'elicitation']].drop_duplicates())} of {len(results.tasks)} curves of exact match jump "
        f"more sharply than a smooth rise. Under a continuous metric of the same responses, each metric counted apart, "
        f"{sum(survives)} of these jumps survive, {len(survives) - sum(survives)} are a mirage, and "
        f"{len(jumps) - len(decided)} cannot be told from either."
    )
    return Claim(
        "Are the jumps a mirage of the metric?",
        "Abilities that seem to emerge suddenly improve smoothly under a continuous metric (Schaeffer et al. 2023). "
        "(Shown if every decided jump is a mirage.)",
        _judged([not one for one in survives]),
        findings,
    )


def _foreseen(results: Results) -> Claim | None:
    """Whether the verdicts, given beforehand, mark the forecasts that come true."""
    rows = results.validation[results.validation["metric"] == "exact_match"]
    if rows.empty:
        return None
    doubtful, lawful = (
        rows.loc[rows["verdict"].isin(verdicts), "abs_error"]
        for verdicts in (["discontinuous", "non-monotone", "not enough rungs"], ["lawful"])
    )
    signs = [bool(lawful.mean() < doubtful.mean())] if len(doubtful) and len(lawful) else []
    return Claim(
        "One can tell beforehand which curve may be extrapolated",
        "Whether a law predicts the next model depends on the structure of the task set; reasoning about it beforehand "
        "separates the curves that can be called from those that cannot. (Shown if lawful curves err less on average "
        "than discontinuous and non-monotone ones and those with too few rungs; without a signal there is nothing to "
        "extrapolate.)",
        _judged(signs),
        [
            f"{verdict}: {counted(len(errors), 'curve')}, mean absolute error {percent(errors.mean())} of the scale, "
            f"at worst {percent(errors.max())}."
            for verdict, errors in rows.groupby("verdict")["abs_error"]
        ],
    )
