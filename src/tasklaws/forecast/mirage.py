"""Is a jump under exact match there under a continuous metric of the same responses, or a mirage of the metric?

Wei et al. 2022 show abilities that emerge; Schaeffer et al. 2023 show that a metric which asks for all of a long
answer makes a jump of smooth progress. docs/mirage.md explains the test."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.verdict import seen_curve, step
from tasklaws.stats import jumps
from tasklaws.stats.jumps import LEAST_SIZES, REPLICATES, SIGNIFICANCE, FoundStep, Jump, excess_share
from tasklaws.tables import MIRAGE

_KEPT = 0.5  # a jump survives where more than this share of it remains, and is a mirage where less does


# Scales in [0, 1] on which more is better. Bits per byte become the geometric mean probability of a byte: unlike the
# probability of the whole answer it does not sharpen with the answer's length, and unlike a log likelihood it does not
# count progress among the hopeless as most of the rise.
_CONTINUOUS: dict[str, Callable[[Array], Array]] = {
    "partial_credit": np.asarray,
    "target_bits_per_byte": lambda bits: np.exp2(-bits),
    "brier": lambda loss: 1 - loss / 2,
}


@dataclass(frozen=True, eq=False)
class Measured:
    """A metric along a ladder: its values, and draws of them that its noise could have given."""

    value: Array  # (rungs)
    draws: Array  # (replicates, rungs)


def mirage_table(scores: pd.DataFrame, sizes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The mirage check (tables.MIRAGE): one row a family, elicitation and continuous metric that it has.

    `scores` are item scores of the final checkpoints of a ladder's rungs (tables.SCORES), `sizes` their `rung` and
    `n_params` or `train_flops`. `jump_exact` is the excess share (0 for a straight rise in ln size, 1 for a step) of
    exact match's sharpest gap, `jump_continuous` that of the metric in the same gap, `statistic` their ratio: the
    share of the jump that remains; `p_value`, two-sided, tests whether it is 1/2. `survives` is True or False where
    that is rejected, and empty, as the statistic and p are, where exact match shows no jump sharper than a smooth rise.
    `step` says whether exact match makes a step by the rule of the verdict; a rising one is a jump.
    A rung without a size, or without an item in common with the others, raises TasklawsError."""
    size = _sizes(scores, sizes)
    rows = []
    asked = scores[scores["exact_match"].notna()]
    for (family, elicitation), group in asked.groupby(["family", "elicitation"], sort=True):
        known = group[[name for name in _CONTINUOUS if name in group]].notna().groupby(group["rung"]).any().all()
        continuous = list(known.index[known])  # a rung may not tell likelihoods
        metrics = ["exact_match", *continuous]
        responses = _responses(group, size, metrics)
        arrays = list(responses.values())
        rng = np.random.default_rng(seed)
        x = np.log(size[list(responses)].to_numpy(dtype=float))
        measured = dict(zip(metrics, _measure_responses(arrays, rng), strict=True))
        n_items = np.full(len(x), float(arrays[0].shape[2]))
        found = step(seen_curve(x, measured["exact_match"].value, n_items, float(group["chance"].mean()), loss=False))
        for row in _compare(x, measured, independent_trials(arrays), found, list(responses), rng):
            rows.append({"family": family, "elicitation": elicitation, **row})
    return MIRAGE.frame(rows).astype({"step": "boolean", "survives": "boolean"})


def _compare(
    x: Array,
    measured: dict[str, Measured],
    trials: Array,
    step: FoundStep | None,
    names: list[str],
    rng: np.random.Generator,
) -> Iterator[dict[str, object]]:
    """`metric` and the check of every metric but exact match, the first of `measured`, which makes that `step`."""
    exact, *_ = measured.values()
    others = list(measured.items())[1:]
    n_sizes = len(np.unique(x))
    if n_sizes < LEAST_SIZES:
        few = f"{n_sizes} rungs of different size, {LEAST_SIZES} are needed"
        for metric, _ in others:
            yield {"metric": metric, "evidence": few}
        return
    place = int(np.searchsorted(x, step.before, side="right")) - 1 if step is not None and step.rise > 0 else None
    jump = jumps.sharpest_jump(x, exact.value, trials, rng, place)
    kind = "" if step is None else "; a step down" if place is None else "; a step"
    exact_evidence = (
        f"exact_match makes {jump.share:.0%} of its rise between {names[jump.place]} and {names[jump.place + 1]} "
        f"(excess {jump.excess:.2f}, p = {jump.p_value:.2g} against a smooth rise{kind})"
    )
    for metric, continuous in others:
        excess = float(excess_share(x, continuous.value)[jump.place])
        row: dict[str, object] = {"metric": metric, "step": step is not None}
        row |= {"jump_exact": jump.excess, "jump_continuous": excess}
        if place is None and (jump.p_value > SIGNIFICANCE or jump.excess <= 0):  # where a curve falls, nothing jumps
            yield row | {"evidence": f"no jump: {exact_evidence}"}
            continue
        remains = excess / jump.excess
        p_value, lower, upper = _test_remainder(x, exact, continuous, jump)
        survives = remains > _KEPT if p_value <= SIGNIFICANCE else None
        verdict = {True: "the jump survives", False: "a mirage", None: "undecided"}[survives]
        share = float(jumps.gap_shares(continuous.value)[jump.place])
        evidence = (
            f"{verdict}: {exact_evidence}; {metric} makes {share:.0%} of its own there (excess {excess:.2f}): "
            f"{remains:.0%} of the jump remains ({lower:.0%} to {upper:.0%}; p = {p_value:.2g} that half does)"
        )
        yield row | {"statistic": remains, "p_value": p_value, "survives": survives, "evidence": evidence}


