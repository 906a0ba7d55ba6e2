"""What may be said of planned models, and what is said of what has no part; odd names; the order of tasks."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from made_up import SIZES, draw, rises, table

from tasklaws import cli
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast import combine
from tasklaws.forecast.ahead.figures import figures
from tasklaws.forecast.ahead.planned import read_at
from tasklaws.forecast.ahead.verb import forecast
from tasklaws.forecast.backtest import backtest
from tasklaws.forecast.combine import History
from tasklaws.forecast.designs import actions
from tasklaws.forecast.designs.design import design
from tasklaws.forecast.designs.pilot import parse_sizes
from tasklaws.forecast.given import ask_first, given_scores
from tasklaws.forecast.panel import build_panels
from tasklaws.report.ahead import ahead_page
from tasklaws.tabular.points import read_points

NEXT = {"n_params": 7e9, "n_tokens": 1.4e11}
NOTHING = dict.fromkeys(["n_params", "n_tokens", "train_flops"], np.nan)


def ladder(n_tasks=3, sizes=SIZES, seed=0, **columns):
    rng = np.random.default_rng(seed)
    return table(draw(rng, rises(rng, n_tasks, sizes), 500), sizes, chance=0.0, losses=False).assign(**columns)


def dated(points, start="2022-01-15"):
    """The table with dates two months apart."""
    days = np.datetime64(start) + 60 * np.arange(points["model"].nunique())
    return points.assign(date=days.astype(str)[points["model"].str[1:].astype(int)])


@pytest.fixture(scope="module")
def points():
    return ladder()


@pytest.fixture(scope="module")
def releases():
    """Models of three makers, by date alone."""
    found = dated(ladder(2, np.geomspace(1e8, 1e10, 12))).assign(**NOTHING)
    return found.assign(maker=np.array(["OpenAI", "Google", "Meta"])[found["model"].str[1:].astype(int) % 3])


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command on a table; what it printed on stdout and stderr."""

    def run(name, points, *options, status=0):
        points.to_csv(tmp_path / "table.csv", index=False)
        monkeypatch.setattr(sys, "argv", ["tasklaws", name, str(tmp_path / "table.csv"), *options])
        if status:
            with pytest.raises(SystemExit):
                cli.main()
        else:
            cli.main()
        return capsys.readouterr()

    return run


def with_planned(points, **known):
    row = points.iloc[[0]].assign(model="next", **NOTHING, value=np.nan).assign(**known)
    return pd.concat([points, row], ignore_index=True)


# Makers


def test_a_maker_is_told_by_key_column_and_row(releases, tmp_path):
    one = forecast(releases, read_at(["date=2024-06,maker=openai"])).forecasts
    assert set(one["model"]) == {"2024-06, openai"}
    (tmp_path / "planned.csv").write_text("date,group\n2024-06,OpenAI\n")
    other = forecast(releases, read_at([str(tmp_path / "planned.csv")])).forecasts
    pd.testing.assert_frame_equal(one.drop(columns="model"), other.drop(columns="model"))
    releases.to_csv(tmp_path / "table.csv", index=False)
    with_planned(releases, date="2024-06", maker="OpenAI").to_csv(tmp_path / "table.csv", index=False)
    third = forecast(read_points(tmp_path / "table.csv", planned=True)).forecasts
    assert third["predicted"].to_numpy() == pytest.approx(one["predicted"].to_numpy(), abs=0.01)  # another name
    google = forecast(releases, read_at(["date=2024-06,maker=Google"])).forecasts
    assert not google["predicted"].equals(one["predicted"])


def test_two_makers_of_one_month_are_two_models(releases):
    found = forecast(releases, read_at(["date=2024-06,maker=OpenAI", "date=2024-06,maker=Google"]))
    assert set(found.forecasts["model"]) == {"2024-06, OpenAI", "2024-06, Google"}


def test_a_maker_of_no_known_model_is_said(releases):
    found = forecast(releases, {"date": "2024-06", "maker": "OpenIA"})
    assert "maker 'OpenIA' of '2024-06, OpenIA' counts as a new one: known are Google, Meta, OpenAI" in found.notes


def test_the_column_of_the_table_is_the_makers(releases):
    grouped = releases.rename(columns={"maker": "group"})
    at = {"date": "2024-06", "maker": "Meta"}
    pd.testing.assert_frame_equal(forecast(grouped, at).forecasts, forecast(releases, at).forecasts)


# What does not count

