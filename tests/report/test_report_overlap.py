"""The section on the overlap experiment: there where it was run, and refusing what it cannot read."""

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
from tasklaws.experiments.overlap_summary import Theory, summary_table
from tasklaws.report import overlap
from tasklaws.tables import SET_CURVES, SET_SUMMARY, ZIPF_EXPONENTS, ZIPF_RUNS


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
    write_json(folder / "summary.json", {"sentences": ["Said one."]})
    write_json(folder / "zipf.json", {"sentences": ["Said two."]})
    law = pd.DataFrame([[1.5, 0.33, 0.3, 0.2, 0.4, 0.0, "converged"]], columns=ZIPF_EXPONENTS.columns)
    ZIPF_EXPONENTS.write(folder / "zipf.csv", law)
    runs = pd.DataFrame([[1.5, n, 0, 100, 1e3 / n] for n in (1000, 2000)], columns=ZIPF_RUNS.columns)
    ZIPF_RUNS.write(folder / "zipf_runs.csv", runs)
    return tmp_path


def test_without_an_experiment_there_is_nothing_to_show(root):
    assert overlap.load_experiment(root, settings(())) is None
    assert overlap.experiment_figures(None) == {}


def test_figures_rows_and_sentences_come_from_the_tables(root):
    found = overlap.load_experiment(root, settings(("small",)))
    assert found is not None
    assert found.sentences == ["Said one.", "Said two."]
    names = ("forecast", "theory", "coverage", "zipf")
    assert set(overlap.experiment_figures(found)) == {f"overlap-{name}" for name in names}
    assert found.summary["n_eff"].tolist() == [1.0, 50.0]
    assert "discontinuous 25%" in found.summary["verdicts"].iloc[1]
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
    write_json(folder / "summary.json", {"sentences": "text"})
    with pytest.raises(TasklawsError, match=r"sentences is 'text', not a list of text"):
        overlap.load_experiment(root, settings(("small",)))
    write_json(folder / "summary.json", {"sentences": []})
    text = (folder / "summary.csv").read_text()
    (folder / "summary.csv").write_text(text.replace("0.25", "much"))
    with pytest.raises(TasklawsError, match=r"discontinuous is much"):
        overlap.load_experiment(root, settings(("small",)))
