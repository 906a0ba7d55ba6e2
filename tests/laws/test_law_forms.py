"""Every law: its gradient is the derivative of its value, and its parameters change units as they should."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.forms import LAWS
from tasklaws.laws.law import AXES, Law

X = {"n_params": [0.1, 0.5, 1.3, 4.1], "n_tokens": [0.2, 3.0, 0.7, 2.2], "train_flops": [0.03, 1.7, 1.1, 9.0]}
INPUTS = {name: np.array(values) for name, values in {**X, "loss": [1.4, 1.1, 0.9, 0.6]}.items()}
EACH_LAW = pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)


def some_theta(law: Law, rng: np.random.Generator) -> np.ndarray:
    """A point well inside the part of the box that a search would visit."""
    theta = []
    for parameter in law.parameters:
        low, high = parameter.lower, parameter.upper
        low, high = (max(low, 0.1), min(high, 3.0)) if parameter.log else (max(low, -2.0), min(high, 2.0))
        theta.append(low + (0.1 + 0.8 * rng.random()) * (high - low))
    return np.array(theta)[None, None]


@EACH_LAW
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_gradient_is_the_derivative_of_the_value(law: Law, seed: int) -> None:
    theta = some_theta(law, np.random.default_rng(seed))
    value, gradient = law.value(theta, INPUTS)
    assert value.shape == (1, 4)
    assert gradient.shape == (1, 4, len(law.parameters))
    for index in range(len(law.parameters)):
        shift = np.zeros_like(theta)
        shift[..., index] = 1e-6 * theta[..., index]
        if not shift.any():
            continue
        up, down = (law.value(theta + sign * shift, INPUTS)[0] for sign in (1, -1))
        slope = (up - down) / (2 * shift[..., index])
        assert gradient[..., index] == pytest.approx(slope, rel=2e-4, abs=1e-5 * (1 + np.abs(value).max()))


@EACH_LAW
@given(seed=st.integers(0, 10**6))
@settings(max_examples=15)
def test_parameters_change_units_with_inputs_and_values(law: Law, seed: int) -> None:
    rng = np.random.default_rng(seed)
    theta = some_theta(law, rng)
    scale = {name: np.float64(10 ** rng.uniform(-2, 6)) for name in INPUTS}
    level = np.float64(1.0 if law.gives == "accuracy" else 10 ** rng.uniform(-1, 2))
    own = {name: values * scale[name] for name, values in INPUTS.items()}
    in_units = law.value(law.natural(theta, scale, level), own)[0]
    assert in_units == pytest.approx(level * law.value(theta, INPUTS)[0], rel=1e-7)


@EACH_LAW
def test_every_point_may_have_parameters_of_its_own(law: Law) -> None:
    rng = np.random.default_rng(0)
    theta = np.concatenate([some_theta(law, rng) for _ in range(4)], axis=1)
    value, gradient = law.value(theta, INPUTS)
    for point in range(4):
        alone = {name: values[[point]] for name, values in INPUTS.items()}
        one, slope = law.value(theta[:, [point]], alone)
        assert value[0, point] == pytest.approx(one[0, 0])
        assert gradient[0, point] == pytest.approx(slope[0, 0])


# The laws as their sources print them, x being the one axis, by the names of their parameters.
WRITTEN: dict[str, Callable[..., float]] = {
    "power": lambda x, E, A, a: E + A / x**a,
    "pure_power": lambda x, A, a: A / x**a,
    "chinchilla": lambda N, D, E, A, B, alpha, beta: E + A / N**alpha + B / D**beta,
    "kaplan": lambda N, D, N_c, D_c, alpha_N, alpha_D: ((N_c / N) ** (alpha_N / alpha_D) + D_c / D) ** alpha_D,
    "over_training": lambda N, D, E, a, b, eta: E + (a * (D / N) ** eta + b * (N / D) ** eta) / (6 * N * D) ** eta,
    "error_from_loss": lambda loss, eps, k, gamma: 1 - (eps - k * math.exp(-gamma * loss)),
    "transfer": lambda N, D, k, alpha, beta: k * D**alpha * N**beta,
    "saturating": lambda x, E, A, a: E - A / x**a,
    "learning_curve": lambda x, E, A, a: E + A / x ** (a / (1 + a)),
    "m1": lambda x, A, a: A / x**a,
    "m2": lambda x, E, A, a: E + A / x**a,
    "m3": lambda x, b, g, c: b * (1 / x + g) ** c,
    "broken_power": lambda x, a, b, c0, c1, d1, f1: a + b / x**c0 / (1 + (x / d1) ** (1 / f1)) ** (c1 * f1),
    "broken_power_2": lambda x, a, b, c0, c1, d1, f1, c2, d2, f2: (
        a + b / x**c0 / (1 + (x / d1) ** (1 / f1)) ** (c1 * f1) / (1 + (x / d2) ** (1 / f2)) ** (c2 * f2)
    ),
    "logistic": lambda x, start, end, k, m: start + (end - start) / (1 + (m / x) ** k),
    "logistic_full": lambda x, start, end, k, m: start + (end - start) / (1 + (m / x) ** k),
    "logistic_in_loss": lambda loss, start, end, k, m: start + (end - start) / (1 + math.exp(k * (loss - m))),
    "log_accuracy": lambda x, chance, A, a: chance + (1 - chance) * math.exp(-A / x**a),
    "step": lambda x, start, end, threshold: end if x > threshold else start,
    "u_shape": lambda x, turn, k, m: turn + k * math.log(x / m) ** 2,
    "inverse": lambda x, start, end, k, m: start + (end - start) / (1 + (m / x) ** k),
    "constant": lambda x, level: level,
}
SYMBOLS = {"n_params": "N", "n_tokens": "D", "loss": "loss"}


@EACH_LAW
def test_a_laws_value_is_the_formula_of_its_source(law: Law) -> None:
    if law.name == "m4":  # an equation: test_the_loss_of_m4_solves_its_equation
        return
    theta = some_theta(law, np.random.default_rng(3))
    value = law.value(theta, INPUTS)[0]
    names = ["x"] if law.one_axis else [SYMBOLS[name] for name in law.inputs]
    parameters = dict(zip((parameter.name for parameter in law.parameters), theta[0, 0], strict=True))
    for point in range(value.shape[-1]):
        given = dict(zip(names, (INPUTS[name][point] for name in law.inputs), strict=True))
        assert value[0, point] == pytest.approx(WRITTEN[law.name](**given, **parameters), rel=1e-9)


@EACH_LAW
def test_a_law_cites_its_source_and_has_starts_inside_its_bounds(law: Law) -> None:
    assert law.formula
    assert "arXiv" in law.citation or law.citation.startswith("none")
    for parameter in law.parameters:
        assert parameter.lower <= parameter.upper
        assert parameter.linear == (not parameter.starts)
        if not parameter.place:
            assert all(parameter.lower <= start <= parameter.upper for start in parameter.starts)


@EACH_LAW
def test_only_laws_of_one_axis_change_it(law: Law) -> None:
    if law.one_axis:
        assert [law.on(axis).inputs for axis in AXES] == [(axis,) for axis in AXES]
    else:
        with pytest.raises(TasklawsError, match="takes no axis"):
            law.on("n_params")
    with pytest.raises(TasklawsError, match="axis 'wheels'"):
        law.on("wheels")


def test_the_loss_of_m4_solves_its_equation() -> None:
    floor, gap, bend, scale, exponent = 0.2, 0.7, 0.4, 0.5, 0.6
    x = np.geomspace(1e-4, 1e6, 50)
    loss = LAWS["m4"].value(np.array([[[floor, gap, bend, scale, exponent]]]), {"n_tokens": x})[0][0]
    assert (loss - floor) / (floor + gap - loss) ** bend == pytest.approx(scale * x**-exponent, rel=1e-6)


def test_kaplans_joint_law_has_his_single_laws_as_limits() -> None:
    theta = np.array([[[8.8e13, 5.4e13, 0.076, 0.095]]])  # Kaplan et al. 2020, table 2 and eqs. 1.1, 1.2
    law = LAWS["kaplan"]
    n, huge = np.array([1e8]), np.array([1e30])
    many_tokens = law.value(theta, {"n_params": n, "n_tokens": huge})[0]
    many_parameters = law.value(theta, {"n_params": huge, "n_tokens": n})[0]
    assert many_tokens[0, 0] == pytest.approx((8.8e13 / 1e8) ** 0.076, rel=1e-4)
    assert many_parameters[0, 0] == pytest.approx((5.4e13 / 1e8) ** 0.095, rel=1e-4)