TABLES = {
    "all sizes": lambda: ladder(),
    "parameters alone": lambda: ladder(n_tokens=np.nan, train_flops=np.nan),
    "compute alone": lambda: ladder(n_tokens=np.nan, n_params=np.nan),
    "dates and sizes": lambda: dated(ladder()),
    "dates alone": lambda: dated(ladder()).assign(**NOTHING),
    "many by date": lambda: dated(ladder(2, np.geomspace(1e8, 1e10, 12))).assign(**NOTHING),
    "many by date with sizes": lambda: dated(ladder(2, np.geomspace(1e8, 1e10, 12))),
}
GIVEN = {"n_params": (1.2e10, 1.5e10), "n_tokens": (2.4e11, 3.1e11), "date": ("2024-12-01", "2025-09-01")}
GIVEN |= {"maker": ("A", "B")}


QUICK = ("parameters alone", "dates alone", "many by date")
HEAVY = [
    pytest.param(name, axis, marks=(pytest.mark.slow, pytest.mark.heavy))
    for name in TABLES
    for axis in (None, "date")
    if (axis is None and name not in QUICK) or (axis and "date" in name)
]


@pytest.mark.parametrize(("name", "axis"), [*((name, None) for name in QUICK), *HEAVY])
def test_what_is_given_counts_or_is_said_not_to(name, axis):
    """A line stands exactly where another value would change nothing."""
    points = TABLES[name]()
    at = {"model": "next", **{key: first for key, (first, _) in GIVEN.items()}}
    found = forecast(points, at, axis=axis)
    for key, (_, second) in GIVEN.items():
        other = forecast(points, at | {key: second}, axis=axis)
        interval = ["predicted", "lower", "upper", "expected_error_points"]
        same = other.forecasts[interval].equals(found.forecasts[interval])
        assert same == any(line.startswith(f"{key} of next does not count: ") for line in found.notes), key


def test_sizes_of_a_later_checkpoint_do_not_count(runs):
    found = forecast(runs, {"step": 2048e3, "n_params": 7e9, "ladder": "a"}, axis="step")
    assert set(found.forecasts["n_params"]) == {1e8}
    assert any(re.match(r"n_params of .* does not count: a later checkpoint .* the size", line) for line in found.notes)


# Compute that contradicts sizes


def test_compute_that_contradicts_the_sizes_is_refused(points, command):
    for flops, times in ((1e20, 0.017), (1e23, 17)):
        with pytest.raises(TasklawsError, match=rf"at\[0\]: train_flops is {times}\d* times 6 n_params n_tokens"):
            forecast(points, {**NEXT, "train_flops": flops})
    assert len(forecast(points, {**NEXT, "train_flops": 5e21}).forecasts) == 3
    said = command("forecast", with_planned(points, **NEXT, train_flops=1e20), status=1).err
    assert re.search(r"error: \S*/table\.csv:20: train_flops is 0\.017 times", said)


def test_a_mixture_of_experts_is_as_its_sisters_are(points):
    experts = points.assign(train_flops=points["train_flops"] / 8)
    found = forecast(experts, {**NEXT, "train_flops": 6 * 7e9 * 1.4e11 / 8})
    assert set(found.forecasts["train_flops"]) == {6 * 7e9 * 1.4e11 / 8}


def test_tokens_follow_from_compute_as_in_a_table(points, command):
    at = forecast(points, read_at(["model=next,N=7B,C=5.88e21"]))
    row = json.loads(command("forecast", with_planned(points, n_params=7e9, train_flops=5.88e21), "--json").out)
    assert at.to_dict()["forecasts"] == row["forecasts"]


# Planned rows elsewhere


@pytest.fixture
def short_designs(monkeypatch):
    """Less work where only the form of an answer counts."""
    monkeypatch.setattr("tasklaws.forecast.designs.design._DRAWS", 2)
    monkeypatch.setattr(actions, "_BETWEEN", 0)
    monkeypatch.setattr(actions, "_ABOVE", 1)
    monkeypatch.setattr(actions, "_SEEDS", 1)


def test_backtests_designs_and_decisions_leave_planned_models_out(points, command, short_designs):
    both = with_planned(points, **NEXT)
    plain, left = (command("backtest", one, "--rolling", "1", "--json") for one in (points, both))
    said, noted = json.loads(plain.out), json.loads(left.out)
    assert "left out next: planned, as no row has a value" in noted.pop("notes")
    assert noted == {name: value for name, value in said.items() if name != "notes"}
    few = ["--target", "N=7B,D=140B", "--tasks", "t00", "--json"]
    said = [json.loads(command("design", one[one["model"] != "m01"], *few).out) for one in (points, both)]
    assert said[0]["actions"] == said[1]["actions"]
    recipes = pd.concat([both, ladder(seed=1).assign(ladder="other")])
    assert "planned, as no row has a value: next" in command("decide", recipes).out


