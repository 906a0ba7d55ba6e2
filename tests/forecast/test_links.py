import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.stats.links import ARCSINE, LOG, LOG_LOG, LOGIT

SCORES = (LOGIT, ARCSINE, LOG_LOG)


@pytest.mark.parametrize("link", SCORES, ids=lambda link: link.name)
@given(st.floats(0.001, 0.999))
def test_a_score_survives_its_link(link, value):
    assert link.inverse(link.of(np.array(value), np.inf if link is ARCSINE else 1e15)) == pytest.approx(value, abs=1e-6)


@given(st.floats(1e-5, 1e6))
def test_a_loss_survives_its_link(value):
    assert LOG.inverse(LOG.of(np.array(value), 1.0)) == pytest.approx(value)


@pytest.mark.parametrize("link", SCORES, ids=lambda link: link.name)
@pytest.mark.parametrize("value", [0.2, 0.5, 0.85])
def test_variance_is_that_of_simulated_items(link, value):
    n_items = 2000
    drawn = np.random.default_rng(0).binomial(n_items, value, 20_000) / n_items
    assert link.variance(np.array(value), n_items) == pytest.approx(np.var(link.of(drawn, n_items)), rel=0.05)


@pytest.mark.parametrize("link", SCORES, ids=lambda link: link.name)
def test_nothing_and_everything_right_are_finite_and_in_order(link):
    z = link.of(np.array([0.0, 0.01, 0.5, 0.99, 1.0]), 100)
    assert np.isfinite(z).all()
    assert (np.diff(z) > 0).all()
