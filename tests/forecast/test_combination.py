import numpy as np
import pytest
from made_up import SIZES, draw, panel, rises

from tasklaws.forecast import combine as combination
from tasklaws.forecast.combine import History, combine, combined_forecast
from tasklaws.forecast.panel import Prediction


@pytest.fixture
def ladder():
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e7, 1e10, 8)
    return panel(draw(rng, rises(rng, 5, sizes), 500), sizes)


def test_weights_sum_to_one(ladder):
    found = combined_forecast(History(ladder), 7, 7)
    assert found.weights.sum(axis=0) == pytest.approx(1)
    assert (found.weights >= 0).all()
    assert (np.ptp(found.weights, axis=0) > 0).all()
    assert (found.width > 0).all()


def test_a_method_that_is_always_right_gets_nearly_all_the_weight(ladder, monkeypatch):
    class Constant:
        def __init__(self, name, off):
            self.name, self.off = name, off

        def __call__(self, known, wanted):
            places = [ladder.models.index(model) for model in wanted.models]
            right = ladder.link.of(ladder.value, np.inf)[:, places]
            return Prediction(right + self.off, np.full(right.shape, 0.1))

    rivals = (Constant("right", 0.0), Constant("high", 0.2), Constant("low", -0.3))
    monkeypatch.setattr(combination, "forecasters", lambda panel: rivals)
    weights = [combine(History(ladder), origin, origin).weights[0].min() for origin in (4, 7)]
    assert weights[0] < weights[1]
    assert weights[1] > 0.95


def test_few_rungs_repeat_the_last(ladder):
    found = combined_forecast(History(ladder), 2, 7)
    assert found.methods == ("repeat_last",)


def test_forecasts_do_not_depend_on_the_order_of_tasks(ladder):
    backwards = ladder.of_tasks(np.ones(5, dtype=bool)).of_tasks(np.arange(5) >= 0)
    order = np.arange(5)[::-1]
    turned = panel(ladder.value[order], ladder.n_params)
    there, here = combined_forecast(History(turned), 6, 6), combined_forecast(History(backwards), 6, 6)
    assert there.mean[order] == pytest.approx(here.mean, abs=1e-7)
    assert there.width[order] == pytest.approx(here.width, rel=1e-6)


@pytest.mark.slow
def test_intervals_cover_what_they_say():
    """90% intervals on ladders with known truth: 87-98% inside, over next rungs of many made-up ladders, which are
    smoother than the public ones that the first intervals rest on."""
    inside = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sizes = np.geomspace(SIZES[0], SIZES[-1], 7)
        value = draw(rng, rises(rng, 10, sizes, noise=0.1), 400)
        ladder = panel(value, sizes, losses=False)
        history = History(ladder)
        for origin in (5, 6):
            found = combined_forecast(history, origin, origin)
            off = np.abs(ladder.link.of(ladder.value[:, origin], np.inf) - found.mean)
            inside += list(off <= 1.6449 * found.width)
    assert 0.87 <= np.mean(inside) <= 0.98
