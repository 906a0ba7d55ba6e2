"""From item scores to observations: one row a rung, seed, checkpoint, family, elicitation and metric."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import BENCHMARK, Role
from tasklaws.ladder.card import Card, Whole
from tasklaws.tables import FLEXIBLE, OBSERVATIONS, scored_metrics

GUESSED = ("exact_match", FLEXIBLE, "acc", "acc_norm")
"""The metrics by which a guess scores an item's chance."""


def observations(
    ladder: str,
    role: Role,
    scores: Iterable[pd.DataFrame],
    cards: Sequence[Card],
    whole: Mapping[str, Sequence[Whole]] | None = None,
    *,
    flexible: bool = False,
) -> pd.DataFrame:
    """Mean, standard error s / sqrt(n) and number of items of every metric, the held-out losses of the cards, and what
    is known of a rung's answers as a whole.

    Each table of `scores` holds all those of its rungs; tables.FLEXIBLE is left out unless `flexible`. Scores of a
    checkpoint that is on no card raise TasklawsError.
    """
    checkpoints = (
        pd.DataFrame(
            [
                {
                    "rung": card.rung,
                    "n_params": card.n_params,
                    "n_params_total": card.n_params_total,
                    **vars(checkpoint),
                }
                for card in cards
                for checkpoint in card.checkpoints
            ]
        )
        .drop(columns=["path", "files", "commit"])
        .assign(ladder=ladder, role=role)
    )
    kept = (table if flexible else table.drop(columns=FLEXIBLE, errors="ignore") for table in scores)
    rows = [
        {"rung": rung, "elicitation": BENCHMARK, **vars(one)} for rung, all_ in (whole or {}).items() for one in all_
    ]
    table = pd.concat([*map(_means, kept), *([pd.DataFrame(rows)] if rows else [])], ignore_index=True)
    table["stderr"] = table["spread"] / np.sqrt(table["n_items"])
    table["chance"] = table["chance"].where(table["metric"].isin(GUESSED))
    losses = ["loss_nats", "bits_per_byte"]
    table = table.merge(checkpoints.drop(columns=losses), how="left", validate="many_to_one")
    stray = table[table["ladder"].isna()]
    if len(stray):
        rung, seed, step = stray[["rung", "seed", "step"]].iloc[0]
        raise TasklawsError(
            f"rung {rung} has scores of seed {seed} step {step}, but no such checkpoint: run `dvc repro score@{rung}`"
        )
    heldout = checkpoints.melt(list(checkpoints.columns.difference(losses)), losses, "metric")
    heldout = heldout.dropna(subset="value").assign(family="corpus", elicitation="likelihood")
    found = pd.concat([table, heldout], ignore_index=True)[OBSERVATIONS.columns]
    return found.astype({"n_params_total": "Int64", "n_tokens": "Int64"})  # whole also beside unknown ones


def _means(scores: pd.DataFrame) -> pd.DataFrame:
    keys = ["rung", "seed", "step", "family", "elicitation"]
    metrics = scores.melt([*keys, "chance"], scored_metrics(scores), "metric").dropna(subset="value")
    return (
        metrics.groupby([*keys, "metric"])
        .agg(value=("value", "mean"), spread=("value", "std"), n_items=("value", "size"), chance=("chance", "mean"))
        .reset_index()
    )
