"""Item by item and skill by skill: where the holdout did other than forecast (docs/surprises.md)."""

from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
from scipy.stats import binom, false_discovery_control

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import AnyItem, read_asked_items
from tasklaws.stats.rasch import at_forecast, at_total, count_pmf, each_given_total, given_total, tails
from tasklaws.tables import ITEM_FORECASTS, SURPRISE_COUNTS, SURPRISES, SURPRISING_SKILLS

SOLVED, FAILED, EXPECTED = "solved against expectation", "failed against expectation", "as expected"
_SURPRISING = 1.0  # bits: less likely than not
_THRESHOLDS = (1.0, 3.0, 5.0)
_FAMILY_OF_RUNG = ITEM_FORECASTS.keys[:3]

Items = dict[tuple[str, str], AnyItem]


def conditional_answers(answers: pd.DataFrame, items: Items) -> pd.DataFrame:
    """The rows of `compare_items` with `at_total`, the item's probability at the ability of its seed, and `given`, its
    probability given how many items of the family the seed solved; an unknown item raises TasklawsError."""
    strangers = set(zip(answers["family"], answers["item"], strict=True)) - set(items)
    if strangers:
        raise TasklawsError(f"item {min(strangers)[1]} was scored and is not in data/items: run `dvc repro`")
    parts = []
    for _, part in answers.sort_values([*ITEM_FORECASTS.keys, "seed"]).groupby([*_FAMILY_OF_RUNG, "seed"], sort=True):
        solved = part["solved"].to_numpy(dtype=float) >= 0.5
        total = int(solved.sum())
        probability = at_total(part["probability"].to_numpy(dtype=float), _chance_of(part, items), total)
        parts.append(part.assign(solved=solved, at_total=probability, given=each_given_total(probability, total)))
    return pd.concat(parts) if parts else answers.assign(at_total=0.0, given=0.0)


def _chance_of(part: pd.DataFrame, items: Items) -> float:
    """The chance that the family's items were forecast with, the mean of theirs."""
    return fmean(items[key].chance for key in zip(part["family"], part["item"], strict=True))


def surprises(answers: pd.DataFrame, forecasts: pd.DataFrame, items: Items) -> pd.DataFrame:
    """Every item of `conditional_answers`, its seeds taken together, the most surprising first.

    With K the number of seeds that solve it, `evidence_bits` is -log2 of the smaller of P(K >= k) and P(K <= k) given
    how many items of the family each seed solved; given that, seeds are independent. `forecast_bits` is the same as
    it was forecast: the seeds share one ability, over whose forecast distribution the probability is averaged.
    `probability` is the forecast, `expected` the mean of the seeds' probabilities given their totals. An item of no
    more than one bit is `as expected`. `skills` are space-separated."""
    solved_shares = forecasts[forecasts["metric"] == "exact_match"]
    on_link = {tuple(row[:3]): row[3:] for row in solved_shares[[*_FAMILY_OF_RUNG, "link_mean", "link_sd"]].to_numpy()}
    rows = []
    for pair, part in answers.groupby(_FAMILY_OF_RUNG, sort=True):
        own = part.drop_duplicates("item")
        mean, sd = on_link[pair]
        shared = at_forecast(own["probability"].to_numpy(dtype=float), _chance_of(part, items), float(mean), float(sd))
        by_item = dict(zip(own["item"], shared.T, strict=True))
        for item, seeds in part.groupby("item", sort=True):
            count, solved = len(seeds), int(seeds["solved"].sum())
            more, fewer = (float(tail[solved]) for tail in tails(count_pmf(seeds["given"].to_numpy())))
            likely = by_item[item]
            above = float(np.mean(binom.sf(solved - 1, count, likely)))
            below = float(np.mean(binom.cdf(solved, count, likely)))
            bits = _evidence(more, fewer)
            surprise = EXPECTED if bits <= _SURPRISING else SOLVED if more < fewer else FAILED
            expected = seeds["probability"].iloc[0], seeds["given"].mean()
            skills = " ".join(items[str(pair[1]), str(item)].skills)
            rows.append((*pair, item, surprise, count, solved, *expected, bits, _evidence(above, below), skills))
    table = pd.DataFrame(rows, columns=SURPRISES.columns[1:])
    ascending = [False, False, *[True] * len(ITEM_FORECASTS.keys)]
    table = table.sort_values(["evidence_bits", "forecast_bits", *ITEM_FORECASTS.keys], ascending=ascending)
    return table.assign(rank=np.arange(1, len(table) + 1))[SURPRISES.columns]


