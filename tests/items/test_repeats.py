"""Several attempts of a model at an item: worth more than one answer, and less than as many."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from tasklaws.items.ability import Levels, trials_worth
from tasklaws.items.covariates import Explanation
from tasklaws.items.irt import fit_item_response
from tasklaws.items.table import ItemTable, Repeats


def attempted(solve: np.ndarray, n: np.ndarray | int, rng: np.random.Generator) -> ItemTable:
    """The table of `n` attempts in each cell, each won with the probabilities `solve`."""
    n = np.broadcast_to(n, solve.shape)
    mean = rng.binomial(n, solve) / n
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(n > 1, n * mean * (1 - mean) / (n - 1), np.nan)
    items = pd.DataFrame(index=pd.Index([f"t{item:03d}" for item in range(len(solve))], name="task"))
    models = tuple(f"m{model:02d}" for model in range(solve.shape[1]))
    return ItemTable(mean, items, models, np.arange(float(len(models))), Repeats(n * 1.0, variance))


def worth(table: ItemTable) -> np.ndarray:
    trials = Levels.of(table).trials
    assert trials is not None
    return trials


def rasch(rng: np.random.Generator, n_items: int = 150, n_models: int = 10) -> np.ndarray:
    return np.asarray(expit(rng.normal(0, 1.2, n_models) + rng.normal(0, 1.5, n_items)[:, None]))


def test_attempts_that_scatter_like_coins_are_worth_as_many_answers() -> None:
    rng = np.random.default_rng(0)
    assert worth(attempted(rasch(rng), 5, rng)).mean() == pytest.approx(5, abs=0.7)


def test_attempts_that_always_end_alike_are_worth_one_answer() -> None:
    rng = np.random.default_rng(1)
    settled = (rng.random((150, 10)) < rasch(rng)).astype(float)
    assert worth(attempted(settled, 5, rng)).max() == pytest.approx(1)


@given(st.integers(0, 1000), st.floats(0.5, 50), st.integers(2, 8))
@settings(max_examples=25, deadline=None)
def test_attempts_are_worth_between_one_answer_and_their_number(seed: int, alike: float, most: int) -> None:
    rng = np.random.default_rng(seed)
    centre = rasch(rng, 30, 5)
    table = attempted(rng.beta(alike * centre, alike * (1 - centre)), rng.integers(1, most + 1, centre.shape), rng)
    assert table.repeats is not None
    trials, counts = worth(table), table.repeats.counts
    assert ((trials >= np.minimum(counts, 1) - 1e-9) & (trials <= counts + 1e-9)).all()
    assert trials[counts == 1] == pytest.approx(1)


def test_cells_that_were_not_asked_are_worth_nothing() -> None:
    repeats = Repeats(np.array([[3.0, 0.0]]), np.array([[1 / 3, np.nan]]))
    assert trials_worth(repeats, np.array([[0.5, 0.5]]))[0, 1] == 0


def test_three_trials_of_a_score_count_like_three_answers() -> None:
    """Beside three models with the same answers, of which each has a third of the prior: the items' offsets agree."""
    rng = np.random.default_rng(2)
    scores = (rng.random((60, 4)) < rasch(rng, 60, 4)).astype(float)
    nothing, sd = Explanation(np.zeros((60, 0)), {}), {"level": 1.5, "ability": 1e3}
    once = fit_item_response(
        scores, nothing, {"level": np.ones((4, 1))}, np.zeros(60), np.full((60, 4), 3.0), sd, learn=False
    )
    thrice = fit_item_response(
        np.tile(scores, 3), nothing, {"level": np.ones((12, 1))}, np.zeros(60), None, sd, learn=False
    )
    assert once.offsets(np.ones(1)) == pytest.approx(thrice.offsets(np.ones(1)), abs=0.02)
