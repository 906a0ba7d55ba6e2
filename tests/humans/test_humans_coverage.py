"""Known truth: how often the intervals hold it, over many made-up populations."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import tiny
from tasklaws.core.schema import Item
from tasklaws.core.settings import Population, Target
from tasklaws.humans.estimates import group_table, item_table
from tasklaws.humans.population import simulate_attempts
from tasklaws.stats.proportions import Mean, pooled_rates

N_POPULATIONS = 250
TARGET = Target("python", {"yes": 0.1, "no": 0.9})
# No item here needs Python, so that nobody's rate is 0: an interval that may end at 0 always holds a true 0.
ITEMS = [
    tiny.items("addition")[60],
    tiny.items("addition")[-10],
    tiny.items("largest_of_four")[60],
    tiny.items("step_chain")[95],
    tiny.items("string_edit")[40],
]
NEEDING_PYTHON = [tiny.items("sha256_power")[50], tiny.items("gauss_sum")[80], tiny.items("gauss_sum")[-20]]

pytestmark = pytest.mark.heavy


def population(n_people: int) -> Population:
    """The default population, but one whose skills are all alike: their draws would move the truth with the seed."""
    return dataclasses.replace(tiny.SETTINGS.humans.population, n_people=n_people, skill_sd=0.0)


def tables(attempts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    families = dict.fromkeys(attempts["item"].unique(), "all")
    keys = ["item", "group", "value"]
    return item_table(attempts, families, 0.9, TARGET).set_index("item"), group_table(attempts, 0.9).set_index(keys)


@pytest.fixture(scope="module")
def truth() -> tuple[pd.DataFrame, pd.DataFrame]:
    return tables(simulate_attempts(ITEMS + NEEDING_PYTHON, population(60_000), 1))


def pieces(items: list[Item], n_people: int) -> pd.DataFrame:
    """The attempts of many small populations: one large one, cut in pieces, each of which has items of its own name."""
    attempts = simulate_attempts(items, population(N_POPULATIONS * n_people), 2)
    piece = attempts["person"].str[1:].astype(int) % N_POPULATIONS
    return attempts.assign(item=attempts["item"] + "#" + piece.astype(str))


def populations(n_people: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    return tables(pieces(ITEMS + NEEDING_PYTHON, n_people))


def held(found: pd.DataFrame, true: pd.DataFrame, column: str) -> pd.Series:
    """Whether each interval holds the truth; a limit that is missing is no limit."""
    low = found[f"{column}_low"].astype(float).fillna(-np.inf)
    high = found[f"{column}_high"].astype(float).fillna(np.inf)
    return (low <= true[column].to_numpy()) & (true[column].to_numpy() <= high)


@pytest.mark.parametrize("n_people", [40, 100])
def test_intervals_hold_the_truth_as_often_as_they_say(truth, n_people):
    items, groups = populations(n_people)
    own = items.index.str.split("#").str[0]
    true = truth[0].loc[own]
    for column in ("solve_rate", "mean_score", "median_seconds"):
        known = true[column].notna().to_numpy()
        assert known.sum() >= 4 * N_POPULATIONS
        assert 0.87 <= held(items[known], true[known], column).mean() <= 0.93, column
    everyone_can = own.isin([item.id for item in ITEMS])
    for column in ("target_rate", "target_score"):
        assert 0.87 <= held(items[everyone_can], true[everyone_can], column).mean() <= 0.93, column
    keys = [(item.split("#")[0], *rest) for item, *rest in groups.index]
    true_groups = truth[1].loc[keys]
    for column in ("solve_rate", "mean_score"):
        inside = true_groups[column].between(0, 1, inclusive="neither").to_numpy()
        assert 0.87 <= held(groups[inside], true_groups[inside], column).mean() <= 0.93, column


def test_reweighting_errs_to_the_safe_side_where_a_stratum_never_solves(truth):
    """Nobody without Python solves these, but 20 people who fail do not say so: the interval is wide, never short."""
    items, _ = populations(40)
    own = items.index.str.split("#").str[0]
    needing = own.isin([item.id for item in NEEDING_PYTHON])
    assert held(items[needing], truth[0].loc[own[needing]], "target_rate").mean() > 0.95


def test_pooled_intervals_hold_the_rates_of_items_that_the_same_people_attempt():
    """Without the correlation of their errors, many items would pass for many people."""
    chosen = list(tiny.items("addition")[::15])
    true = item_table(simulate_attempts(chosen, population(20_000), 1), {item.id: "" for item in chosen}, 0.9)
    true = true.set_index("item")["solve_rate"]
    attempts = pieces(chosen, 60)
    piece = {item: item.split("#")[1] for item in attempts["item"].unique()}
    found = item_table(attempts, piece, 0.9).set_index("item")
    true = true.loc[found.index.str.split("#").str[0]]
    assert 0.87 <= held(found, true.to_frame("pooled_rate"), "pooled_rate").mean() <= 0.93
    alike = [tiny.items("sha256_power")[k] for k in (0, 30, 60, 99)]
    rate = simulate_attempts(alike, population(20_000), 1)["solved"].mean()
    naive = []
    for _, rows in pieces(alike, 60).groupby("item")["solved"].sum().groupby(lambda item: item.split("#")[1]):
        _, low, high = pooled_rates(rows.to_numpy(float), np.full(len(rows), 60.0), 0.9)
        naive.append((low <= rate) & (rate <= high))
    assert np.mean(naive) < 0.8


def pooling(mean: float, precision: float) -> tuple[float, float, float]:
    """Coverage over 200 sets of 30 items with 200 people each; mean squared error of plain rates and of pooled ones."""
    rng = np.random.default_rng(3)
    hits, counted, pooled = [], [], []
    for _ in range(200):
        rates = rng.beta(mean * precision, (1 - mean) * precision, 30)
        k, n = rng.binomial(200, rates).astype(float), np.full(30, 200.0)
        centre, low, high = pooled_rates(k, n, 0.9)
        hits.append((low <= rates) & (rates <= high))
        counted.append((k / n - rates) ** 2)
        pooled.append((centre - rates) ** 2)
    return float(np.mean(hits)), float(np.mean(counted)), float(np.mean(pooled))


@pytest.mark.parametrize(("mean", "precision"), [(0.5, 4.0), (0.02, 100.0), (0.003, 400.0)])
def test_pooled_intervals_hold_rates_that_are_drawn_from_a_beta(mean, precision):
    coverage, counted, pooled = pooling(mean, precision)
    assert 0.87 <= coverage <= 0.93
    assert pooled < counted


def test_pooling_items_that_are_all_alike_errs_to_the_safe_side():
    """Thirty items cannot show that their rates are equal, only that they are near; the error falls all the same."""
    coverage, counted, pooled = pooling(0.3, 1e6)
    assert coverage > 0.95
    assert pooled < counted / 5


def test_jeffreys_covers_its_level_on_average_and_exact_and_wald_do_not():
    """Why Jeffreys: mean coverage over uniform rates, exactly, at 10 to 100 people (Brown, Cai and DasGupta 2001)."""
    from scipy.stats import beta, binom, norm

    rates = np.linspace(0.005, 0.995, 199)
    for n in (10, 40, 100):
        k = np.arange(n + 1)
        chance = binom.pmf(k[:, None], n, rates)
        low, high = Mean.of(n, k, k).interval(0.9)
        exact = np.nan_to_num(beta.ppf(0.05, k, n - k + 1), nan=0), np.nan_to_num(beta.ppf(0.95, k + 1, n - k), nan=1)
        half = norm.isf(0.05) * np.sqrt(k / n * (1 - k / n) / n)
        wald = k / n - half, k / n + half

        def coverage(limits, chance=chance):
            return float((chance * ((limits[0][:, None] <= rates) & (rates <= limits[1][:, None]))).sum(0).mean())

        assert coverage((low, high)) == pytest.approx(0.9, abs=0.01)
        assert coverage(exact) > 0.915
        assert coverage(wald) < 0.885
