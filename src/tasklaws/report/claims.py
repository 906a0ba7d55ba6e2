"""What the essays claimed, set against what these models show: every judgement and number comes from the data."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, TypeVar

from scipy.stats import spearmanr

from tasklaws.plotting import short
from tasklaws.report.figures import by_rung, digits, fate, solved_share
from tasklaws.report.load import Evidence, Pair, Row, size_of
from tasklaws.report.shapes import Rise, levels, measure
from tasklaws.report.tables import comparisons, percent

Judgement = Literal["shown", "partly shown", "not shown", "cannot be told"]
Group = TypeVar("Group", bound=Hashable)
NONE, MOST, ALL = 0.05, 0.5, 0.95


@dataclass(frozen=True)
class Claim:
    """One claim of the essays, the judgement on it, and the findings (and table) that it rests on."""

    title: str
    claim: str
    judgement: Judgement
    findings: tuple[str, ...]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def rise_of(evidence: Evidence, pair: Pair, metric: str = "exact_match") -> Rise | None:
    """How the pair's score rises, or None if it was not asked or not judged so."""
    found = levels(evidence, pair, metric)
    if not found:
        return None
    chances = [row["chance"] for row in evidence.of(pair, metric, final=True) if "chance" in row]
    return measure(found, metric, chances[0] if chances else 0.0)


def width_text(rise: Rise) -> str:
    if rise.width is None:
        return "none"
    return f"{'at least ' if rise.width_is_bound else ''}{rise.width:.1f} decades"


def describe(rise: Rise) -> str:
    """The rise in a sentence."""
    ends = f"{percent(rise.levels[0].value)} at {rise.levels[0].rung}"
    best = max(rise.levels, key=lambda level: level.value)
    if rise.width is None:
        return f"Nothing rises: {ends}, at best {percent(best.value)} ({best.rung})."
    return (
        f"From {ends} to {percent(best.value)} at {best.rung}. Going from 10% to 90% of the rise takes "
        f"{width_text(rise)} of n_params; the largest jump between neighbouring rungs, {rise.before} to "
        f"{rise.after}, makes up {percent(rise.jump)} of it. In one word: {rise.shape}"
        f"{', made by the held-out rungs: the fit rungs alone show none' if rise.unseen else ''}."
    )


def claims(evidence: Evidence) -> list[Claim]:
    """Every claim that this ladder's families can speak to."""
    found: list[Claim | None] = []
    found += [hash_step(evidence, (family, "python")) for family in evidence.made_by("sha256_power")]
    found += [sum_pieces(evidence, (family, "python")) for family in evidence.made_by("gauss_sum")]
    found += [overlap(evidence), human_time(evidence), mirage(evidence), foreseen(evidence)]
    return [claim for claim in found if claim is not None]


def hash_step(evidence: Evidence, pair: Pair) -> Claim | None:
    rise = rise_of(evidence, pair)
    if rise is None:
        return None
    scores = evidence.scores_of(pair)
    models = grouped(scores, lambda row: (row["rung"], row["seed"]))
    partway = sum(NONE < solved_share(rows) < ALL for rows in models.values())
    findings = (
        describe(rise),
        f"{partway} of {len(models)} trained models solve some but not all of it (more than {percent(NONE)}, fewer "
        f"than {percent(ALL)}); the claim expects none.",
        "The table keeps copying and method apart: a model that solves small powers but not large ones has the method "
        "and miscopies the power; of its failures, programs that run and print another hash are of that kind.",
    )
    judgement: Judgement = "shown" if rise.shape == "step" and not partway else "partly shown"
    if rise.shape != "step" and partway > 1:
        judgement = "not shown"
    labels = sorted({digits(evidence.items[row["item"]]) for row in scores})
    return Claim(
        "sha256 iterated: one step",
        "Small models solve none of the hundred tasks; from some size on a model solves all of them, for who can "
        "write the loop for one can write it for every one.",
        "cannot be told" if rise.shape == "too few rungs" or rise.width is None else judgement,
        findings,
        ("rung", *(f"solved, {label}" for label in labels), "failures that ran, wrong hash"),
        tuple(hash_row(evidence, rung, rows, labels) for rung, rows in by_rung(evidence, scores).items()),
    )


