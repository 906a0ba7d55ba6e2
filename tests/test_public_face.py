"""`import tasklaws as tl`: the verbs, and what their results can do."""

import ast
import dataclasses
import doctest
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import tasklaws as tl
from shared_data import ROOT
from tasklaws.core.result import Result
from tasklaws.verbs import VERB_MODULES

VERBS = [
    "backtest",
    "check",
    "claim",
    "compare",
    "decision_accuracy",
    "design",
    "effective_number",
    "fit",
    "forecast",
    "isoflop",
]
VERBS += ["plan", "predict_items", "read_points", "signal_to_noise", "solve_rates"]
HEAVY = ["torch", "lm_eval", "mlflow", "matplotlib", "scipy", "pandas"]


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, tasklaws, tasklaws.cli; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_name_is_there_and_typed() -> None:
    stub = ast.parse((ROOT / "src/tasklaws/__init__.pyi").read_text())
    typed = {
        alias.name: str(node.module) for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert typed == {name: f"tasklaws.{module}" for name, module in VERB_MODULES.items()}
    assert set(VERBS) < set(dir(tl))
    for name in tl.__all__:
        assert getattr(tl, name).__module__.startswith("tasklaws.")
    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        _ = tl.fits


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_what_it_takes_and_its_example_runs(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    module: ModuleType = importlib.import_module(f"tasklaws.{VERB_MODULES[verb]}")
    function = getattr(module, verb)  # tl.forecast itself is the package of that name, which can be called
    assert callable(getattr(tl, verb))
    assert "TasklawsError" in function.__doc__
    [test] = doctest.DocTestFinder(recurse=False).find(function, verb, module, globs=vars(module).copy())
    assert test.examples, "no example"
    told: list[str] = []
    doctest.DocTestRunner().run(test, out=told.append)
    assert not told, "".join(told)


def loss_table() -> pd.DataFrame:
    sizes, tokens = (part.ravel() for part in np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 4)))
    loss = 1.8 + 480 * sizes**-0.35 + 2e3 * tokens**-0.37
    return pd.DataFrame({"n_params": sizes, "n_tokens": tokens, "metric": "loss", "value": loss})


def ladder() -> pd.DataFrame:
    sizes = np.geomspace(1e6, 1e9, 7)
    return pd.DataFrame(
        {
            "ladder": "made",
            "model": [f"m{place}" for place in range(7)],
            "n_params": sizes,
            "n_tokens": 20 * sizes,
            "train_flops": 120 * sizes**2,
            "step": np.nan,
            "is_final": True,
            "task": "sums",
            "metric": "acc",
            "value": 1 / (1 + 30 * (sizes / 1e6) ** -0.8),
            "stderr": np.nan,
            "n_items": 500.0,
            "chance": 0.0,
        }
    )


def item_scores() -> pd.DataFrame:
    cells = np.ndindex(6, 2, 15)
    rows = [(f"m{m}", s, 10.0**m, f"t{t:02}", float(m + s / 2 > t / 3)) for m, s, t in cells]
    return pd.DataFrame(rows, columns=["model", "seed", "n_params", "task", "score"])


def attempts() -> pd.DataFrame:
    rows = [(f"p{p}", item, 10.0 + p, 60.0, p % 2, float(p % 2), "yes") for p in range(6) for item in ("a", "b")]
    return pd.DataFrame(rows, columns=["person", "item", "seconds", "timeout", "solved", "score", "group_python"])


def recipes() -> pd.DataFrame:
    rows = [
        (recipe, f"{recipe}-{size:g}", size, step, step == 2, loss / size**0.1 + step / 1e3)
        for recipe, loss in (("x", 8.0), ("y", 9.0), ("z", 10.0))
        for size in (1e6, 1e8)
        for step in (1, 2)
    ]
    table = pd.DataFrame(rows, columns=["recipe", "model", "n_params", "step", "is_final", "value"])
    return table.assign(task="t", metric="ce")


def outcome() -> pd.DataFrame:
    return ladder().tail(1).assign(model="next", n_params=7e9, n_tokens=1.4e11, value=0.95)


RESULTS: dict[str, Callable[[], Result]] = {
    "fit": lambda: tl.fit(loss_table(), "chinchilla", replicates=10),
    "isoflop": lambda: tl.isoflop(loss_table(), replicates=10),
    "plan": lambda: tl.plan(tl.fit(loss_table(), "chinchilla", replicates=10), flops=1e21),
    "backtest": lambda: tl.backtest(ladder(), rolling=1, min_rungs=6),
    "design": lambda: tl.design(ladder().tail(3), {"n_params": 1e10, "n_tokens": 2e11}),
    "forecast": lambda: tl.forecast(ladder(), {"n_params": 7e9, "n_tokens": 1.4e11}, exceeds=0.5),
    "claim": lambda: tl.claim(ladder(), {"model": "next", "n_params": 7e9, "n_tokens": 1.4e11}, files=[]),
    "check": lambda: tl.check(RESULTS["claim"](), outcome()),
    "predict_items": lambda: tl.predict_items(item_scores().query("seed == 0").drop(columns="seed"), last=2),
    "effective_number": lambda: tl.effective_number(item_scores()),
    "solve_rates": lambda: tl.solve_rates(attempts()),
    "compare two": lambda: tl.compare(item_scores().query("seed == 0"), ("m0", "m1")),
    "compare all": lambda: tl.compare(item_scores().query("seed == 0")),
    "decision_accuracy": lambda: tl.decision_accuracy(recipes()),
    "signal_to_noise": lambda: tl.signal_to_noise(recipes()),
}


