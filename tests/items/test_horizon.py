"""METR's time horizon, against what METR published."""

import numpy as np
import pandas as pd
import pytest

from shared_data import shared
from tasklaws.core.errors import TasklawsError
from tasklaws.items.horizon import run_weights, time_horizon


def test_the_horizon_is_where_success_is_even() -> None:
    minutes = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
    scores = np.array([1.0, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0])
    assert time_horizon(scores, minutes, np.full(7, 1 / 7)) == pytest.approx(8, rel=1e-3)


def test_weights_share_out_a_task_over_its_runs_and_a_family_by_the_root_of_its_tasks() -> None:
    tasks, families = pd.Series(["a", "a", "b", "c"]), pd.Series(["f", "f", "f", "g"])
    assert run_weights(tasks, families) / run_weights(tasks, families)[3] == pytest.approx(
        [0.5 / np.sqrt(2), 0.5 / np.sqrt(2), 1 / np.sqrt(2), 1]
    )


def test_success_that_does_not_fall_has_no_horizon() -> None:
    with pytest.raises(TasklawsError, match="no time horizon"):
        time_horizon(np.array([0.0, 1.0]), np.array([1.0, 60.0]), np.array([0.5, 0.5]))


@pytest.mark.parametrize(
    ("model", "binarised", "published"),
    [("gpt-4o-2024-05-13", 10.0, 9.2), ("o1", 38.4, 41.1), ("claude-3-7-sonnet-20250219", 57.1, 56.1)],
)
def test_published_horizons_to_within_what_binarising_changes(model: str, binarised: float, published: float) -> None:
    table = pd.read_csv(shared("items/metr_th10.csv.gz")).query("model == @model")
    horizon = time_horizon(
        table["score"].to_numpy(float), table["human_minutes"].to_numpy(), run_weights(table["task"], table["family"])
    )
    assert horizon == pytest.approx(binarised, abs=0.05)
    assert horizon == pytest.approx(published, rel=0.1)