def hash_row(evidence: Evidence, rung: str, rows: list[Row], labels: list[str]) -> tuple[str, ...]:
    """What one rung solves by digits of the power, and the share of its failures that ran all the same."""
    groups = grouped(rows, lambda row: digits(evidence.items[row["item"]]))
    failed = [row for row in rows if row["exact_match"] != 1]
    ran = percent(sum(fate(row) == "wrong answer" for row in failed) / len(failed)) if failed else "–"
    return (rung, *(percent(solved_share(groups[label])) if label in groups else "–" for label in labels), ran)


def grouped(rows: list[Row], key: Callable[[Row], Group]) -> dict[Group, list[Row]]:
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def fuel_limit(evidence: Evidence, family: str) -> float | None:
    """The n from which a loop runs out of fuel, as stated in params."""
    limit = evidence.settings[family].get("loop_limit")
    return None if limit is None else float(limit)


def sum_pieces(evidence: Evidence, pair: Pair) -> Claim | None:
    rise, limit = rise_of(evidence, pair), fuel_limit(evidence, pair[0])
    if rise is None or limit is None:
        return None
    stages: dict[str, tuple[float, float, float]] = {}
    for rung, rows in by_rung(evidence, evidence.scores_of(pair)).items():
        sides = grouped(rows, lambda row: size_of(evidence.items[row["item"]]) >= limit)
        if len(sides) == 2:
            out = sum(fate(row) == "out of fuel" for row in sides[True]) / len(sides[True])
            stages[rung] = (solved_share(sides[False]), solved_share(sides[True]), out)
    loops = [rung for rung, (below, above, _) in stages.items() if below >= MOST and above <= below / 2]
    whole = [rung for rung, (below, above, _) in stages.items() if min(below, above) >= ALL]
    findings = (
        describe(rise),
        f"A loop passes below n = {short(limit)} and runs out of fuel from there on; the formula always passes.",
        f"Rungs that solve at least {percent(MOST)} below the limit and at most half of that above it: "
        f"{', '.join(loops) or 'none'}. Rungs that solve at least {percent(ALL)} on both sides: "
        f"{', '.join(whole) or 'none'}.",
    )
    judgement: Judgement = "shown" if loops and whole else "partly shown" if loops else "not shown"
    return Claim(
        "Sum of 1..n: pieces",
        "Small models solve nothing, middling ones loop and solve every n up to their budget, large ones know "
        "Gauss's formula and solve all.",
        "cannot be told" if rise.width is None else judgement,
        findings,
        ("rung", "solved below the limit", "solved above it", "out of fuel above it"),
        tuple((rung, *map(percent, shares)) for rung, shares in stages.items()),
    )


def overlap(evidence: Evidence) -> Claim | None:
    chains = sorted(evidence.made_by("step_chain"), key=lambda family: evidence.settings[family]["overlap"])
    findings, more_sudden = [], []
    for elicitation in sorted({elicitation for family, elicitation in evidence.pairs if family in chains}):
        rises = {
            family: rise
            for family in (chains[0], chains[-1])
            if (rise := rise_of(evidence, (family, elicitation))) is not None
        }
        if len(rises) < 2:
            continue
        for family, rise in rises.items():
            share = evidence.settings[family]["overlap"]
            findings.append(f"{elicitation}, overlap {share:g} ({family}): {describe(rise)}")
        apart, shared = rises.values()
        if apart.width is not None and shared.width is not None:
            more_sudden.append(shared.jump > apart.jump and shared.width <= apart.width)
    if not findings:
        return None
    shown: Judgement = "shown" if all(more_sudden) else "partly shown" if any(more_sudden) else "not shown"
    findings.append(
        f"With full overlap the rise is both narrower and has the larger jump in {sum(more_sudden)} of "
        f"{len(more_sudden)} elicitations in which both families rise."
    )
    return Claim(
        "Overlap decides whether there is a law",
        "The more the tasks of a set share what they need, the more they are solved all at once, and the less the "
        "smaller models tell of it.",
        shown if more_sudden else "cannot be told",
        tuple(findings),
    )