def _evidence(more: float, fewer: float) -> float:
    """Bits of the less likely of two tails, to nine digits, so that ties do not hang on rounding."""
    return round(max(0.0, -float(np.log2(max(min(more, fewer), 1e-300)))), 9)


def count_surprises(answers: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """For each rung and threshold in bits: how many items are more surprising, and how many would be by chance alone.

    `expected` is exact were the items' forecasts right given the totals; `lower` and `upper` hold 90% of such counts
    (Poisson-binomial, the slight dependence that a shared total brings left out)."""
    rows = []
    for rung, part in answers.groupby("rung", sort=True):
        pmfs = [count_pmf(seeds["given"].to_numpy()) for _, seeds in part.groupby(ITEM_FORECASTS.keys, sort=True)]
        bits = found.loc[found["rung"] == rung, "evidence_bits"]
        for threshold in _THRESHOLDS:
            chances = np.array([_chance_above(pmf, threshold) for pmf in pmfs])
            below = np.cumsum(count_pmf(chances))
            lower, upper = (int(np.searchsorted(below, level)) for level in (0.05, 0.95))
            rows.append((rung, threshold, len(pmfs), int((bits > threshold).sum()), chances.sum(), lower, upper))
    return SURPRISE_COUNTS.frame(rows)


def _chance_above(pmf: Array, threshold: float) -> float:
    """The probability of an outcome with more than `threshold` bits of evidence."""
    rare = [_evidence(float(more), float(fewer)) > threshold for more, fewer in zip(*tails(pmf), strict=True)]
    return float(pmf[np.array(rare)].sum())


def surprising_skills(answers: pd.DataFrame, items: Items) -> pd.DataFrame:
    """For every skill that some, and not all, items of a family need: answers solved against those expected.

    `answers` come from `conditional_answers`. The count solved is compared with its exact distribution given how many
    items of the family each seed solved (a Poisson-binomial given its sum; seeds add up). `p_value` is twice the
    smaller tail, `q_value` its Benjamini-Hochberg correction over the skills of the rung. A skill of which the totals
    leave nothing open (a family that solved nothing, or all) is left out."""
    rows = []
    for pair, part in answers.groupby(_FAMILY_OF_RUNG, sort=True):
        needed = {item: items[str(pair[1]), str(item)].skills for item in part["item"].unique()}
        for skill in sorted({skill for skills in needed.values() for skill in skills}):
            inside = part["item"].map(lambda item, skill=skill, needed=needed: skill in needed[item])
            pmf = _solved_pmf(part, inside.to_numpy(dtype=bool))
            if inside.all() or pmf.max() > 1 - 1e-9:
                continue
            own = part[inside]
            solved = int(own["solved"].sum())
            more, fewer = (float(tail[solved]) for tail in tails(pmf))
            expected = float(np.arange(len(pmf)) @ pmf)
            p_value = min(1.0, 2 * min(more, fewer))
            rows.append((*pair, skill, own["item"].nunique(), len(own), solved, expected, p_value))
    table = pd.DataFrame(rows, columns=SURPRISING_SKILLS.columns[:-1])
    corrected = table.groupby("rung")["p_value"].transform(lambda p: false_discovery_control(p, method="bh"))
    return table.assign(q_value=corrected.astype(float))[SURPRISING_SKILLS.columns]


def _solved_pmf(part: pd.DataFrame, inside: np.ndarray) -> Array:
    """The distribution of how many answers `inside` are right, over all seeds, given each seed's total."""
    pmf = np.ones(1)
    for seed in sorted(part["seed"].unique()):
        own = (part["seed"] == seed).to_numpy()
        probability = part["at_total"].to_numpy(dtype=float)
        total = int(part["solved"].to_numpy(dtype=bool)[own].sum())
        pmf = np.convolve(pmf, given_total(probability[own & inside], probability[own & ~inside], total))
    return pmf


def read_all_items(root: Path, families: list[str]) -> Items:
    """The items of families and benchmarks below the repository's root, by family and name."""
    return {(item.family, item.id): item for item in read_asked_items(families, root)}
