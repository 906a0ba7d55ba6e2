"""Item by item: what the holdout did that was not expected, and what it failed to do (docs/surprises.md)."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item, read_items
from tasklaws.stats.rasch import at_forecast, at_total, count_pmf, each_given_total, tails
from tasklaws.tables import ITEM_FORECASTS, SURPRISE_COUNTS, SURPRISES

SOLVED, FAILED, EXPECTED = "solved against expectation", "failed against expectation", "as expected"
SURPRISING = 1.0  # bits: less likely than not
THRESHOLDS = (1.0, 3.0, 5.0)
PAIR = ITEM_FORECASTS.keys[:3]

Items = dict[tuple[str, str], Item]


def conditional_answers(judged: pd.DataFrame, items: Items) -> pd.DataFrame:
    """The rows of `judge_items` with `at_total`, the item's probability at the ability of its seed, and `given`, its
    probability given how many items of the family the seed solved; an unknown item raises TasklawsError."""
    strangers = set(zip(judged["family"], judged["item"], strict=True)) - set(items)
    if strangers:
        raise TasklawsError(f"item {min(strangers)[1]} was scored and is not in data/items: run `dvc repro`")
    parts = []
    for _, part in judged.sort_values([*ITEM_FORECASTS.keys, "seed"]).groupby([*PAIR, "seed"], sort=True):
        solved = part["solved"].to_numpy(dtype=float) >= 0.5
        total = int(solved.sum())
        probability = at_total(part["probability"].to_numpy(dtype=float), chance_of(part, items), total)
        parts.append(part.assign(solved=solved, at_total=probability, given=each_given_total(probability, total)))
    return pd.concat(parts) if parts else judged.assign(at_total=0.0, given=0.0)


def chance_of(part: pd.DataFrame, items: Items) -> float:
    """The chance that the family's items were forecast with."""
    return items[part["family"].iloc[0], part["item"].iloc[0]].chance


def surprises(answers: pd.DataFrame, forecasts: pd.DataFrame, items: Items) -> pd.DataFrame:
    """Every item of `conditional_answers`, its seeds taken together, the most surprising first.

    With K the number of seeds that solve it, `evidence_bits` is -log2 of the smaller of P(K >= k) and P(K <= k) given
    how many items of the family each seed solved; given that, seeds are independent. `forecast_bits` is the same as
    it was forecast: the seeds share one ability, over whose forecast distribution the probability is averaged.
    `probability` is the forecast, `expected` the mean of the seeds' probabilities given their totals. An item of no
    more than one bit is `as expected`. `skills` are space-separated."""
    solved_shares = forecasts[forecasts["metric"] == "exact_match"]
    told = {tuple(row[key] for key in PAIR): row for row in solved_shares.to_dict("records")}
    rows = []
    for (rung, family, elicitation), part in answers.groupby(PAIR, sort=True):
        pair = (str(rung), str(family), str(elicitation))
        own = part.drop_duplicates("item")
        forecast = told[pair]
        shared = at_forecast(
            own["probability"].to_numpy(dtype=float),
            chance_of(part, items),
            float(forecast["link_mean"]),
            float(forecast["link_sd"]),
        )
        by_item = dict(zip(own["item"], shared.T, strict=True))
        for item, seeds in part.groupby("item", sort=True):
            count, solved = len(seeds), int(seeds["solved"].sum())
            more, fewer = (float(tail[solved]) for tail in tails(count_pmf(seeds["given"].to_numpy())))
            likely = by_item[item]
            above = float(np.mean(binom.sf(solved - 1, count, likely)))
            below = float(np.mean(binom.cdf(solved, count, likely)))
            bits = evidence(more, fewer)
            surprise = EXPECTED if bits <= SURPRISING else SOLVED if more < fewer else FAILED
            numbers = (count, solved, seeds["probability"].iloc[0], seeds["given"].mean(), bits, evidence(above, below))
            skills = " ".join(items[pair[1], str(item)].skills)
            rows.append((*pair, item, surprise, *numbers, skills))
    table = pd.DataFrame(rows, columns=SURPRISES.columns[1:])
    table = table.sort_values(
        ["evidence_bits", "forecast_bits", *ITEM_FORECASTS.keys],
        ascending=[False, False, *[True] * len(ITEM_FORECASTS.keys)],
    )
    return table.assign(rank=np.arange(1, len(table) + 1))[SURPRISES.columns]


def evidence(more: float, fewer: float) -> float:
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
        for threshold in THRESHOLDS:
            chances = np.array([chance_above(pmf, threshold) for pmf in pmfs])
            below = np.cumsum(count_pmf(chances))
            lower, upper = (int(np.searchsorted(below, level)) for level in (0.05, 0.95))
            rows.append((rung, threshold, len(pmfs), int((bits > threshold).sum()), chances.sum(), lower, upper))
    return SURPRISE_COUNTS.frame(rows)


def chance_above(pmf: Array, threshold: float) -> float:
    """The probability of an outcome with more than `threshold` bits of evidence."""
    rare = [evidence(float(more), float(fewer)) > threshold for more, fewer in zip(*tails(pmf), strict=True)]
    return float(pmf[np.array(rare)].sum())


def read_all_items(folder: Path, families: list[str]) -> Items:
    """The items in `folder`, by family and name."""
    return {(item.family, item.id): item for name in families for item in read_items(folder / f"{name}.jsonl")}
