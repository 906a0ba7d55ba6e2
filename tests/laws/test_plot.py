"""The picture shows every point and the curve."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from ladders import SIZES, accuracies, chinchilla, grid_of_models, losses

from tasklaws.laws.fitting import fit


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_a_law_of_one_axis_is_drawn_beyond_its_points_ladder_by_ladder() -> None:
    table = pd.concat([losses(floor + 60 * SIZES**-0.25).assign(ladder=str(floor)) for floor in (1.0, 2.0)])
    found = fit(table, "power", replicates=10)
    ax = found.plot()
    points, curve, others, _ = ax.get_lines()
    assert points.get_ydata() == pytest.approx(1 + 60 * SIZES**-0.25)
    assert others.get_ydata() == pytest.approx(2 + 60 * SIZES**-0.25)
    assert curve.get_xdata()[-1] > SIZES[-1] * 2
    assert curve.get_ydata() == pytest.approx(1 + 60 * np.asarray(curve.get_xdata()) ** -0.25, rel=1e-4)
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "n_params", "loss")


def test_a_law_of_loss_is_drawn_straight_and_one_of_two_inputs_against_its_fit() -> None:
    table = accuracies(np.linspace(0.3, 0.8, 9)).assign(loss=np.linspace(2, 1, 9))
    assert fit(table, "logistic_in_loss", replicates=0).plot().get_xscale() == "linear"
    both = grid_of_models()
    ax = fit(both.assign(value=chinchilla(both), metric="loss"), "chinchilla", replicates=0).plot()
    points = ax.get_lines()[0]
    assert points.get_xdata() == pytest.approx(points.get_ydata(), rel=1e-6)
    assert ax.get_xlabel() == "fitted by chinchilla"
