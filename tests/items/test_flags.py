"""Items that look bad are named, and good ones hardly ever."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from tasklaws.items.flags import FLAG_BELOW_CHANCE, NEGATIVE, OK, item_flags
from tasklaws.items.predictions import predict_items
from tasklaws.items.table import ItemTable

BAD = 5


def made(rng: np.random.Generator, n_items: int, n_models: int, chance: float = 0.0, keyed: bool = True) -> ItemTable:
    """Items of which, unless all are `keyed`, better models do worse on the first BAD."""
    ability, slope = rng.normal(0, 1.5, n_models), np.exp(rng.normal(0, 0.3, n_items))
    slope[:BAD] *= 1 if keyed else -1
    solve = chance + (1 - chance) * expit(slope[:, None] * ability + rng.normal(0, 1.5, n_items)[:, None])
    items = pd.DataFrame({"chance": chance}, index=pd.Index([f"t{item:03d}" for item in range(n_items)], name="task"))
    models = tuple(f"m{model:02d}" for model in range(n_models))
    return ItemTable((rng.random(solve.shape) < solve) * 1.0, items, models, np.argsort(np.argsort(ability)) * 1.0)


@pytest.mark.parametrize(("n_items", "n_models", "chance", "least"), [(100, 30, 0.0, 0.7), (100, 60, 0.25, 0.6)])
def test_items_on_which_better_models_do_worse_are_named(
    n_items: int, n_models: int, chance: float, least: float
) -> None:
    flags = [item_flags(made(np.random.default_rng(seed), n_items, n_models, chance, False)) for seed in range(10)]
    bad = np.array([(found["flag"] != OK).to_numpy() for found in flags])
    assert bad[:, :BAD].mean() >= least
    assert bad[:, BAD:].mean() < 0.01
    assert all(
        (found["discrimination"].iloc[:BAD].mean() < 0 < found["discrimination"].iloc[BAD:].mean()) for found in flags
    )


@pytest.mark.parametrize(("n_items", "n_models"), [(40, 6), (83, 9), (100, 30)])
def test_good_items_are_hardly_ever_named(n_items: int, n_models: int) -> None:
    flags = [item_flags(made(np.random.default_rng(seed), n_items, n_models))["flag"] for seed in range(10)]
    assert np.mean([(found != OK).mean() for found in flags]) < 0.01


def test_an_item_that_the_best_models_hardly_ever_guess_right_is_named() -> None:
    table = made(np.random.default_rng(0), 60, 60, chance=0.25)
    best = np.argsort(np.nanmean(table.scores, axis=0))[-30:]
    table.scores[7, best] = 0.0
    found = item_flags(table)["flag"]
    assert FLAG_BELOW_CHANCE in found.iloc[7]
    assert (found.str.contains(FLAG_BELOW_CHANCE).sum()) == 1


def test_the_summary_and_the_difficulties_name_them() -> None:
    found = predict_items(made(np.random.default_rng(3), 100, 30, keyed=False), 1)
    named = found.difficulties.set_index("task")["flag"]
    assert (named.iloc[:BAD] == NEGATIVE).sum() >= 3
    assert f"items that look bad, {(named == NEGATIVE).sum()}, {NEGATIVE}: t00" in found.summary()
