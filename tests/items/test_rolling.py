"""Predicting each held-out model from earlier ones, and from nothing else."""

import numpy as np
import pandas as pd
import pytest
from populations import table
from scipy.special import expit

from tasklaws.core.errors import TasklawsError
from tasklaws.items.held_out import held_out
from tasklaws.items.predictions import summarise
from tasklaws.items.rolling import SCALES, Rolling, family_folds, predict
from tasklaws.items.table import ItemTable, check_items
from tasklaws.stats.scores import concordance, log_loss


def checked(rows: pd.DataFrame) -> ItemTable:
    return check_items(rows, "t.csv")


def test_a_prediction_sees_neither_later_models_nor_more_of_its_own_than_the_mean() -> None:
    rows = table(n_models=7)
    rng = np.random.default_rng(0)
    changed = rows.copy()
    later = changed["model"].isin(["m5", "m6"])
    changed.loc[later, "score"] = rng.integers(0, 2, later.sum()).astype(float)
    own = (changed["model"] == "m4").to_numpy()
    changed.loc[own, "score"] = rng.permutation(changed.loc[own, "score"])
    before, after = predict(checked(rows), 4, False), predict(checked(changed), 4, False)
    assert not np.array_equal(before.scores, after.scores)
    for name, prediction in before.predictions.items():
        assert prediction.given == pytest.approx(after.predictions[name].given)
        assert prediction.extrapolated == pytest.approx(after.predictions[name].extrapolated)
        assert prediction.unseen == pytest.approx(after.predictions[name].unseen)


def test_a_forecast_ability_does_not_know_the_mean() -> None:
    rows = table(n_models=7)
    rows.loc[rows["model"] == "m6", "score"] = 0.0
    one, other = predict(checked(rows), 6, False), predict(checked(table(n_models=7)), 6, False)
    for name in one.predictions:
        assert one.predictions[name].extrapolated == pytest.approx(other.predictions[name].extrapolated)


def test_contemporaries_are_not_predicted_from_one_another() -> None:
    rows = table(n_models=6)
    rows.loc[rows["model"] == "m4", "date"] = "2025-03-01"
    changed = rows.copy()
    changed.loc[rows["model"] == "m4", "score"] = 1 - rows["score"]
    given = [predict(checked(each), 5, False).predictions["full"].given for each in (rows, changed)]
    assert given[0] == pytest.approx(given[1])


def test_the_given_mean_is_kept_by_every_method() -> None:
    origin = predict(checked(table()), 5, False)
    for prediction in origin.predictions.values():
        assert prediction.given.mean() == pytest.approx(origin.scores.mean(), abs=1e-6)
        assert prediction.unseen is not None
        assert prediction.unseen.mean() == pytest.approx(origin.scores.mean(), abs=1e-6)


def test_methods_that_the_table_cannot_feed_are_null() -> None:
    origins = [predict(checked(table()), 5, False)]
    summary = summarise(origins)
    assert summary["solve_rate"] is None
    full, constant, time = summary["full"], summary["constant"], summary["time"]
    assert full is not None
    assert constant is not None
    assert time is not None
    assert full["log_loss"] < constant["log_loss"]  # type: ignore[operator]
    assert constant["auc"] == constant["never_solved_auc"] == 0.5
    assert time["never_solved_auc"] is not None


def test_held_out_are_the_last_or_the_last_that_set_records() -> None:
    rows = table(n_models=5).drop(columns="score")
    means = {"m0": 0.2, "m1": 0.5, "m2": 0.4, "m3": 0.5, "m4": 0.3}
    scored = checked(rows.assign(score=rows["model"].map(means)))
    assert held_out(scored, 2, records=False) == [3, 4]
    assert held_out(scored, 2, records=True) == [1, 3]
    for last, records in [(0, False), (5, False), (3, True)]:
        with pytest.raises(TasklawsError, match=f"last is {last}: "):
            held_out(scored, last, records)


def test_families_stay_whole_and_folds_even() -> None:
    rows = table(n_items=40)
    folds = family_folds(checked(rows))
    assert folds is not None
    families = checked(rows).items["family"]
    assert all(len(set(folds[families == family])) == 1 for family in families.unique())
    assert np.bincount(folds).tolist() == [8] * 5
    assert family_folds(checked(rows.drop(columns="family"))) is None
    assert family_folds(checked(rows.assign(family="one"))) is None


def test_scores_by_hand() -> None:
    scores, p = np.array([1.0, 0.0, 0.5]), np.array([0.8, 0.4, 0.5])
    assert log_loss(scores, p) == pytest.approx(-(np.log(0.8) + np.log(0.6) + np.log(0.5)) / 3)
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(9 * np.log(10))
    assert concordance(np.array([1.0, 0.0, 0.5, 0.0]), np.array([0.8, 0.4, 0.4, 0.9])) == (2.5 - 1.0, 4)


def test_fits_are_averaged_by_what_they_foretold_of_earlier_models() -> None:
    """Of items that hardly differ the narrow fits have the weight, of items far apart the wide ones."""
    rng = np.random.default_rng(4)

    def width(spread: float) -> float:
        solve = expit(np.linspace(-1, 1, 8) + rng.normal(0, spread, 80)[:, None])
        rows = table(n_models=8, n_items=80).drop(columns=["human_minutes", "family"])
        scores = (rng.random(solve.shape) < solve).T.ravel() * 1.0
        _, averaged = Rolling(checked(rows.assign(score=scores))).averaged(7)
        weights = averaged["item_response"].weights
        assert weights.sum() == pytest.approx(1)
        return float(weights @ np.log([1.0, *SCALES]))

    assert width(0.2) < width(8.0)


def test_without_earlier_models_to_foretell_all_fits_count_alike() -> None:
    _, averaged = Rolling(checked(table(n_models=3))).averaged(2)
    assert averaged["item_response"].weights == pytest.approx(np.full(1 + len(SCALES), 1 / (1 + len(SCALES))))
    assert averaged["full"].weights == pytest.approx(np.full(2 + 2 * len(SCALES), 1 / (2 + 2 * len(SCALES))))


def test_nothing_known_of_the_items_makes_full_the_same_as_item_response() -> None:
    plain = table()[["model", "date", "task", "score"]]
    found = predict(checked(plain), 5, False).predictions
    assert np.array_equal(found["full"].given, found["item_response"].given)
    assert len(Rolling(checked(plain)).averaged(5)[1]["full"].fits) == 1 + len(SCALES)


def test_a_prediction_does_not_depend_on_which_others_were_made() -> None:
    whole = checked(table(n_models=7))
    rolling = Rolling(whole)
    for index in (4, 5):
        predict(whole, index, False, rolling)
    alone, after = predict(whole, 6, False), predict(whole, 6, False, rolling)
    for name in alone.predictions:
        assert np.array_equal(alone.predictions[name].given, after.predictions[name].given)