def _test_remainder(x: Array, exact: Measured, continuous: Measured, jump: Jump) -> tuple[float, float, float]:
    """Two-sided p-value of _KEPT, and the 95% interval, of the share of exact match's jump that remains.

    The share is the ratio of the two excess shares in the gap of `jump`; p counts the paired draws of both for which it
    is on the other side of _KEPT (percentile bootstrap of the difference, which stays finite where a draw has no jump).
    """
    drawn_exact, drawn = (excess_share(x, one.draws)[:, jump.place] for one in (exact, continuous))
    beyond = drawn - _KEPT * drawn_exact
    tail = min(int((beyond <= 0).sum()), int((beyond >= 0).sum()))
    jumps = drawn_exact > 0
    lower, upper = np.quantile(drawn[jumps] / drawn_exact[jumps], [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    return min(1.0, 2 * (1 + tail) / (len(beyond) + 1)), float(lower), float(upper)


def _sizes(scores: pd.DataFrame, sizes: pd.DataFrame) -> pd.Series:
    """The size of each rung of `scores`."""
    column = "n_params" if "n_params" in sizes else "train_flops"
    size = sizes.set_index("rung")[column]
    for rung in scores["rung"].unique():
        if rung not in size.index or not size[rung] > 0:
            raise TasklawsError(f"rung {rung} has no {column}: give the sizes of all rungs that have scores")
    return size


def _responses(group: pd.DataFrame, size: pd.Series, metrics: list[str]) -> dict[str, Array]:
    """(metrics, seeds, items) of each rung, small to large, of the items that every seed of every rung answered."""
    wide = group.pivot_table(index=["rung", "seed"], columns="item", values=metrics)
    whole = wide.notna().all().unstack("item", fill_value=False).all()
    common = list(whole.index[whole])
    if len(common) < 2:
        family, elicitation = group[["family", "elicitation"]].iloc[0]
        raise TasklawsError(f"{family} {elicitation} has {len(common)} items that every rung answered: score all rungs")
    rungs = sorted(group["rung"].unique(), key=lambda rung: (size[rung], rung))
    scales: dict[str, Callable[[Array], Array]] = {"exact_match": np.asarray, **_CONTINUOUS}
    return {
        str(rung): np.stack([scales[metric](wide[metric].loc[rung, common].to_numpy()) for metric in metrics])
        for rung in rungs
    }


def _measure_responses(responses: list[Array], rng: np.random.Generator) -> list[Measured]:
    """Every metric's means, and draws: items resampled, the same ones for all rungs and metrics; the means of seeds
    moved by Gaussian multiples of their own deviations, the same ones for all metrics. `responses` of each rung are
    (metrics, seeds, items)."""
    items = responses[0].shape[2]
    weights = rng.multinomial(items, np.full(items, 1 / items), REPLICATES) / items
    draws = []
    for one, moved in zip(responses, _seed_noise(responses), strict=True):
        multipliers = rng.standard_normal((REPLICATES, one.shape[1]))
        draws.append(weights @ one.mean(axis=1).T + multipliers @ moved.T)
    value, drawn = np.array([one.mean(axis=(1, 2)) for one in responses]), np.stack(draws, axis=1)
    return [Measured(value[:, metric], drawn[:, :, metric]) for metric in range(value.shape[1])]


def _seed_noise(responses: list[Array]) -> list[Array]:
    """(metrics, seeds) of each rung: deviations of seeds from its mean, scaled so that their squares sum to the
    variance of that mean. What answers to single items add to it, over all rungs, is taken off: items bring it."""
    deviations = [one.mean(axis=2) - one.mean(axis=(1, 2))[:, None] for one in responses]
    freedom = [max(one.shape[1] - 1, 1) for one in responses]  # a single seed deviates by 0
    between = sum((d**2).sum(axis=1) / free for d, free in zip(deviations, freedom, strict=True))
    answers = sum(
        (one - one.mean(axis=1, keepdims=True)).var(axis=2).sum(axis=1) / free / one.shape[2]
        for one, free in zip(responses, freedom, strict=True)
    )
    kept = np.sqrt(np.clip(1 - answers / np.where(between > 0, between, np.inf), 0, 1))
    return [kept[:, None] * d / np.sqrt(d.shape[1] * free) for d, free in zip(deviations, freedom, strict=True)]


def independent_trials(responses: list[Array]) -> Array:
    """How many independent answers each rung's exact match is worth: fewer than were given where seeds differ more
    than chance makes them."""
    between, chance = 0.0, 0.0
    for one in responses:
        rates = one[0].mean(axis=1)
        if len(rates) > 1:
            between += rates.var(ddof=1)
            chance += rates.mean() * (1 - rates.mean()) / one.shape[2]
    excess = max(1.0, between / chance) if chance > 0 else 1.0
    return np.array([one.shape[1] * one.shape[2] / excess for one in responses])