@pytest.mark.parametrize("verb", RESULTS)
def test_a_result_shows_itself_and_is_frozen(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasklaws.forecast.designs.design._DRAWS", 2)  # less work: the form of the answer counts
    found = RESULTS[verb]()
    assert repr(found) == found.summary()
    assert found._repr_html_().startswith("<pre>")
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))
    axes = found.plot()
    assert found.plot(axes) is axes
    assert axes.get_xlabel()
    plt.close("all")
    assert dataclasses.is_dataclass(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(found, dataclasses.fields(found)[0].name, 1)


def test_a_plan_has_the_intervals_of_its_fit() -> None:
    noisy = loss_table().assign(value=lambda rows: rows["value"] * np.exp(0.01 * np.sin(np.arange(len(rows)) * 7)))
    found = tl.plan(tl.fit(noisy, "chinchilla", replicates=30), flops=1e21)
    low, high = found.interval["n_params"]
    assert low < found.n_params < high
    assert found.n_params * found.n_tokens * 6 == pytest.approx(1e21)
    assert "90%" in found.summary()


def test_the_number_of_a_shared_skill_is_near_one_and_that_of_none_near_n() -> None:
    rng = np.random.default_rng(3)
    keys = pd.DataFrame(list(np.ndindex(8, 6, 12)), columns=["model", "seed", "item"])
    one = tl.effective_number(keys.assign(score=(rng.random((8, 6)) < 0.5)[keys["model"], keys["seed"]]))
    none = tl.effective_number(keys.assign(score=rng.random(len(keys)) < 0.5))
    assert one.value == pytest.approx(1)
    assert none.low <= 12
    assert none.value > 6
    assert "between seeds" in one.summary()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tl.fit(loss_table(), "powr"), "unknown law 'powr'"),
        (lambda: tl.fit(loss_table(), "chinchilla", task="sums"), "no task 'sums': choose one of none"),
        (lambda: tl.fit(loss_table(), "chinchilla", level=90), "the level of the intervals is 90"),
        (lambda: tl.plan(tl.Surface(1.8, 480, 2000, 0.35, 0.37)), "give either flops"),
        (lambda: tl.plan({"E": 1.8}, flops=1e21), "the law is a dict: give a chinchilla fit"),
        (lambda: tl.backtest(ladder()), "give either fit and holdout, or rolling"),
        (lambda: tl.backtest(ladder(), rolling=0), "rolling is 0"),
        (lambda: tl.backtest(ladder(), rolling=1, since="2025-01-01"), "has no date: give one of all"),
        (lambda: tl.backtest(ladder(), rolling=1, reveal=-1), "reveal is -1: give 0 or more"),
        (lambda: tl.backtest(ladder(), rolling=1, axis="time"), "axis 'time': give size, n_tokens, step, date, loss"),
        (lambda: tl.forecast(ladder()), "nothing is planned: give at"),
        (lambda: tl.forecast(ladder(), {"size": 7e9}), "a planned model has 'size': give model, ladder, n_params"),
        (
            lambda: tl.predict_items(item_scores().rename(columns={"n_params": "n_param"})),
            "column 'n_param' is close to 'n_params': rename it",
        ),
        (lambda: tl.predict_items(item_scores().drop(columns="seed").assign(score=2.0)), "scores:0: score is 2"),
        (lambda: tl.effective_number(item_scores(), score="acc"), "no column 'acc'"),
        (lambda: tl.effective_number(item_scores().assign(score=1.0)), "nothing tells how items hang together"),
        (lambda: tl.solve_rates(attempts(), level=90), "the level of the intervals is 90"),
        (lambda: tl.solve_rates(attempts().drop(columns="solved")), "no column 'solved'"),
        (lambda: tl.solve_rates(attempts().assign(seconds=70.0)), "attempts: row 0: seconds is 70"),
        (
            lambda: tl.solve_rates(attempts().assign(seconds="fast")),
            "attempts: row 0: seconds is 'fast': give a number",
        ),
        (lambda: tl.solve_rates(attempts()[:0]), "attempts: no rows"),
        (lambda: tl.fit("points.csv", "power"), "the observations are a str: give a table"),
        (lambda: tl.predict_items("scores.csv"), "the scores are a str: give a table"),
        (lambda: tl.backtest(item_scores(), rolling=1), "the table has no column 'ladder': read_points"),
        (lambda: tl.read_points("."), ". is a directory: give a table"),
        (lambda: tl.read_points("nowhere.csv"), "nowhere.csv does not exist: give the right path"),
    ],
)
def test_what_cannot_be_is_one_line(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(tl.TasklawsError) as refusal:
        call()
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_models_and_items_may_go_by_numbers_and_times_be_text() -> None:
    scores = item_scores().query("seed == 0").drop(columns="seed")
    numbered = scores.assign(model=scores["n_params"].astype(int), task=scores["task"].factorize()[0])
    assert "log loss" in tl.predict_items(numbered, 1).summary()
    told = attempts()
    assert tl.solve_rates(told.assign(seconds=told["seconds"].astype(str))).to_dict() == tl.solve_rates(told).to_dict()
