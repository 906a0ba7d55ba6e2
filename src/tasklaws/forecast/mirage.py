"""Is a jump under exact match there under a continuous metric of the same responses, or a mirage of the metric?

Wei et al. 2022 show abilities that emerge; Schaeffer et al. 2023 show that a metric which asks for all of a long
answer makes a jump of smooth progress. docs/mirage.md explains the test.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.mirage_noise import Measured, independent_trials, measure
from tasklaws.forecast.verdict import seen_curve, step
from tasklaws.stats.jumps import (
    LEAST_SIZES,
    REPLICATES,
    SIGNIFICANCE,
    FoundStep,
    Jump,
    excess_share,
    shares,
    sharpest_jump,
)
from tasklaws.stats.proportions import binomial_items, items_worth
from tasklaws.tables import MIRAGE, POINT_MIRAGE

EXACT = ("exact_match", "acc", "rc_acc", "multiple_choice_grade")  # right or wrong; of several the first is judged
KEPT = 0.5  # a jump survives where more than this share of it remains, and is a mirage where less does


def byte_probability(bits: Array) -> Array:
    return np.asarray(np.exp2(-bits))


def less_half(loss: Array) -> Array:
    return np.asarray(1 - loss / 2)


# Scales in [0, 1] on which more is better. Bits per byte become the geometric mean probability of a byte: unlike the
# probability of the whole answer it does not sharpen with the answer's length, and unlike a log likelihood it does not
# count progress among the hopeless as most of the rise.
CONTINUOUS: dict[str, Callable[[Array], Array]] = {
    "partial_credit": np.asarray,
    "rc_soft": np.asarray,
    "target_bits_per_byte": byte_probability,
    "rc_bpb": byte_probability,
    "bits_per_byte": byte_probability,
    "bpb": byte_probability,
    "brier": less_half,
    "brier_score": less_half,
}
RESULTS = ["step", "jump_exact", "jump_continuous", "statistic", "p_value", "survives", "evidence"]


def mirage_table(scores: pd.DataFrame, sizes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The mirage check (tables.MIRAGE): one row a family, elicitation and continuous metric that it has.

    `scores` are item scores of the final checkpoints of a ladder's rungs (tables.SCORES), `sizes` their `rung` and
    `n_params` or `train_flops`. `jump_exact` is the excess share (0 for a straight rise in ln size, 1 for a step) of
    exact match's sharpest gap, `jump_continuous` that of the metric in the same gap, `statistic` their ratio: the
    share of the jump that remains; `p_value`, two-sided, tests whether it is 1/2. `survives` is True or False where
    that is rejected, and empty, as the statistic and p are, where exact match shows no jump sharper than a smooth rise.
    `step` says whether exact match makes a step by the rule of the verdict; a rising one is a jump.
    A rung without a size, or without an item in common with the others, raises TasklawsError.
    """
    size = _sizes(scores, sizes)
    rows = []
    for (family, elicitation), group in scores.groupby(["family", "elicitation"], sort=True):
        metrics = [EXACT[0], *(metric for metric in CONTINUOUS if metric in group and group[metric].notna().any())]
        responses = _responses(group, size, metrics)
        rng = np.random.default_rng(seed)
        x = np.log(size[list(responses)].to_numpy(dtype=float))
        measured = dict(zip(metrics, measure(list(responses.values()), rng), strict=True))
        trials = independent_trials(list(responses.values()))
        n_items = np.full(len(x), float(next(iter(responses.values())).shape[2]))
        made = step(seen_curve(x, measured[EXACT[0]].value, n_items, float(group["chance"].mean()), loss=False))
        for found in _compare_all(x, measured, trials, made, list(responses), rng):
            rows.append({"family": family, "elicitation": elicitation, **found})
    return MIRAGE.frame(rows).astype({"step": "boolean", "survives": "boolean"})


