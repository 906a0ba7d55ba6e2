"""Is a jump under exact match there under a continuous metric of the same responses, or a mirage of the metric?

Wei et al. 2022 show abilities that emerge; Schaeffer et al. 2023 show that a metric which asks for all of a long
answer makes a jump of smooth progress. docs/mirage.md explains the test.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.forecast.jump import REPLICATES, Array, Jump, excess_share, shares, sharpest_jump
from tasklaws.forecast.verdict import LEAST_RUNGS, SIGNIFICANCE

EXACT = "exact_match"
KEPT = 0.5  # a jump survives where more than this share of it remains, and is a mirage where less does
# Scales on which more is better and no score is far below all others. Bits per byte become the geometric mean
# probability of a byte: unlike the probability of the whole answer it does not sharpen with the answer's length, and
# unlike a log likelihood it does not count progress among the hopeless as most of the rise.
SCALES: dict[str, Callable[[Array], Array]] = {
    EXACT: np.asarray,
    "partial_credit": np.asarray,
    "target_bits_per_byte": lambda bits: np.exp2(-bits),
    "brier": lambda loss: -loss,
}
MIRAGE_KEYS = ["family", "elicitation", "metric"]
RESULTS = ["jump_exact", "jump_continuous", "statistic", "p_value", "survives", "evidence"]
MIRAGE_COLUMNS = [*MIRAGE_KEYS, *RESULTS]


@dataclass(frozen=True, eq=False)
class Measured:
    """A metric along a ladder: its values, and draws of them that the noise of items and seeds could have given."""

    value: Array  # (rungs)
    draws: Array  # (replicates, rungs)


def mirage_table(scores: pd.DataFrame, sizes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The mirage check (MIRAGE_COLUMNS): one row a family, elicitation and continuous metric that it has.

    `scores` are item scores of the final checkpoints of a ladder's rungs (SCORE_COLUMNS), `sizes` their `rung` and
    `n_params` or `train_flops`. `jump_exact` is the excess share (0 for a straight rise in ln size, 1 for a step) of
    exact match's sharpest gap, `jump_continuous` that of the metric in the same gap, `statistic` their ratio: the
    share of the jump that remains; `p_value`, two-sided, tests whether it is 1/2. `survives` is True or False where
    that is rejected, and empty, as the statistic and p are, where exact match shows no jump sharper than a smooth rise.
    A rung without a size, or without an item in common with the others, raises TasklawsError.
    """
    size = _sizes(scores, sizes)
    rows = []
    for (family, elicitation), group in scores.sort_values(["family", "elicitation"]).groupby(
        ["family", "elicitation"], sort=True
    ):
        metrics = [metric for metric in SCALES if metric != EXACT and group[metric].notna().any()]
        responses = _responses(group, size, [EXACT, *metrics])
        rng = np.random.default_rng(seed)
        x = np.log(size[list(responses)].to_numpy(dtype=float))
        measured = _measure(list(responses.values()), rng)
        exact = measured[0]
        enough = len(np.unique(x)) >= LEAST_RUNGS
        jump = sharpest_jump(x, exact.value, _trials(list(responses.values())), rng) if enough else None
        for metric, continuous in zip(metrics, measured[1:], strict=True):
            result = compare(x, exact, continuous, jump, metric, list(responses))
            rows.append({"family": family, "elicitation": elicitation, "metric": metric, **result})
    return pd.DataFrame(rows, columns=MIRAGE_COLUMNS).astype({"survives": "boolean"})


def compare(
    x: Array, exact: Measured, continuous: Measured, jump: Jump | None, metric: str, names: list[str]
) -> dict[str, object]:
    """RESULTS of one metric: does more or less than KEPT of exact match's `jump` remain, over paired draws of both?"""
    if jump is None:
        return {"evidence": f"{len(np.unique(x))} rungs of different size, {LEAST_RUNGS} are needed"}
    before, after = names[jump.place], names[jump.place + 1]
    there = float(excess_share(x, continuous.value)[jump.place])
    found: dict[str, object] = {"jump_exact": jump.excess, "jump_continuous": there}
    told = (
        f"{EXACT} makes {jump.share:.0%} of its rise between {before} and {after} "
        f"(excess {jump.excess:.2f}, p = {jump.p_value:.2g} against a smooth rise)"
    )
    if jump.p_value > SIGNIFICANCE:
        return found | {"evidence": f"no jump: {told}"}
    drawn_exact, drawn = (excess_share(x, one.draws)[:, jump.place] for one in (exact, continuous))
    beyond = drawn - KEPT * drawn_exact
    tail = min(int((beyond <= 0).sum()), int((beyond >= 0).sum()))
    p_value = min(1.0, 2 * (1 + tail) / (len(beyond) + 1))
    remains = there / jump.excess
    jumps = drawn_exact > 0
    low, high = np.quantile(drawn[jumps] / drawn_exact[jumps], [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    survives = remains > KEPT if p_value <= SIGNIFICANCE else None
    verdict = {True: "the jump survives", False: "a mirage", None: "undecided"}[survives]
    share = float(shares(continuous.value)[jump.place])
    evidence = (
        f"{verdict}: {told}; {metric} makes {share:.0%} of its own there (excess {there:.2f}): "
        f"{remains:.0%} of the jump remains ({low:.0%} to {high:.0%}; p = {p_value:.2g} that half does)"
    )
    return found | {"statistic": remains, "p_value": p_value, "survives": survives, "evidence": evidence}


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
    return {
        str(rung): np.stack([SCALES[metric](wide[metric].loc[rung, common].to_numpy()) for metric in metrics])
        for rung in rungs
    }


def _measure(responses: list[Array], rng: np.random.Generator) -> list[Measured]:
    """Every metric's means, and draws: items resampled, the same ones for all rungs and metrics; the means of seeds
    moved by Gaussian multiples of their own deviations, the same ones for all metrics."""
    items = responses[0].shape[2]
    weights = rng.multinomial(items, np.full(items, 1 / items), REPLICATES) / items
    values, draws = [], []
    for one, seed_noise in zip(responses, _seed_noise(responses), strict=True):
        values.append(one.mean(axis=(1, 2)))
        multipliers = rng.standard_normal((REPLICATES, one.shape[1]))
        draws.append(weights @ one.mean(axis=1).T + multipliers @ seed_noise.T)
    value, drawn = np.array(values), np.stack(draws, axis=1)
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


def _trials(responses: list[Array]) -> Array:
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
