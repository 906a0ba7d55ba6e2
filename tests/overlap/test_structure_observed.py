"""Observed overlap: known truths recovered, intervals that cover, and what is refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from family_correlation import around_ability, grouped_number, intraclass
from shared_data import shared
from simulated_ladder import Ladder, simulate_cells
from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.overlap.design import correlation, pairwise_overlap
from tasklaws.overlap.effective_number import against_design, observed_number
from tasklaws.overlap.residuals import Cells, Residuals, around_trend, between_seeds, read_cells

QUARTERS = (0.125, 0.25, 0.5, 1.0)
WIDE = Ladder(tuple(np.linspace(0, 8, 8)), 5, QUARTERS)
TEN_SEEDS = Ladder(tuple(np.linspace(-1, 7, 8)), 10)
NANO = Ladder(tuple(np.linspace(0, 8, 8)), 2, QUARTERS, spread=1.0)


def heavy(value: object) -> Any:
    return pytest.param(value, marks=pytest.mark.heavy)


def clustered(sharing: int, n_items: int = 60, common: int = 6) -> tuple[Array, Array]:
    """`sharing` items need one rare skill, each of the others its own, and half of all a common one too."""
    own = np.maximum(np.arange(n_items) - sharing + 1, 0) if sharing else np.arange(n_items)
    needed = np.zeros((n_items, own.max() + 1 + common))
    needed[np.arange(n_items), own] = 1
    needed[np.arange(0, n_items, 2), own.max() + 1 + np.arange(0, n_items, 2) % common] = 1
    return needed, np.concatenate([np.full(own.max() + 1, 12.0), np.linspace(1, 3, common)])


@pytest.mark.slow
@pytest.mark.parametrize("ladder", [WIDE, TEN_SEEDS], ids=["5 seeds and checkpoints", "10 seeds"])
@pytest.mark.parametrize("sharing", [15, 45, *(heavy(count) for count in (0, 6, 30, 60))])
def test_the_effective_number_is_recovered_within_15_percent(sharing: int, ladder: Ladder) -> None:
    """The median over ladders, from all pairs and with the design; the design makes single ladders err less."""
    needed, weight = clustered(sharing)
    design = correlation(pairwise_overlap(needed, weight))
    rng = np.random.default_rng(sharing)
    ratios = []
    for _ in range(60):
        cells, truth = simulate_cells(needed, weight, ladder, rng)
        left = between_seeds(cells)
        found = observed_number(left, 0.9).n_eff.value, against_design(left, design, 0.9).n_eff.value
        ratios.append(np.array(found) / truth)
    np.testing.assert_allclose(np.median(ratios, axis=0), 1, atol=0.15)
    from_all, from_design = np.log(ratios).std(axis=0)
    assert from_design < 1.05 * from_all


@pytest.mark.slow
@pytest.mark.parametrize("ladder", [heavy(WIDE), NANO], ids=["5 seeds", "2 seeds"])
def test_the_interval_holds_the_effective_number_as_often_as_it_says(ladder: Ladder) -> None:
    """240 ladders over four overlaps; 90% intervals cover 85-97%."""
    held = []
    for sharing in (0, 15, 30, 45):
        needed, weight = clustered(sharing)
        rng = np.random.default_rng(100 + sharing)
        for _ in range(60):
            cells, truth = simulate_cells(needed, weight, ladder, rng)
            number = observed_number(between_seeds(cells), 0.9).n_eff
            held.append(number.low <= truth <= number.high)
    assert 0.85 <= np.mean(held) <= 0.97


@pytest.mark.parametrize("sharing", [30, heavy(15), heavy(45)])
def test_with_few_flips_the_interval_reckons_with_skills_never_seen(sharing: int) -> None:
    """200 ladders of 8 rungs and 2 seeds, one checkpoint each: a shared skill often flips at no rung at all."""
    needed, weight = clustered(sharing)
    rng = np.random.default_rng(200 + sharing)
    held = []
    for _ in range(200):
        cells, truth = simulate_cells(needed, weight, Ladder(tuple(np.linspace(0, 8, 8)), 2), rng)
        number = observed_number(between_seeds(cells), 0.9).n_eff
        held.append(number.low <= truth <= number.high)
    assert np.mean(held) >= 0.9


@pytest.mark.parametrize("sharing", [0, 24, 42])
def test_two_seeds_of_eight_rungs_bound_the_effective_number(sharing: int) -> None:
    """200 ladders an overlap; 90% intervals cover 86% or more, and not all, with and without the design.

    Often the shared skill flips at no rung: intervals that forget it hold the truth of 82-90%.
    """
    needed, weight = clustered(sharing)
    design = correlation(pairwise_overlap(needed, weight))
    rng = np.random.default_rng(200 + sharing)
    held = []
    for _ in range(200):
        cells, truth = simulate_cells(needed, weight, Ladder(tuple(np.linspace(0, 9, 8)), 2), rng)
        left = between_seeds(cells)
        numbers = observed_number(left, 0.9).n_eff, against_design(left, design, 0.9).n_eff
        held.append([number.low <= truth * (1 + 1e-9) and truth <= number.high * (1 + 1e-9) for number in numbers])
    covered = np.mean(held, axis=0)
    assert covered.min() >= 0.86
    assert covered.max() < 1


def test_items_that_never_flip_may_be_one_task_at_the_low_limit() -> None:
    """Six items flip independently, four never: without them r = 0 and no spread; the low limit counts 6 + 1 tasks."""
    rng = np.random.default_rng(4)
    flips = rng.choice([-1.0, 0.0, 1.0], size=(6, 400))
    rung = np.repeat(np.arange(40), 10)
    alone = observed_number(Residuals(flips, rung), 0.9).n_eff
    found = observed_number(Residuals(np.vstack([flips, np.zeros((4, 400))]), rung), 0.9).n_eff
    r = (10 / found.low * 10 - 10 - 4 * 3) / (10 * 9 - 4 * 3)  # of the pairs that were seen
    assert 0 <= r == pytest.approx((6 / alone.low - 1) / 5, abs=0.01)
    design = np.ones((10, 10))
    by_design = against_design(Residuals(np.vstack([flips, np.zeros((4, 400))]), rung), design, 0.9).n_eff
    assert by_design.low == pytest.approx(found.low, rel=0.05)
    assert found.low < 5 < found.value


def test_the_slope_on_the_design_by_hand() -> None:
    """Items 0 and 1 share by design (D = 1/2), item 2 with neither; item 1 flips at the first rung only."""
    design = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
    left = Residuals(np.array([[1.0, 1.0], [0.5, 0.0], [1.0, -1.0]]), np.array([0, 1]))
    found = against_design(left, design, 0.9)
    share = 2 * 0.5 * 0.5 / (0.25 * (1 + 0.25 + 1))
    assert found.n_eff.value == pytest.approx(9 / (3 + share))
    apart = Residuals(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([0, 1]))  # never at one rung
    assert against_design(apart, design, 0.9).n_eff.low == 1
    with pytest.raises(TasklawsError, match="no item's score differs"):
        against_design(Residuals(np.array([[0.0, 0], [0, 0], [1, 1]]), np.array([0, 1])), design, 0.9)


def test_one_shared_skill_is_one_task_and_independent_slips_are_many() -> None:
    rng = np.random.default_rng(0)
    one, truth = simulate_cells(np.ones((40, 1)), np.ones(1), Ladder(tuple(np.linspace(-2, 4, 6)), 3), rng)
    found = observed_number(between_seeds(one), 0.9)
    assert truth == found.n_eff.value == pytest.approx(1)
    slips = Ladder(tuple(np.linspace(20, 21, 8)), 12, slips=0.3)  # all learned: nothing but slips
    noise = observed_number(between_seeds(simulate_cells(np.ones((40, 1)), np.ones(1), slips, rng)[0]), 0.9)
    assert noise.n_eff.low < 40 == noise.n_eff.high
    assert noise.n_eff.value > 30


def test_a_free_level_hides_what_all_items_share_but_not_seeds() -> None:
    """The trap: around a level taken from the same aggregate a single skill leaves nothing to see."""
    cells, _ = simulate_cells(np.ones((40, 1)), np.ones(1), Ladder((-1.0, 0.0, 1.0, 2.0), 3), np.random.default_rng(1))
    assert observed_number(between_seeds(cells), 0.9).n_eff.value == pytest.approx(1)
    # A step that falls between two rungs is swallowed by a smooth trend, too: what is left is next to nothing.
    step = Cells(
        cells.items, np.repeat([[0.0, 0, 0, 1, 1, 1]], 40, axis=0), np.arange(6), np.zeros(6, int), np.zeros(6, int)
    )
    assert np.abs(around_trend(step, np.arange(6.0)[:, None]).value).max() < 0.02


def test_a_smooth_trend_stands_in_for_seeds_roughly() -> None:
    """One seed, 16 rungs: the right order of magnitude and no more, 1 task from 10 from 60."""
    ladder = Ladder(tuple(np.linspace(-1, 7, 16)), 1)
    medians = []
    for sharing in (0, 20, 60):
        needed, weight = clustered(sharing, common=1)
        rng = np.random.default_rng(sharing)
        found = []
        for _ in range(15):
            cells, truth = simulate_cells(needed, weight, ladder, rng)
            size = np.array(ladder.ln_size)[cells.rung][:, None]
            found.append(observed_number(around_trend(cells, size), 0.9).n_eff.value / truth)
        medians.append(float(np.median(found)))
    assert all(0.5 < median < 2.0 for median in medians)


def test_families_are_told_apart_and_from_all_items() -> None:
    """Three families of 20, each with one skill of its own: 1 within, 0 between; three tasks."""
    needed = np.kron(np.eye(3), np.ones((20, 1)))
    cells, truth = simulate_cells(
        needed, np.ones(3), Ladder(tuple(np.linspace(-2, 4, 20)), 8), np.random.default_rng(3)
    )
    families = np.repeat(["a", "b", "c"], 20).tolist()
    table = intraclass(between_seeds(cells), families, 0.9).set_index("group")
    assert table.index.tolist() == ["a", "b", "c", "within", "between"]
    np.testing.assert_allclose(table.loc[["a", "b", "c", "within"], "correlation"], 1)
    assert table.loc["between", "low"] < 0 < table.loc["between", "high"]
    assert grouped_number(np.array([20.0, 20, 20]), 1.0) == pytest.approx(truth) == pytest.approx(3)
    level = intraclass(around_ability(cells), families, 0.9).set_index("group")["correlation"]
    assert level["within"] > 0.5 > 0 > level["between"]


def test_correlations_by_hand_with_a_missing_score() -> None:
    """Two rungs, three items: products 1, 2 (one item unknown) over their mean squares."""
    left = Residuals(np.array([[1.0, 1.0], [1.0, 2.0], [-1.0, np.nan]]), np.array([0, 1]))
    found = observed_number(left, 0.9)
    r = (-2 + 4) / (2 * 3 + 1 * 5)
    assert found.n_eff.value == pytest.approx(3 / (1 + 2 * r))
    table = intraclass(left, ["a", "a", "b"], 0.9).set_index("group")["correlation"]
    assert table["a"] == pytest.approx((2 + 4) / (2 + 5))
    assert table["between"] == pytest.approx(-4 / (4 * 3 / 3))


def scores() -> pd.DataFrame:
    keys = pd.MultiIndex.from_product([["r1", "r2"], [0, 1], [10], ["i", "j"]], names=["rung", "seed", "step", "item"])
    return pd.DataFrame({"exact_match": [0, 0, 1, 0, 1, 1, 0, 1]}, index=keys, dtype=float).reset_index()


def test_cells_are_read_and_what_cannot_be_is_refused() -> None:
    cells = read_cells(scores(), "exact_match")
    assert cells.items == ("i", "j")
    np.testing.assert_array_equal(cells.score, [[0, 1, 1, 0], [0, 0, 1, 1]])
    np.testing.assert_array_equal(cells.rung, [0, 0, 1, 1])
    some = read_cells(scores().drop(index=0), "exact_match")
    assert np.isnan(some.score[0, 0])
    assert np.isnan(between_seeds(some).value[0, :2]).all()
    with pytest.raises(TasklawsError, match=r"exact_match is 1.5 at rung r1, seed 0, step 10, item i: .* \[0, 1\]"):
        read_cells(scores().replace({"exact_match": {0: 1.5}}), "exact_match")
    with pytest.raises(TasklawsError, match="rung r1, seed 0, step 10, item i stands twice"):
        read_cells(pd.concat([scores(), scores()]), "exact_match")
    with pytest.raises(TasklawsError, match="1 items"):
        read_cells(scores().query("item == 'i'"), "exact_match")
    one_seed = read_cells(scores().query("seed == 0"), "exact_match")
    with pytest.raises(TasklawsError, match="one seed a rung"):
        between_seeds(one_seed)
    with pytest.raises(TasklawsError, match="2 checkpoints: a trend in 1 quantities needs 4"):
        around_trend(one_seed, np.arange(2.0)[:, None])
    with pytest.raises(TasklawsError, match="one rung"):
        observed_number(between_seeds(read_cells(scores().query("rung == 'r1'"), "exact_match")), 0.9)
    with pytest.raises(TasklawsError, match="no item's score differs"):
        observed_number(Residuals(np.zeros((2, 2)), np.array([0, 1])), 0.9)
    with pytest.raises(TasklawsError, match="no two items share a skill"):
        against_design(between_seeds(cells), np.eye(2), 0.9)


def test_tasks_of_a_family_go_together_in_real_results() -> None:
    """METR's table: around each model's level, tasks of one family are correlated, those of two are not."""
    table = pd.read_csv(shared("items/metr_th10.csv.gz")).assign(seed=0, step=0)
    table = table.rename(columns={"model": "rung", "task": "item"})
    cells = read_cells(table, "score")
    family = table.drop_duplicates("item").set_index("item")["family"]
    found = intraclass(around_ability(cells), family[list(cells.items)].tolist(), 0.9).set_index("group")
    assert found.loc["within", "low"] > 0.03
    assert abs(found.loc["between", "correlation"]) < 0.03