def mirage_points(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The mirage check of a table of points (tables.POINTS): one row a ladder, task and continuous metric that stands
    beside one of EXACT for the same final checkpoints; other tasks have no row.

    As `mirage_table`, but the noise is Gaussian with each point's `stderr` (where empty, at most sqrt(y (1 - y) /
    n_items) on a scale in [0, 1]), independent between metrics and models: that models differ by luck of training is
    not in it. Sizes are `train_flops`, or `n_params` where a model of the ladder lacks them. A point without `stderr`
    and `n_items` raises TasklawsError.
    """
    final = table[table["is_final"].astype(bool)]
    known = final["train_flops"].notna().groupby(final["ladder"]).transform("all")
    final = final.assign(size=final["train_flops"].where(known, final["n_params"].fillna(final["train_flops"])))
    rows = []
    for (ladder, task), group in final.groupby(["ladder", "task"], sort=True):
        exact = next((metric for metric in EXACT if (group["metric"] == metric).any()), None)
        metrics = [metric for metric in CONTINUOUS if (group["metric"] == metric).any()]
        if exact is None or not metrics:
            continue
        means = group.groupby(["metric", "size", "model"])[["value", "stderr", "n_items", "chance"]].mean()
        points = {
            str(metric): one.droplevel("metric")
            for metric, one in means.groupby("metric")
            if metric in [exact, *metrics]
        }
        models = sorted(set.intersection(*(set(one.index) for one in points.values())))
        if not models:
            continue
        rng = np.random.default_rng(seed)
        measured = {
            metric: _measure_points(points[metric].reindex(models), metric, rng) for metric in [exact, *metrics]
        }
        right = points[exact].reindex(models)
        trials = right["n_items"].to_numpy()
        trials = np.where(np.isfinite(trials), trials, binomial_items(*right[["value", "stderr"]].to_numpy().T))
        # Models answer the same items, so one that is always right or wrong has as many as the others.
        usual = np.median(trials[np.isfinite(trials)]) if np.isfinite(trials).any() else 1.0
        trials = np.where(np.isfinite(trials), trials, usual)
        x = np.log([size for size, _ in models])
        value, stderr, n_items = right[["value", "stderr", "n_items"]].to_numpy().T
        n_items = items_worth(value, stderr, n_items, loss=False)
        made = step(seen_curve(x, value, n_items, float(right["chance"].mean()), loss=False))
        for found in _compare_all(x, measured, trials, made, [model for _, model in models], rng):
            rows.append({"ladder": ladder, "task": task, "exact": exact, **found})
    return POINT_MIRAGE.frame(rows).astype({"step": "boolean", "survives": "boolean"})


def _compare_all(
    x: Array,
    measured: dict[str, Measured],
    trials: Array,
    step: FoundStep | None,
    names: list[str],
    rng: np.random.Generator,
) -> list[dict[str, object]]:
    """`metric` and RESULTS of every metric but the first of `measured`, the exact one, which makes that `step`."""
    (exact_name, exact), *others = measured.items()
    n_sizes = len(np.unique(x))
    if n_sizes < LEAST_SIZES:
        few = f"{n_sizes} rungs of different size, {LEAST_SIZES} are needed"
        return [{"metric": metric, "evidence": few} for metric, _ in others]
    up = step is not None and step.rise > 0
    place = int(np.searchsorted(x, step.before, side="right")) - 1 if step is not None and up else None
    jump = sharpest_jump(x, exact.value, trials, rng, place)
    kind = "" if step is None else "; a step" if up else "; a step down"
    told = (
        f"{exact_name} makes {jump.share:.0%} of its rise between {names[jump.place]} and {names[jump.place + 1]} "
        f"(excess {jump.excess:.2f}, p = {jump.p_value:.2g} against a smooth rise{kind})"
    )
    found = []
    for metric, continuous in others:
        there = float(excess_share(x, continuous.value)[jump.place])
        row: dict[str, object] = {"metric": metric, "step": step is not None}
        row |= {"jump_exact": jump.excess, "jump_continuous": there}
        if jump.p_value > SIGNIFICANCE and not up:
            found.append(row | {"evidence": f"no jump: {told}"})
            continue
        remainder = remaining(x, exact, continuous, jump)
        survives = remainder.share > KEPT if remainder.p_value <= SIGNIFICANCE else None
        verdict = {True: "the jump survives", False: "a mirage", None: "undecided"}[survives]
        share = float(shares(continuous.value)[jump.place])
        evidence = (
            f"{verdict}: {told}; {metric} makes {share:.0%} of its own there (excess {there:.2f}): "
            f"{remainder.share:.0%} of the jump remains ({remainder.lower:.0%} to {remainder.upper:.0%}; "
            f"p = {remainder.p_value:.2g} that half does)"
        )
        tested = {"statistic": remainder.share, "p_value": remainder.p_value, "survives": survives}
        found.append(row | tested | {"evidence": evidence})
    return found


@dataclass(frozen=True)
class Remainder:
    """The share of exact match's jump that remains under a continuous metric, with its 95% interval."""

    share: float
    lower: float
    upper: float
    p_value: float  # two-sided, of KEPT


def remaining(x: Array, exact: Measured, continuous: Measured, jump: Jump) -> Remainder:
    """The ratio of the two excess shares in the gap of `jump`, and by how many paired draws of both it is on the other
    side of KEPT (percentile bootstrap of the difference, which stays finite where a draw has no jump)."""
    drawn_exact, drawn = (excess_share(x, one.draws)[:, jump.place] for one in (exact, continuous))
    beyond = drawn - KEPT * drawn_exact
    tail = min(int((beyond <= 0).sum()), int((beyond >= 0).sum()))
    p_value = min(1.0, 2 * (1 + tail) / (len(beyond) + 1))
    jumps = drawn_exact > 0
    lower, upper = np.quantile(drawn[jumps] / drawn_exact[jumps], [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    there = float(excess_share(x, continuous.value)[jump.place])
    return Remainder(there / jump.excess, float(lower), float(upper), p_value)


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
        str(rung): np.stack([_scaled(metric, wide[metric].loc[rung, common].to_numpy()) for metric in metrics])
        for rung in rungs
    }


def _scaled(metric: str, value: Array) -> Array:
    return CONTINUOUS[metric](value) if metric in CONTINUOUS else value


def _measure_points(points: pd.DataFrame, metric: str, rng: np.random.Generator) -> Measured:
    """`value` (rungs) on its scale, and Gaussian draws of it."""
    unknown = points["stderr"].isna() & points["n_items"].isna()
    if unknown.any():
        size, model = unknown.index[unknown][0]
        raise TasklawsError(f"{model} (size {size:g}): {metric} has neither stderr nor n_items: give one")
    value = points["value"].to_numpy()
    on_scale = _scaled(metric, value)
    normal = rng.standard_normal((REPLICATES, len(value)))
    measured = _scaled(metric, value + np.nan_to_num(points["stderr"].to_numpy()) * normal)
    bound = on_scale + np.sqrt(np.clip(on_scale * (1 - on_scale), 0, None) / points["n_items"].to_numpy()) * normal
    return Measured(on_scale, np.where(points["stderr"].isna(), bound, measured))
