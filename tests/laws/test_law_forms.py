import numpy as np
import pytest
from curves import SIZES, accuracy, loss

from tasklaws.laws.forms import ALL_LAWS, Frame
from tasklaws.laws.optimise import evaluate, minimise

CURVES = {
    "accuracy": accuracy(SIZES, np.linspace(0.3, 0.9, 7), chance=0.25),
    "loss": loss(SIZES, np.linspace(3.0, 1.0, 7)),
}


@pytest.mark.parametrize("kind", CURVES)
@pytest.mark.parametrize("law", ALL_LAWS.values(), ids=lambda law: law.name)
def test_gradient_is_the_derivative_of_the_value(law, kind):
    curve = CURVES[kind]
    frame = Frame.of(curve)
    lower, upper = law.bounds(frame)
    u = np.log(curve.x) - frame.centre + 0.01
    for theta in law.starts(curve, frame):
        inside = np.clip(theta, lower + 0.1 * (upper - lower), upper - 0.1 * (upper - lower))
        _, gradient = law.value(inside[None], u, frame)
        for index in np.flatnonzero(lower < upper):
            shift = np.zeros_like(inside)
            shift[index] = 1e-6
            ends = [law.value((inside + sign * shift)[None], u, frame)[0] for sign in (1, -1)]
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradient[..., index], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("kind", CURVES)
def test_objective_gradient_and_minimum(kind):
    curve = CURVES[kind]
    ones = np.ones((1, 7))
    target = curve.value[None]

    def objective(value):
        return evaluate(curve, 0.001, value, ones[..., None], target, ones)

    value = target * 0.9
    up, down = (objective(value + sign * 1e-7)[0] for sign in (1, -1))
    assert (up - down) / 2e-7 == pytest.approx(objective(value)[1][:, 0], rel=1e-4)
    assert objective(target)[0] == pytest.approx(0, abs=1e-12)
    assert objective(value)[0] > 0


@pytest.mark.parametrize("kind", CURVES)
@pytest.mark.parametrize("law", ALL_LAWS.values(), ids=lambda law: law.name)
def test_no_law_gets_worse_with_x_or_leaves_the_metric_range(law, kind):
    frame = Frame.of(CURVES[kind])
    lower, upper = law.bounds(frame)
    theta = lower + (upper - lower) * np.random.default_rng(0).random((200, len(lower)))
    value = law.value(theta, np.linspace(-20, 20, 50), frame)[0]
    better = value if kind == "accuracy" else -value
    assert (np.diff(better, axis=1) >= -1e-9 * np.abs(better[:, 1:])).all()
    assert (value >= 0).all()
    assert kind == "loss" or (value <= 1).all()


def test_minimise_stays_in_its_box_and_finds_the_corner():
    def bowl(theta, rows):
        away = theta - np.array([3.0, -2.0])
        return (away**2).sum(axis=1) / 2, away, np.tile(np.eye(2), (len(theta), 1, 1))

    found, objective, rested = minimise(bowl, np.zeros((4, 2)), np.array([[-1.0, -1.0], [1.0, 1.0]]))
    assert found == pytest.approx(np.tile([1.0, -1.0], (4, 1)))
    assert objective == pytest.approx(np.full(4, 2.5))
    assert rested.all()