def human_time(evidence: Evidence) -> Claim | None:
    findings, weak = [], []
    for pair in evidence.pairs:
        groups = grouped(evidence.scores_of(pair), lambda row: str(row["item"]))
        seconds = [evidence.items[item].human_seconds for item in groups]
        shares = [solved_share(rows) for rows in groups.values()]
        if len(set(seconds)) < 3 or len(set(shares)) < 3:
            continue
        rank = float(spearmanr(seconds, shares).statistic)
        weak.append(rank > -0.5)
        findings.append(
            f"{' '.join(pair)}: rank correlation {rank:+.2f} between the human seconds of an item and the share of "
            f"models that solve it ({len(groups)} items)."
        )
    if not findings:
        return None
    judgement: Judgement = "shown" if all(weak) else "partly shown" if any(weak) else "not shown"
    return Claim(
        "Human time is a poor order of difficulty",
        "That a task takes people longer need not make it harder for a model. (Were it a good order, the "
        "correlations below would be near -1; one above -0.5 counts for the claim.)",
        judgement,
        tuple(findings),
    )


def mirage(evidence: Evidence) -> Claim | None:
    """What the mirage check decided, metric by metric."""
    if not evidence.mirage:
        return None
    jumps = [row for row in evidence.mirage if "statistic" in row]
    decided = [row for row in jumps if "survives" in row]
    kept = [row for row in decided if row["survives"]]
    findings = [
        f"{row['family']} {row['elicitation']}, {row['metric']}: {row['statistic']:.2f} of the jump remains "
        f"(p = {row['p_value']:.2g}): {'it survives' if row['survives'] else 'a mirage'}."
        for row in decided
    ]
    pairs = {(row["family"], row["elicitation"]) for row in jumps}
    findings.append(
        f"{len(pairs)} of {len(evidence.pairs)} curves of exact match jump more sharply than a smooth rise. Under "
        f"a continuous metric of the same responses, each metric counted apart, {len(kept)} of these jumps survive, "
        f"{len(decided) - len(kept)} are a mirage, and {len(jumps) - len(decided)} cannot be told from either."
    )
    judgement: Judgement = "not shown" if len(kept) == len(decided) else "partly shown" if kept else "shown"
    return Claim(
        "Are the jumps a mirage of the metric?",
        "Abilities that seem to emerge suddenly improve smoothly under a continuous metric (Schaeffer et al. 2023). "
        "(Shown if every decided jump is a mirage.)",
        judgement if decided else "cannot be told",
        tuple(findings),
    )


def foreseen(evidence: Evidence) -> Claim | None:
    """Whether the verdicts, given beforehand, mark the forecasts that come true."""
    errors: dict[str, list[float]] = {}
    for row in comparisons(evidence):
        if row.metric == "exact_match":
            errors.setdefault(row.verdict, []).append(row.error)
    if not errors:
        return None
    findings = [
        f"{verdict}: {len(found)} curves, mean absolute error {percent(fmean(found))} of the scale, at worst "
        f"{percent(max(found))}."
        for verdict, found in sorted(errors.items())
    ]
    doubtful = [
        error for verdict in ("discontinuous", "non-monotone", "not enough rungs") for error in errors.get(verdict, [])
    ]
    judgement: Judgement = "cannot be told"
    if doubtful and "lawful" in errors:
        judgement = "shown" if fmean(errors["lawful"]) < fmean(doubtful) else "not shown"
    return Claim(
        "One can tell beforehand which curve may be extrapolated",
        "Whether a law predicts the next model depends on the structure of the task set; reasoning about it beforehand "
        "separates the curves that can be called from those that cannot. (Shown if lawful curves err less on average "
        "than discontinuous and non-monotone ones and those with too few rungs; without a signal there is nothing to "
        "extrapolate.)",
        judgement,
        tuple(findings),
    )