def test_a_value_that_is_missing_elsewhere_is_refused_as_before(points, command):
    one = points.assign(value=points["value"].mask(points.index == 4))
    assert "table.csv:6: value is empty: a result needs one" in command("backtest", one, "--rolling", "1", status=1).err


# Targets of designs


def test_a_target_is_written_as_planned_models_are():
    assert parse_sizes("N=7B, tokens=1.4T") == {"n_params": 7e9, "n_tokens": 1.4e12}
    for text, said in (("N=7B,params=8B", "n_params stands twice"), ("N=", "'N=': give n_params"), ("N", "'N': give")):
        with pytest.raises(TasklawsError, match=re.escape(said)):
            parse_sizes(text)
    with pytest.raises(TasklawsError, match=r"the target: n_params is 'big': give a number"):
        design(ladder(), {"n_params": "big", "n_tokens": 1e12})


def test_a_design_may_be_of_some_tasks(points, short_designs):
    found = design(points[points["model"] != "m01"], {"n_params": "7B", "n_tokens": "140B"}, tasks=["t01"])
    assert set(found.tasks["task"]) == {"t01"}


# Lines of files


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({}, "n_params is empty: a planned model needs"),
        ({"n_params": 7e9, "loss": 150.0}, "loss is 150.0: a validation loss lies"),
    ],
)
def test_a_planned_row_that_cannot_be_is_named_with_its_file_and_line(points, command, known, reason):
    said = command("forecast", with_planned(points, **known), status=1).err
    assert re.search(rf"error: \S*/table\.csv:20: {re.escape(reason)}", said)
    with pytest.raises(TasklawsError, match=f"planned model 'next': {re.escape(reason)}"):
        forecast(with_planned(points, **known))


# Checkpoints by name


@pytest.fixture(scope="module")
def runs():
    step = 1000 * 2 ** np.arange(10)
    rows = [
        {"ladder": "runs", "model": model, "n_params": 1e8, "n_tokens": 1e6 * at, "train_flops": 6e14 * at, "step": at}
        | {"is_final": at == step[-1], "task": "t", "metric": "acc", "n_items": 2000.0, "stderr": np.nan, "chance": 0.0}
        | {"value": np.round(2000 / (1 + np.exp(2.5 - slope * k))) / 2000}
        for model, slope in (("a", 0.35), ("b", 0.45))
        for k, at in enumerate(step)
    ]
    return pd.DataFrame(rows)


def test_a_run_that_is_asked_for_by_its_name_is_told_how(runs, command):
    said = command("forecast", runs, "--axis", "step", "--at", "step=2048000,model=a", status=1).err
    advice = re.search(r"write (ladder=\w+) instead of model=a", said)
    assert advice is not None
    told = command("forecast", runs, "--axis", "step", "--at", f"step=2048000,{advice[1]}", "--json")
    assert {row["ladder"] for row in json.loads(told.out)["forecasts"]} == {"a"}


def test_a_checkpoint_that_is_known_is_not_planned(runs):
    with pytest.raises(TasklawsError, match="'step 32000' of a is in the table already"):
        forecast(runs, {"step": 32000.0})


# Which tasks to ask first


@pytest.mark.parametrize("kind", ["curves", "crowd"])
def test_the_tasks_to_ask_first_are_named(points, releases, kind, command):
    table_of, at = (points, "N=7B,D=140B") if kind == "curves" else (releases, "date=2024-06")
    said = command("forecast", table_of, "--at", at, "--json")
    asked = json.loads(said.out)["ask_first"]
    assert [row["rank"] for row in asked] == list(range(1, len(asked) + 1))
    assert len({row["task"] for row in asked}) == len(asked) == min(3, table_of["task"].nunique())
    assert all(0 <= row["width_left"] < 1 for row in asked)
    names = ", ".join(row["task"] for row in asked)
    assert f"\nAsk first: {names}" in command("forecast", table_of, "--at", at).out


def test_what_is_left_of_the_width_is_what_given_scores_leave(points):
    """Of the blind forecast and of that in which the first named task has its own mean as score."""
    history = History(build_panels(pd.concat([points, *_planned_tasks(points)]), ["acc"])[0])
    said = combine.combined_forecast(history, 6, 6).predictive(history.panel.link)
    none = np.full(3, np.nan)
    first = ask_first(history, 6, 6, said, none).iloc[0]
    row = [task for task, _ in history.panel.tasks].index(first["task"])
    mean, sd = said.moments
    shown = none.copy()
    shown[row] = history.panel.link.inverse(mean)[row]
    left = np.delete(given_scores(history, 6, 6, said, shown).moments[1] / sd, row)
    assert first["width_left"] == pytest.approx(left.mean(), rel=1e-3)


