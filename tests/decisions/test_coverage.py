"""What the intervals and p of comparisons promise, on simulated models whose true means are known."""

import numpy as np
import pytest
from scipy.stats import kstest
from simulated import Population

from tasklaws.decisions.compare import Comparison, many_models, two_models

KINDS = [("right or wrong", 1), ("right or wrong", 5), ("partial", 1)]
FEW = [  # for every run: each level of each property once or more
    Population(8, "equal", 0.0),
    Population(8, "lognormal", 0.5, "partial"),
    Population(10, "lognormal", 0.3, attempts=5),
    Population(10, "one large", 0.5),
    Population(40, "equal", 0.0, mean_size=1),
    Population(20, "lognormal", 0.3),
]
ALL = [
    Population(count, sizes, icc, kind, attempts)
    for count in (8, 10, 20)
    for sizes in ("equal", "lognormal")
    for icc in (0.0, 0.3, 0.5)
    for kind, attempts in KINDS
]


def comparisons(population: Population, count: int) -> list[Comparison]:
    rng = np.random.default_rng(0)
    return [two_models(population.draw(rng), 0.9) for _ in range(count)]


def covered(population: Population, count: int) -> float:
    truth = population.means[0] - population.means[1]
    return float(np.mean([found.low <= truth <= found.high for found in comparisons(population, count)]))


def test_the_true_means_are_those_of_very_many_items() -> None:
    population = Population(2000, "equal", 0.3)
    assert population.draw(np.random.default_rng(0)).means.mean(axis=0) == pytest.approx(population.means, abs=0.01)


def test_nine_in_ten_intervals_hold_the_true_difference() -> None:
    found = {population: covered(population, 200) for population in FEW}
    assert min(found.values()) > 0.84, found  # three standard errors of 200 draws, .021 each, below .9
    assert max(found.values()) < 0.96, found
    assert np.mean(list(found.values())) == pytest.approx(0.9, abs=0.026)


@pytest.mark.heavy
def test_the_intervals_of_each_kind_hold_it_in_87_to_93_of_100() -> None:
    found = {population: covered(population, 600) for population in ALL}
    assert {population: share for population, share in found.items() if not 0.86 <= share <= 0.94} == {}
    assert np.mean([0.87 <= share <= 0.93 for share in found.values()]) > 0.9, found  # the rest by chance
    assert np.mean(list(found.values())) == pytest.approx(0.9, abs=0.01)


def p_values(population: Population, count: int) -> np.ndarray:
    return np.array([found.p_value for found in comparisons(population, count)])


def test_p_is_uniform_where_there_is_no_difference() -> None:
    found = p_values(Population(12, "lognormal", 0.3, "partial", abilities=(0.5, 0.5)), 300)
    assert kstest(found, "uniform").pvalue > 0.01


@pytest.mark.heavy
@pytest.mark.parametrize(("kind", "attempts"), KINDS)
@pytest.mark.parametrize("sizes", ["equal", "lognormal"])
@pytest.mark.parametrize("count", [10, 25])
def test_p_of_every_kind_is_uniform_where_there_is_no_difference(
    kind: str, attempts: int, sizes: str, count: int
) -> None:
    found = p_values(Population(count, sizes, 0.3, kind, attempts, (0.5, 0.5)), 600)
    assert kstest(found, "uniform").pvalue > 0.001  # of twelve
    assert (found <= 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert (found <= 0.1).mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.heavy
def test_mcnemars_p_of_independent_items_is_never_too_small() -> None:
    found = p_values(Population(100, "equal", 0.0, abilities=(0.5, 0.5), mean_size=1), 2000)
    assert kstest(found, "uniform", alternative="greater").pvalue > 0.01
    assert 0.05 < (found <= 0.1).mean() <= 0.11


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["right or wrong", "partial"])
def test_a_difference_as_small_as_can_be_shown_is_shown_in_four_of_five(kind: str) -> None:
    alike = Population(30, "lognormal", 0.2, kind, abilities=(0.5, 0.5), mean_size=15)
    wanted = np.median([found.smallest_difference for found in comparisons(alike, 100)])
    gaps = np.linspace(0, 2, 400)
    means = [Population(2, abilities=(0.5 + gap, 0.5)).means for gap in gaps]
    gap = gaps[int(np.argmin([abs(first - second - wanted) for first, second in means]))]
    differing = Population(30, "lognormal", 0.2, kind, abilities=(0.5 + gap, 0.5), mean_size=15)
    shown = np.mean([found.low > 0 for found in comparisons(differing, 500)])
    assert shown == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    "abilities", [(0.5,) * 6, pytest.param((1.5, 1.5, 0.5, 0.5, -0.5, -0.5), marks=pytest.mark.heavy)]
)
def test_few_rankings_tell_models_apart_that_are_alike(abilities: tuple[float, ...]) -> None:
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(100):
        found = many_models(Population(12, "lognormal", 0.3, abilities=abilities).draw(rng), 0.9)
        ability = dict(zip([f"m{place}" for place in range(6)], abilities, strict=True))
        alike = found.pairs["model"].map(ability) == found.pairs["other"].map(ability)
        wrong += bool((found.pairs["p_value"][alike] <= 0.1).any())
    assert wrong <= 18  # of 100 draws at .1: three standard errors above
