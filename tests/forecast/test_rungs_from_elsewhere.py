"""A ladder with rungs that were made elsewhere: what is not known of them stays out, and the rest is forecast."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic import SMOOTH, Family, Ladder

from tasklaws.core.errors import TasklawsError
from tasklaws.tables import LADDER, read_observations, refuse_other_sizes

STAGES = Path(__file__).parents[2] / "stages"
RESULTS = Path("results/made_up")
FEW = Ladder(families=(SMOOTH, Family("guessing", "choice", slope=0.0, chance=0.25)))
TOKENS = ["n_tokens", "train_flops"]


def change(name, change):
    path = RESULTS / name
    change(pd.read_csv(path)).to_csv(path, index=False)


def without(table, rows, columns):
    return table.assign(**{column: table[column].where(~rows) for column in columns})


@pytest.fixture
def ladder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FEW.write(tmp_path)
    return tmp_path


def run(*names):
    for name in names:
        runpy.run_path(str(STAGES / f"{name}.py"), run_name="__main__")


def likelihoods(table):
    return (table["elicitation"] == "choice") | table["metric"].isin(["target_bits_per_byte", "brier"])


def test_unknown_tokens_losses_and_likelihoods_go_through(ladder):
    unknown, served = "n4600", "n100000"  # of one rung to fit the tokens, of the holdout all but what it writes
    params = yaml.safe_load(Path("params.yaml").read_text())
    rungs = params["models"]["rungs"]
    rungs[served]["source"] = {"kind": "lm_eval", "model": "local-chat-completions", "n_params": 100000}
    rungs[unknown]["source"] = {"kind": "local", "path": "m", "heldout": False}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for name in ("ladder.csv", "observations_fit.csv", "observations_holdout.csv"):
        change(name, lambda table: without(table, table["rung"].isin([unknown, served]), TOKENS))
    change("observations_fit.csv", lambda table: table[(table["rung"] != unknown) | (table["family"] != "corpus")])
    change("observations_holdout.csv", lambda table: table[~likelihoods(table) & (table["family"] != "corpus")])
    scores = Path(f"scores/made_up/holdout/{served}.csv")
    table = pd.read_csv(scores)
    table = table[table["elicitation"] != "choice"].assign(target_bits_per_byte=np.nan, brier=np.nan)
    table.to_csv(scores, index=False)
    run("fit", "structure", "forecast", "validate")
    found = pd.read_csv(RESULTS / "validation.csv")
    assert set(found["metric"]) == {"exact_match", "partial_credit"}
    assert set(found["family"]) == {"addition"}
    assert found[TOKENS].isna().all(axis=None)
    assert found[["lower", "predicted", "upper", "observed"]].notna().all(axis=None)
    assert found.loc[found["metric"] == "exact_match", "abs_error"].iloc[0] < 0.2  # by parameters
    points = pd.read_csv(RESULTS / "points.csv")
    assert points.loc[points["model"] == unknown, TOKENS].isna().all(axis=None)
    assert points.loc[points["model"] == "n1000", TOKENS].notna().all(axis=None)
    assert "nan" not in (RESULTS / "bands.csv").read_text() + (RESULTS / "forecasts.csv").read_text()


def test_a_rung_that_lacks_one_of_its_likelihoods_is_named(ladder):
    rungs = [name for name, rung in FEW.rungs().items() if rung["role"] == "fit"]
    lost = ("addition", "target_bits_per_byte")
    change(
        "observations_fit.csv",
        lambda table: table[(table["rung"] != "n4600") | (table["family"] != lost[0]) | (table["metric"] != lost[1])],
    )
    with pytest.raises(TasklawsError, match="rung n4600 has no observation of addition direct target_bits_per_byte"):
        read_observations(RESULTS / "observations_fit.csv", rungs)


def test_a_card_of_another_size_than_the_ladders_is_refused(ladder):
    sizes = LADDER.read(RESULTS / "ladder.csv")
    cards = dict(zip(sizes["rung"], sizes["n_params"], strict=True))
    refuse_other_sizes(sizes, cards, RESULTS / "ladder.csv")
    with pytest.raises(
        TasklawsError, match=r"says that n4600 has 4600 parameters, its card 4601: its model has changed"
    ):
        refuse_other_sizes(sizes, cards | {"n4600": 4601}, RESULTS / "ladder.csv")


@pytest.mark.parametrize("n_chat", [1, None])
def test_fit_rungs_that_tell_no_likelihoods_leave_the_holdouts_own_without_a_forecast(ladder, capsys, n_chat):
    """`n_chat` of the rungs to fit, or all, are chat servers; the holdout is none."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    rungs = params["models"]["rungs"]
    to_fit = [name for name, rung in rungs.items() if rung["role"] == "fit"]
    chat = to_fit[:n_chat]
    for name in chat:
        rungs[name]["source"] = {"kind": "lm_eval", "model": "local-chat-completions", "n_params": int(name[1:])}
        path = Path(f"scores/made_up/fit/{name}.csv")
        table = pd.read_csv(path)
        table = table[table["elicitation"] != "choice"].assign(target_bits_per_byte=np.nan, brier=np.nan)
        table.to_csv(path, index=False)
    Path("params.yaml").write_text(yaml.safe_dump(params))
    change("observations_fit.csv", lambda table: table[~(likelihoods(table) & table["rung"].isin(chat))])
    run("fit", "structure", "forecast", "validate")
    found = pd.read_csv(RESULTS / "validation.csv")
    choice = set(found.loc[found["elicitation"] == "choice", "metric"])
    said = "guessing_choice: no forecast, as no rung to fit was asked it"
    assert (said in capsys.readouterr().out) == (n_chat is None)
    assert choice == (set() if n_chat is None else {"exact_match", "partial_credit", "target_bits_per_byte", "brier"})
    assert found[["lower", "predicted", "upper", "observed"]].notna().all(axis=None)
    assert "guessing" in set(pd.read_csv(RESULTS / "points.csv")["task"].str.rsplit("_", n=1).str[0])
