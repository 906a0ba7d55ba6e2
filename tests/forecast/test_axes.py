from dataclasses import replace

import numpy as np
import pytest
from made_up import panel

from tasklaws.forecast import axes


@pytest.fixture
def ladder():
    return panel([[0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.3, 0.35, 0.4, 0.5, 0.55, 0.6], [0.1, 0.2, 0.2, 0.3, 0.4, 0.5]])


def parts(ladder, known=5):
    models = np.arange(len(ladder.models))
    return ladder.select(models[:known]), ladder.select(models[known:]).without_results()


@pytest.mark.parametrize(
    "axis", [axes.size, axes.reducible_loss, axes.validation_loss, axes.ability], ids=lambda axis: axis.__name__
)
def test_larger_models_lie_further_on(ladder, axis):
    of_known, of_wanted = axis(*parts(ladder))
    assert (np.diff(np.concatenate([of_known, of_wanted], axis=1)) > 0).all()


def test_reducible_loss_is_that_of_the_published_law():
    """Besiroglu et al. 2024: A 482, B 2085, alpha 0.348, beta 0.366."""
    one = panel([[0.2, 0.3, 0.4]], np.array([4e8, 1e9, 7e9]))
    seen, _ = axes.reducible_loss(one, one)
    n, d = one.n_params, one.n_tokens
    plain = -np.log(482.0 / n**0.348 + 2085.0 / d**0.366)
    assert np.diff(seen[0])[0] / np.diff(seen[0])[1] == pytest.approx(np.diff(plain)[0] / np.diff(plain)[1])
    assert seen.std() == pytest.approx(one.size.std())


def test_an_axis_without_its_inputs_is_none(ladder):
    known, wanted = parts(ladder)
    unknown = np.full(5, np.nan)
    tokenless = replace(known, n_tokens=unknown)
    assert axes.reducible_loss(tokenless, wanted) is None
    assert axes.validation_loss(tokenless, wanted) is None
    assert axes.validation_loss(replace(known, other_values=known.other_values * np.nan), wanted) is None
    assert axes.validation_loss(*parts(ladder, 4)) is None
    assert axes.task_loss(known, wanted) is None
    assert axes.ability(known.of_tasks(np.array([True, True, False])), wanted) is None
    parameters = axes.size(replace(known, train_flops=unknown), wanted)
    assert parameters[0][0] == pytest.approx(np.log(known.n_params))


def test_validation_losses_are_foretold_by_their_surface(ladder):
    known, wanted = parts(ladder)
    loss = axes.chinchilla(known, wanted, known.validation_loss)
    assert loss[0] == pytest.approx(ladder.validation_loss[0, 5:], rel=0.02)