def _planned_tasks(points):
    row = points[points["model"] == "m05"].assign(model="next", value=np.nan, **NEXT, train_flops=6 * 7e9 * 1.4e11)
    yield row


def test_given_tasks_are_not_asked_again_and_one_task_needs_no_choice(points):
    given = pd.DataFrame({"task": ["t00"], "value": [0.5]})
    assert set(forecast(points, NEXT, given=given).ask_first["task"]) == {"t01", "t02"}
    assert forecast(points, NEXT, tasks=["t00"]).ask_first.empty
    assert "Ask first" not in forecast(points, NEXT, tasks=["t00"]).summary()


# Once


@pytest.mark.parametrize("kind", ["curves", "crowd"])
def test_no_forecast_is_made_twice(points, releases, kind, monkeypatch):
    made = []
    real = combine._calibrated
    monkeypatch.setattr(combine, "_calibrated", lambda *asked: made.append((id(asked[0]), *asked[1:])) or real(*asked))
    forecast(*((points, NEXT) if kind == "curves" else (releases, {"date": "2024-06"})))
    assert len(made) == len(set(made)) > 0


# Names that a terminal, a page or a figure would obey

ODD = {"t00": "red \x1b[31m|$x_1$", "t01": "turned\u202e", "t02": "two\nlines"}


def test_odd_names_are_shown_as_codes_everywhere(points, tmp_path, command):
    odd = points.assign(task=points["task"].map(ODD), model=points["model"] + "\x07$", ladder="a\x9b$b")
    found = forecast(
        odd, {**NEXT, "model": "next\x1b\u202d$"}, given=pd.DataFrame({"task": ["two\nlines"], "value": [0.5]})
    )
    svgs = {}
    for name, figure in figures(found).items():
        figure.savefig(tmp_path / f"{name}.svg")
        svgs[name] = (tmp_path / f"{name}.svg").read_text()
    for text in (found.summary(), ahead_page(found, svgs)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
        assert r"red \x1b[31m" in text
        assert r"turned\u202e" in text
        assert r"next\x1b\u202d$" in text
    assert r"| red \x1b[31m\|$x_1$ |" in found.summary()
    assert len([line for line in found.summary().splitlines() if line.startswith("|")]) == 4
    told = command("backtest", odd.assign(n_items=np.nan), "--rolling", "1", "--out", str(tmp_path / "out"))
    assert r"(3 tasks: red \x1b[31m|$x_1$, turned\u202e, two\nlines)" in told.out
    assert "\x1b" not in told.out + told.err


def test_a_dollar_is_a_dollar_in_figures(points):
    odd = points.assign(task=points["task"] + " $x$", metric="acc $y$")
    for name, figure in figures(forecast(odd, {**NEXT, "model": "$z$"})).items():
        (axes,) = figure.axes
        texts = [axes.title, axes.yaxis.label, *axes.get_yticklabels()]
        dollars = [text.get_text() for text in texts if "$" in text.get_text()]
        assert dollars, name
        assert all(re.search(r"(?<!\\)\$", text) is None for text in dollars)


# Order


def test_task2_stands_before_task10_wherever_people_look(points, tmp_path, command):
    names = {"t00": "task10", "t01": "task2", "t02": "task1"}
    wanted = ["task1", "task2", "task10"]
    numbered = points.assign(task=points["task"].map(names))
    found = forecast(numbered, [NEXT | {"model": "m10"}, NEXT | {"model": "m9"}])
    assert list(dict.fromkeys(found.forecasts["task"])) == wanted
    said = found.summary()
    assert said.index("m9: ") < said.index("m10: ")
    assert re.findall(r"^\| (task\d+)", said, re.MULTILINE) == 2 * wanted
    page = ahead_page(found, {})
    assert re.findall(r'<td class="pair">(task\d+)', page) == 4 * wanted
    curves = [figure.axes[0].get_title(loc="left") for name, figure in figures(found).items() if "curve" in name]
    assert [title or figure for title, figure in zip(curves, wanted, strict=True)] == wanted
    command("backtest", numbered, "--rolling", "1", "--min-rungs", "5", "--out", str(tmp_path / "out"))
    written = pd.read_csv(tmp_path / "out/forecasts.csv")
    assert list(written["task"]) == wanted
    assert list(backtest(numbered, rolling=1, min_rungs=5).forecasts["task"]) == wanted
    with pytest.raises(TasklawsError, match="it has task1, task2, task10"):
        forecast(numbered, NEXT, tasks=["task3"])
