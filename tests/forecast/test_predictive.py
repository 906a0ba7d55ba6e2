"""A predictive distribution against draws from it, and against the normal's closed forms."""

import numpy as np
import pytest
from scipy.stats import norm

from tasklaws.stats.links import ARCSINE, LOG
from tasklaws.stats.predictive import Predictive

MIXED = Predictive(ARCSINE, np.array([[0.8, 0.2]]), np.array([[1.0, 1.6]]), np.array([[0.05, 0.3]]))


def draws(said, count=400_000):
    rng = np.random.default_rng(0)
    part = (rng.random(count) > said.weight[0, 0]).astype(int)
    return said.link.inverse(rng.normal(said.mean[0][part], said.sd[0][part]))


def test_a_mixture_is_what_draws_from_it_say():
    seen = draws(MIXED)
    at = np.array([0.25])
    for level in (0.05, 0.5, 0.95):
        assert MIXED.quantile(level)[0] == pytest.approx(np.quantile(seen, level), abs=2e-3)
    assert MIXED.exceeds(np.array([0.4]))[0] == pytest.approx((seen > 0.4).mean(), abs=2e-3)
    assert MIXED.within(at, np.array([0.05]))[0] == pytest.approx((np.abs(seen - 0.25) <= 0.05).mean(), abs=3e-3)
    assert MIXED.expected_error(at)[0] == pytest.approx(np.abs(seen - 0.25).mean(), rel=0.02)
    other = np.random.default_rng(1).permutation(seen)
    crps = np.abs(seen - 0.6).mean() - np.abs(seen - other).mean() / 2
    assert MIXED.crps(np.array([0.6]))[0] == pytest.approx(crps, rel=0.02)
    mean, sd = MIXED.moments
    assert (mean[0], sd[0]) == pytest.approx((1.12, np.sqrt(0.8 * 0.05**2 + 0.2 * 0.3**2 + 0.16 * 0.6**2)))


def test_chances_are_none_below_nothing():
    """Weights may sum to more than 1 by rounding."""
    weight = np.array([[0.7, 0.1, 0.1, 0.1 + 1e-15]])
    tight = Predictive(ARCSINE, weight, np.ones((1, 4)), np.full((1, 4), 0.01))
    assert tight.exceeds(np.array([0.9]))[0] == 0


def test_the_density_sums_to_one_on_the_link_scale():
    places = np.linspace(0, np.pi, 4001)
    wide = Predictive(ARCSINE, *(np.repeat(part, len(places), axis=0) for part in (MIXED.weight, MIXED.mean, MIXED.sd)))
    density = np.exp(wide.log_density(ARCSINE.inverse(places)))
    assert np.trapezoid(density, places) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("link", [ARCSINE, LOG], ids=lambda link: link.name)
def test_one_normal_has_the_closed_forms(link):
    mean, sd = np.array([0.9, np.nan]), np.array([0.2, np.nan])
    said = Predictive.normal(link, mean, sd)
    lower, middle, upper = said.interval
    reach = norm.isf(0.05) * 0.2
    assert [lower[0], middle[0], upper[0]] == pytest.approx(
        [float(link.inverse(z)) for z in (0.9 - reach, 0.9, 0.9 + reach)]
    )
    assert np.isnan([lower[1], middle[1], upper[1], said.expected_error(middle)[1]]).all()
    assert said.log_density(middle)[0] == pytest.approx(norm.logpdf(0, 0, 0.2))


def test_ends_of_a_score_hold_what_lies_beyond_them():
    said = Predictive.normal(ARCSINE, np.array([0.1]), np.array([1.0]))
    assert said.within(np.array([0.02]), np.array([0.02])) > 0.5 - norm.cdf(-0.1)
    assert said.within(np.array([0.5]), np.array([0.5])) == pytest.approx(1.0)
