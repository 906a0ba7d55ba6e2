"""From item scores to observations: one row a rung, seed, checkpoint, family, elicitation and metric."""

from typing import Any

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Role
from tasklaws.ladder.card import Card
from tasklaws.tables import METRICS, OBSERVATIONS


def observations(ladder: str, role: Role, scores: pd.DataFrame, cards: list[Card]) -> pd.DataFrame:
    """Mean, standard error s / sqrt(n) and number of items of every metric, and the held-out losses of the cards.

    Scores of a checkpoint that is on no card raise TasklawsError.
    """
    checkpoints = pd.DataFrame([row for card in cards for row in _checkpoints(ladder, role, card)])
    keys = ["rung", "seed", "step", "family", "elicitation"]
    metrics = scores.melt([*keys, "chance"], METRICS, "metric").dropna(subset="value")
    groups = metrics.groupby([*keys, "metric"])
    table = groups.agg(
        value=("value", "mean"), spread=("value", "std"), n_items=("value", "size"), chance=("chance", "mean")
    ).reset_index()
    table["stderr"] = table["spread"] / np.sqrt(table["n_items"])
    table["chance"] = table["chance"].where(table["metric"] == "exact_match")
    table = table.merge(checkpoints.drop(columns=["loss_nats", "bits_per_byte"]), how="left", validate="many_to_one")
    stray = table[table["ladder"].isna()]
    if len(stray):
        rung, seed, step = stray[["rung", "seed", "step"]].iloc[0]
        raise TasklawsError(
            f"rung {rung} has scores of seed {seed} step {step}, but no such checkpoint: run `dvc repro score@{rung}`"
        )
    losses = checkpoints.melt(
        [column for column in checkpoints if column not in ("loss_nats", "bits_per_byte")], var_name="metric"
    ).assign(family="corpus", elicitation="likelihood")
    return pd.concat([table, losses], ignore_index=True)[OBSERVATIONS.columns]


def _checkpoints(ladder: str, role: Role, card: Card) -> list[dict[str, Any]]:
    names = ("seed", "step", "is_final", "n_tokens", "train_flops", "loss_nats", "bits_per_byte")
    rung = {
        "ladder": ladder,
        "rung": card.rung,
        "role": role,
        "n_params": card.n_params,
        "n_params_total": card.n_params_total,
    }
    return [rung | {name: getattr(checkpoint, name) for name in names} for checkpoint in card.checkpoints]
