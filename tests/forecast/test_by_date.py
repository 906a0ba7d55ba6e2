"""Backtests by date, along other axes and with some scores revealed: who is known when, and what is left out."""

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import draw, panel, rises

from tasklaws import cli
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.forecast.ahead.verb import forecast
from tasklaws.forecast.axis_tables import MOST_CHECKPOINTS, checkpoint_name, spaced
from tasklaws.forecast.backtest import backtest
from tasklaws.forecast.panel import build_panels
from tasklaws.forecast.verdict import panel_verdicts
from tasklaws.tabular.numbers import day_margins, iso_days
from tasklaws.tabular.points import read_points

N_MODELS, N_TASKS = 8, 6


def releases(dates=None, n_tasks=N_TASKS, seed=0):
    """An item table: a score of each task for each dated model, but for a third of the later ones."""
    rng = np.random.default_rng(seed)
    dates = dates or [str(np.datetime64("2024-01-10") + 70 * place) for place in range(N_MODELS)]
    share = draw(rng, rises(rng, n_tasks, np.geomspace(1e8, 1e10, len(dates))), 400)
    rows = [
        ("suite-a", f"model {place}", date, f"t{task:02}", round(share[task, place], 4))
        for place, date in enumerate(dates)
        for task in range(n_tasks)
        if place < 4 or (place + task) % 3
    ]
    return pd.DataFrame(rows, columns=["suite", "model", "date", "task", "score"])


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `tasklaws backtest` by date; forecasts, summary and stdout."""

    def run(table, *options):
        table.to_csv(tmp_path / "releases.csv", index=False)
        words = ["tasklaws", "backtest", str(tmp_path / "releases.csv"), *options, "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", words)
        cli.main()
        return (
            pd.read_csv(tmp_path / "out/forecasts.csv"),
            read_json(tmp_path / "out/summary.json"),
            capsys.readouterr().out,
        )

    return run


SINCE = ["--axis", "date", "--rolling", "1", "--since", "2024-10-01"]


def test_an_item_table_is_read_as_points(tmp_path):
    releases().to_csv(tmp_path / "releases.csv", index=False)
    read = read_points(tmp_path / "releases.csv")
    assert set(read["ladder"]) == {"suite-a"}
    assert set(read["metric"]) == {"score"}
    assert read["value"].tolist() == releases()["score"].tolist()


def test_each_model_since_a_day_is_forecast_from_strictly_earlier_ones(command):
    table = releases()
    found, summary, _ = command(table, *SINCE)
    asked = table[table["date"] >= "2024-10-01"]
    assert set(found["model"]) == set(asked["model"])
    earlier = {
        model: int((table.drop_duplicates("model")["date"] < date).sum())
        for model, date in asked[["model", "date"]].to_numpy()
    }
    assert found.groupby("model")["n_fit"].first().to_dict() == earlier
    assert summary["n"] == len(asked)
    assert found[["n_params", "n_tokens", "train_flops"]].isna().all(axis=None)


def test_what_comes_later_changes_no_byte(command):
    table = releases()
    first = table[table["date"] >= "2024-10-01"]["date"].min()
    found, *_ = command(table, *SINCE)
    changed = table.assign(score=table["score"].where(table["date"] <= first, 0.5))
    other, *_ = command(pd.concat([changed, changed.drop_duplicates("model").tail(2).assign(task="new")]), *SINCE)
    model = table.loc[table["date"] == first, "model"].iloc[0]
    one, two = (each[each["model"] == model].to_csv(index=False) for each in (found, other))
    assert one == two


def test_tasks_that_no_earlier_model_has_are_left_out_with_a_line(command):
    table = releases()
    last = table[table["date"] == table["date"].max()].tail(1)
    found, _, said = command(pd.concat([table, last.assign(task="brand new")]), *SINCE)
    assert "brand new" not in set(found["task"])
    assert "left out brand new: tasks that no earlier model has" in said


def test_models_without_enough_earlier_ones_are_left_out_with_a_line(command):
    _, _, said = command(releases(), *SINCE[:-1], "2024-02-01")
    assert "left out model 1, model 2, model 3: fewer than 4 (min-rungs) models are surely earlier" in said


def test_models_of_one_day_are_forecast_together(command):
    table = releases(["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", *["2024-06-01"] * 4])
    found, *_ = command(table, "--axis", "date", "--rolling", "1")
    assert set(found["n_fit"]) == {4}
    assert set(found["model"]) == {"model 4", "model 5", "model 6", "model 7"}


def test_a_month_may_be_its_last_day(tmp_path, command):
    """Of 2024-06, 2024-06-20 and 2024-07-02 only the last is surely later than the first."""
    table = releases(
        ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01", "2024-06", "2024-06-20", "2024-07-02", "2025"]
    )
    found, *_ = command(table, "--axis", "date", "--rolling", "1")
    assert found.groupby("model")["n_fit"].first().to_dict() == {"model 4": 4, "model 5": 4, "model 6": 6, "model 7": 7}
    note = read_points(tmp_path / "releases.csv").attrs["notes"]
    assert any("taken as its middle, 15 days either way" in line for line in note)


@given(
    st.lists(
        st.sampled_from(["2023", "2023-03", "2023-04", "2023-03-20", "2024-01-05", "2024"]), min_size=2, max_size=7
    )
)
@settings(max_examples=40, deadline=None)
def test_no_known_model_may_be_later_than_a_wanted_one(dates):
    table = releases(dates, n_tasks=1).rename(columns={"suite": "ladder", "score": "value"})
    points = table.assign(metric="acc", is_final=True, step=np.nan)
    for name in ("n_params", "n_tokens", "train_flops", "stderr", "n_items", "chance"):
        points[name] = np.nan
    found = build_panels(points, ["acc"], "date")[0]
    first = found.days - found.margin
    for number, count in enumerate(found.earlier):
        assert (found.latest[:count] < first[number]).all()
        assert (found.latest[count:] >= first[number]).all()


def test_far_beyond_all_tests_intervals_go_on_widening_until_nothing_is_known(tmp_path):
    releases([str(np.datetime64("2022-01-10") + 70 * place) for place in range(12)]).to_csv(tmp_path / "table.csv")
    found = forecast(read_points(tmp_path / "table.csv"), [{"date": year} for year in ("2026", "2030", "2045", "2099")])
    width = (found.forecasts["upper"] - found.forecasts["lower"]).groupby(found.forecasts["model"]).min()
    assert (width.diff().dropna() > 0).all() or width.iloc[-1] > 0.99
    assert width.iloc[-1] > 0.95
    assert (found.forecasts.loc[found.forecasts["model"] == "2099", "headline"] == "not forecastable").all()


def test_dates_and_their_margins():
    cells = pd.Series(["2024", "2024-05", "May 2024", "2024-05-01", "1 May 2024", None, "2024.0"], name="date")
    assert day_margins(cells).tolist() == [182.0, 15.0, 15.0, 0.0, 0.0, 0.0, 182.0]
    assert iso_days(cells)[0].tolist()[:4] == ["2024-07-02", "2024-05-16", "2024-05-16", "2024-05-01"]


def test_revealed_scores_are_given_and_the_others_alone_stand(command):
    table = releases()
    blind, *_ = command(table, *SINCE)
    found, summary, said = command(table, *SINCE, "--reveal", "2", "--seed", "3")
    counts = table[table["date"] >= "2024-10-01"].groupby("model").size()
    assert found.groupby("model").size().to_dict() == (counts - 2)[counts > 2].to_dict()
    assert summary["n"] == len(found)
    assert "given: 2 scores of each model, drawn by seed 3" in said
    pairs = ["model", "task"]
    both = found.merge(blind, on=pairs, suffixes=("", "_blind"))
    assert len(both) == len(found)
    assert not np.allclose(both["predicted"], both["predicted_blind"])
    again, *_ = command(table, *SINCE, "--reveal", "2", "--seed", "4")
    assert set(map(tuple, found[pairs].to_numpy())) != set(map(tuple, again[pairs].to_numpy()))


def test_a_model_of_no_more_than_the_revealed_scores_is_left_out(command):
    table = releases()
    few = table[(table["model"] != "model 5") | (table["task"] < "t02")]
    found, _, said = command(few, *SINCE, "--reveal", "2")
    assert "model 5" not in set(found["model"])
    assert "left out model 5: 2 scores or fewer" in said
    with pytest.raises(TasklawsError, match="no wanted model has more than 9 scores of tasks that earlier ones have"):
        backtest(read_from(table), rolling=1, axis="date", reveal=9)


def read_from(table):
    points = table.rename(columns={"suite": "ladder", "score": "value"}).assign(metric="score", is_final=True)
    return points.assign(
        **dict.fromkeys(["n_params", "n_tokens", "train_flops", "step", "stderr", "n_items", "chance"], np.nan)
    )


REFUSED = {
    "since of no date": ({"rolling": 1, "since": "soon"}, "since: date is 'soon': give a date"),
    "since of nothing later": (
        {"rolling": 1, "since": "2030"},
        "no model with min-rungs earlier ones is of 2030 or later",
    ),
    "since and size": ({"rolling": 1, "since": "2024", "axis": "size"}, "since goes with rolling and the axis date"),
    "since and fit": ({"fit": "a", "holdout": "b", "since": "2024"}, "since goes with rolling"),
    "no tokens": ({"rolling": 1, "axis": "n_tokens"}, "no row has n_tokens above 0"),
    "no loss": ({"rolling": 1, "axis": "loss"}, "the table has no column loss"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_asked_is_refused(case):
    options, reason = REFUSED[case]
    with pytest.raises(TasklawsError, match=reason):
        backtest(read_from(releases()), **options)


def test_checkpoints_are_spaced_evenly_in_their_logarithm():
    places = 1000.0 * np.arange(1, 201)
    kept = spaced(places)
    assert len(kept) <= MOST_CHECKPOINTS
    assert kept[0] == 1000
    assert kept[-1] == 200_000
    late = kept[kept > 10_000]
    assert max(later / earlier for earlier, later in pairwise(late)) < 1.5
    assert (spaced(places[:9]) == places[:9]).all()


def test_checkpoints_have_names_of_their_own():
    assert checkpoint_name("n_tokens", 2.1e9) == "2.1B tokens"
    assert checkpoint_name("n_tokens", 2097152) == "2.097152M tokens"
    assert checkpoint_name("step", 143000) == "step 143000"


def test_verdicts_speak_of_the_axis():
    known = panel([[0.1, 0.1, 0.1, 0.7, 0.7, 0.7]], losses=False)
    on_steps = replace(known, axis="step", place=1000.0 * 2 ** np.arange(6))
    [found] = panel_verdicts(on_steps, np.array([0.01]))
    assert "one step between steps 4e+03 and 8e+03" in found.evidence


def test_checkpoints_of_one_run_are_never_taken_for_many_families():
    """However far they scatter: of noisy checkpoints a curve in tokens says more than who made them."""
    rng = np.random.default_rng(0)
    rows = [
        {"ladder": "runs", "model": "a", "n_params": 1e8, "n_tokens": 1e9 * 1.5**k, "step": 1000.0 * k + 1000}
        | {"task": f"t{t}", "metric": "acc", "value": float(rng.uniform(0.2, 0.5)), "is_final": k == 13}
        for k in range(14)
        for t in range(3)
    ]
    table = pd.DataFrame(rows).assign(train_flops=np.nan, stderr=np.nan, n_items=500.0, chance=0.0)
    found = backtest(table, rolling=1, min_rungs=12, axis="n_tokens")
    assert "compute_logit" in set(found.methods["method"])
    assert "skills" not in set(found.methods["method"])
