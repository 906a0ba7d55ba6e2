"""The section on the overlap experiment: there where it was run, and refusing what it cannot read."""

import re
from dataclasses import replace

import pandas as pd
import pytest
import yaml

import tiny
from tasklaws.compose import compose
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_json
from tasklaws.core.settings import Settings
from tasklaws.experiments.overlap_forecasts import forecast_sets
from tasklaws.overlap.set_summary import Theory, summary_table
from tasklaws.report import overlap
from tasklaws.report.template import template
from tasklaws.tables import SET_CURVES, SET_FORECASTS, SET_SUMMARY, ZIPF_EXPONENTS, ZIPF_RUNS

SLOPE = {"slope": -0.4, "low": -0.6, "high": -0.2}
FACTS = {
    "n_questions": 10,
    "n_questions_left_out": 1,
    "crossing": {"share_never": 0.1, "n_eff": 8.9, "low": 6.0, "high": 12.0},
    "slopes": {"mae": SLOPE, "rmse": SLOPE, "spread": SLOPE},
    "theory": {"step": 0.1, "rise": 0.1},
}


def settings(ladders: tuple[str, ...]) -> Settings:
    models = replace(tiny.SETTINGS.models, name="small")
    params = yaml.safe_load(compose(["experiment=overlap"], tiny.ROOT / "conf"))
    experiment = replace(Settings.of(params).experiment, ladders=ladders)
    return replace(tiny.SETTINGS, models=models, experiment=experiment)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "results" / "small" / "overlap"
    summary = pd.DataFrame(0.5, index=range(2), columns=SET_SUMMARY.columns)
    summary = summary.assign(overlap=[0.0, 1.0], n_eff=[50.0, 1.0], discontinuous=[0.25, 1.0])
    SET_SUMMARY.write(folder / "summary.csv", summary)
    write_json(folder / "summary.json", FACTS)
    forecasts = pd.DataFrame(0.5, index=range(2), columns=SET_FORECASTS.columns)
    SET_FORECASTS.write(folder / "forecasts.csv", forecasts.assign(n_fit=[3, 4], rung="r", repeat_last=[0.7, 0.5]))
    law = pd.DataFrame([[1.5, 0.33, 0.3, 0.2, 0.4, 0.0, "converged"]], columns=ZIPF_EXPONENTS.columns)
    ZIPF_EXPONENTS.write(folder / "zipf.csv", law)
    runs = pd.DataFrame([[1.5, n, 0, 100, 1e3 / n] for n in (1000, 2000)], columns=ZIPF_RUNS.columns)
    ZIPF_RUNS.write(folder / "zipf_runs.csv", runs)
    return tmp_path


def said(experiment: overlap.OverlapResults) -> str:
    page = template("overlap.html.jinja").render(
        experiment=experiment, ladder="made_up", panel=str, tag=str, traced=str
    )
    return " ".join(page.split())


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        (
            [0.05, 0.04, 0.03, 0.02],
            r"better than .* at every overlap from 0 to 1: by 5.0 points \(4.0",
        ),
        ([0.0, -0.01, 0.0, -0.02], "at no overlap better"),
        (
            [0.05, 0.03, -0.03, -0.05],
            r"from overlap 0.3 on \(n_eff 5 and below: .*; its gain has a zero at n_eff 8.9",
        ),
        ([0.05, -0.03, 0.05, -0.05], r"from overlap 0.1 on .*\(at 0.3 it is again\)"),
        ([-0.05, 0.03, 0.05, 0.05], r"at overlap 0 already .*\(at 0.1, 0.3, 1 it is again\)"),
    ],
)
def test_the_sentence_follows_from_the_gains(root, gains, words):
    gain = pd.Series(gains)
    rows = pd.DataFrame(0.5, index=range(4), columns=SET_SUMMARY.columns)
    rows = rows.assign(overlap=[0, 0.1, 0.3, 1.0], n_eff=[50.0, 16.0, 5.0, 1.0], advantage=gain)
    rows = rows.assign(advantage_low=gain - 0.01, advantage_high=gain + 0.01)
    SET_SUMMARY.write(root / "results/small/overlap/summary.csv", rows)
    found = overlap.load_experiment(root, settings(("small",)))
    assert found is not None
    assert re.search(words, said(found))


def test_without_an_experiment_there_is_nothing_to_show(root):
    assert overlap.load_experiment(root, settings(())) is None
    assert overlap.experiment_figures(None) == {}


def test_figures_rows_and_sentences_come_from_the_tables(root):
    found = overlap.load_experiment(root, settings(("small",)))
    assert found is not None
    assert found.gains.tolist() == pytest.approx([0.2, 0.0])
    names = ("forecast", "theory", "coverage", "zipf")
    assert set(overlap.experiment_figures(found)) == {f"overlap-{name}" for name in names}
    assert found.summary["n_eff"].tolist() == [1.0, 50.0]
    text = said(found)
    assert "discontinuous 25%," in text
    assert "it is better at 1 of the 2 rungs forecast" in text
    assert "goes as n_eff^-0.40 (-0.60 to -0.20), compatible with the -1/2 of independent thresholds" in text
    assert "the prediction lies in 1 of 1 90% intervals, and it rises with the Zipf exponent" in text
    assert found.exponents["exponent"].tolist() == [0.3]


def test_a_ladder_that_solves_no_set_is_shown_too(root):
    """Its curves do not rise: there is no index, and every error is 0."""
    rungs = [[f"r{rung}", 1000.0 * 2**rung, 1e6, 6e9 * 2**rung] for rung in range(5)]
    pairs = [(overlap, number) for overlap in (0.0, 1.0) for number in (0, 1)]
    rows = [[*pair, *rung, 50, 0, 50 - 49 * pair[0], 0.0, 3.0] for pair in pairs for rung in rungs]
    curves = SET_CURVES.frame(rows)
    seen = pd.Series(float("nan"), index=pd.MultiIndex.from_tuples(pairs))
    made = summary_table(curves, forecast_sets(curves, 3, 1), seen, Theory.of(curves, 3), 0)
    SET_SUMMARY.write(root / "results/small/overlap/summary.csv", made)
    found = overlap.load_experiment(root, settings(("small",)))
    assert found is not None
    assert found.summary["index"].isna().all()
    for figure in overlap.experiment_figures(found).values():
        figure.canvas.draw()


def test_malformed_files_are_refused(root):
    folder = root / "results" / "small" / "overlap"
    write_json(folder / "summary.json", FACTS | {"sentences": "text"})
    with pytest.raises(TasklawsError, match=r"unknown key 'sentences'.*remove it and run `dvc repro`"):
        overlap.load_experiment(root, settings(("small",)))
    write_json(folder / "summary.json", FACTS)
    text = (folder / "summary.csv").read_text()
    (folder / "summary.csv").write_text(text.replace("0.25", "much"))
    with pytest.raises(TasklawsError, match=r"discontinuous is much"):
        overlap.load_experiment(root, settings(("small",)))
