"""`tasklaws check`: right on kept and on broken claims, and TAMPERED for a changed byte of what a claim stands on."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from claimed import NEXT, known, made_claim, outcomes

import tasklaws as tl
from command import run
from tasklaws.claims import vouched
from tasklaws.claims.check import STATUS
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_text
from tasklaws.provenance.chain import md5
from tasklaws.tabular.points import write_points

pytestmark = pytest.mark.slow  # it asks git

AT = "model=next,n_params=1.28e10,n_tokens=2.56e11"


@pytest.fixture(scope="module")
def claim() -> tl.Claim:
    return made_claim()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with known.csv, outcomes.csv and claim.json, as the commands make them."""
    folder = tmp_path_factory.mktemp("claimed")
    write_points(folder / "known.csv", known())
    write_points(folder / "outcomes.csv", outcomes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run("claim", "known.csv", "--at", AT, "--out", "claim.json", "--outcomes", "the makers' table") == 0
    return folder


@pytest.fixture
def here(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the present folder."""
    for path in written.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    capsys.readouterr()
    status = run("check", "claim.json", "outcomes.csv", *words, "--json")
    return status, json.loads(capsys.readouterr().out)


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


def git(*words: str) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *name, *words], check=True, capture_output=True)


def test_a_kept_claim_passes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = checked(capsys)
    assert (status, found["verdict"]) == (0, "PASS")
    figures = found["figures"]
    assert isinstance(figures, dict)
    assert (figures["n"], figures["held"], figures["held_at_least"]) == (4, 4, 2)
    assert figures["mean_error"] < figures["mean_error_of_repeating_the_last"]
    assert run("check", "claim.json", "outcomes.csv") == 0
    said = capsys.readouterr().out
    assert said.startswith("PASS: 4 of 4 intervals hold, 2 must")
    assert "as recorded: known.csv (as claimed)" in said
    assert "not checked: claim (no dvc.lock and no commit has it)" in said


def test_numbers_are_those_of_the_tables(claim: tl.Claim) -> None:
    found = tl.check(claim, outcomes(0.05))
    table = found.table
    assert table["observed"].to_numpy() == pytest.approx(outcomes(0.05).sort_values("task")["value"].to_numpy())
    assert list(table["inside"]) == [
        low <= value <= high for low, value, high in table[["lower", "observed", "upper"]].to_numpy()
    ]
    error = 100 * (table["predicted"] - table["observed"]).abs()
    assert found.figures["mean_error"] == pytest.approx(error.mean(), abs=1e-6)
    assert found.figures["held"] == table["inside"].sum()


@pytest.mark.parametrize("shift", [0.15, -0.15])
def test_a_broken_claim_fails_by_its_intervals(shift: float, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_points(here / "outcomes.csv", outcomes(shift).assign(value=lambda rows: rows["value"].clip(0, 1)))
    status, found = checked(capsys)
    assert (status, found["verdict"]) == (1, "FAIL")


def test_a_claim_fails_where_repeating_the_last_known_is_closer(claim: tl.Claim) -> None:
    last = claim.table.set_index("task")["last"]
    same = outcomes().assign(value=lambda rows: rows["task"].map(last))
    wide = replace(claim, statements=tuple(replace(one, lower=0.0, upper=1.0) for one in claim.statements))
    found = tl.check(wide, same)
    assert found.figures["held"] == 4
    assert found.verdict == "FAIL"


def test_a_missing_outcome_is_no_pass(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_points(here / "outcomes.csv", outcomes().query("task != 'logic'"))
    status, found = checked(capsys)
    assert (status, found["verdict"], found["missing"]) == (4, "INCOMPLETE", ["logic acc of next"])
    other = outcomes().assign(metric=["acc_norm", *["acc"] * 3])
    write_points(here / "outcomes.csv", other)
    _, found = checked(capsys)
    assert found["missing"] == ["sums acc of next (the results have the task under acc_norm)"]
    broken = outcomes(0.2).query("task != 'logic'").assign(value=lambda rows: rows["value"].clip(0, 1))
    write_points(here / "outcomes.csv", broken)
    status, found = checked(capsys)  # three of four are lost: the fourth cannot help
    assert (status, found["verdict"]) == (1, "FAIL")


def test_nothing_found_says_which_models_there_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = outcomes().assign(model="final-7b", n_params=2e10, ladder="elsewhere")
    write_points(here / "outcomes.csv", results)
    status, found = checked(capsys)
    assert status == 4
    assert "of models final-7b:" in str(found["notes"])
    status, found = checked(capsys, "--model", "final-7b")
    assert (status, found["verdict"]) == (0, "PASS")


def test_of_several_seeds_the_mean_counts(claim: tl.Claim) -> None:
    seeds = pd.concat([outcomes(shift).assign(seed=seed) for seed, shift in ((0, 0.02), (1, -0.04))])
    found = tl.check(claim, seeds)
    assert found.table["observed"].to_numpy() == pytest.approx(outcomes(-0.01).sort_values("task")["value"].to_numpy())
    assert any("4 outcome(s) more are of the same model: their mean counts" in line for line in found.notes)
    assert found.figures["n"] == 4


def test_a_model_under_another_name_is_found_by_its_size(claim: tl.Claim) -> None:
    found = tl.check(claim, outcomes().assign(model="final"))
    assert found.verdict == "PASS"
    assert "by size or date, as no model has the name: 'final'" in found.notes
    two = pd.concat([outcomes().assign(model=name) for name in ("one", "two")], ignore_index=True)
    with pytest.raises(TasklawsError, match="may be 'one', 'two': name the one by --model"):
        tl.check(claim, two)
    assert tl.check(claim, two, model="two").verdict == "PASS"
    named = pd.concat([two, outcomes()], ignore_index=True)
    assert tl.check(claim, named).verdict == "PASS"  # the name goes before the size


def test_of_two_ladders_the_claims_own_counts(claim: tl.Claim) -> None:
    other = outcomes(0.3).assign(ladder="5 shots", value=0.99)
    assert tl.check(claim, pd.concat([outcomes(), other], ignore_index=True)).verdict == "PASS"
    with pytest.raises(TasklawsError, match=r"several ladders \('0 shots', '5 shots'\)"):
        tl.check(claim, pd.concat([outcomes().assign(ladder="0 shots"), other], ignore_index=True))


def test_another_unit_or_direction_is_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = outcomes()[["model", "task", "metric", "value"]].assign(value=lambda rows: 100 * rows["value"])
    table.to_csv("outcomes.csv", index=False)
    capsys.readouterr()
    assert run("check", "claim.json", "outcomes.csv") == 2
    assert "--units value=percent" in capsys.readouterr().err
    status, found = checked(capsys, "--units", "value=percent")
    assert (status, found["verdict"]) == (0, "PASS")
    assert run("check", "claim.json", "outcomes.csv", "--units", "value=percent", "--direction", "acc=down") == 2
    assert "differ on which way is better" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["claim.json", "known.csv"])
def test_a_changed_byte_is_tampering(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    position = (here / name).read_bytes().rindex(b"2")
    flip(here / name, position)
    status, found = checked(capsys)
    assert (status, found["verdict"]) == (3, "TAMPERED")
    assert name in str(found["why"])


def test_what_is_not_there_is_said_to_be_unchecked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "known.csv").unlink()
    status, found = checked(capsys)
    assert status == 0
    assert {"what": "known.csv", "state": "not checked", "why": "not here"} in found["checked"]  # type: ignore[operator]


def test_results_and_claim_are_held_to_the_commit_that_has_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git("init")
    git("add", "claim.json", "known.csv")
    git("commit", "-m", "claim")
    git("add", "outcomes.csv")
    git("commit", "-m", "outcomes")
    status, found = checked(capsys)
    assert status == 0
    assert "the claim first" in str(found["notes"])
    assert "NOT" not in str(found["notes"])
    flip(here / "outcomes.csv", (here / "outcomes.csv").read_bytes().rindex(b"1000"))
    status, found = checked(capsys)
    assert (status, found["verdict"]) == (3, "TAMPERED")
    assert str(found["why"]).startswith("results")
    git("checkout", "outcomes.csv")
    other = replace(made_claim(), sha256="")  # another claim in its place, with a digest of its own
    wide = replace(other, statements=tuple(replace(one, lower=0.0, upper=1.0) for one in other.statements)).sealed()
    (here / "claim.json").unlink()
    wide.write(here / "claim.json")
    status, found = checked(capsys)
    assert (status, found["verdict"]) == (3, "TAMPERED")
    assert str(found["why"]).startswith("claim: not as commit ")


def test_git_says_where_results_came_first(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git("init")
    git("add", "outcomes.csv")
    git("commit", "-m", "outcomes")
    git("add", "claim.json")
    git("commit", "-m", "claim")
    assert "NOT the claim first" in str(checked(capsys)[1]["notes"])


def test_results_are_held_to_the_dvc_lock_that_has_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "claims").mkdir()
    (here / "claims/holdout.json").write_bytes((here / "claim.json").read_bytes())
    (here / "claims/known.csv").write_bytes((here / "known.csv").read_bytes())
    paths = [Path("outcomes.csv"), Path("claims")]
    entries = [{"path": str(path), "md5": md5(path), "size": 1} for path in paths]
    write_text(here / "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": {"s": {"cmd": "x", "outs": entries}}}))
    words = ("check", "claims/holdout.json", "outcomes.csv")
    assert run(*words) == 0
    assert capsys.readouterr().out.count("as dvc.lock of") == 2
    flip(here / "outcomes.csv", (here / "outcomes.csv").read_bytes().rindex(b"1000"))
    assert run(*words) == 3
    assert capsys.readouterr().out.startswith("TAMPERED: results, sha256 ")


def test_code_of_no_commit_is_tampering_and_a_later_version_is_not(
    claim: tl.Claim, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = claim.rests_on.code
    monkeypatch.setattr(vouched, "code_digests", lambda: own)
    assert vouched.rests_on(claim, here)[-1].state == "as recorded"
    monkeypatch.setattr(vouched, "code_digests", lambda: {**own, "forecast": "0"})
    monkeypatch.setattr(vouched, "git", lambda *words: b" M src/tasklaws/forecast/engine.py\n")
    assert vouched.rests_on(claim, here)[-1].state == "changed"
    assert "forecast" in vouched.rests_on(claim, here)[-1].why
    monkeypatch.setattr(vouched, "git", lambda *words: None)  # installed, without git
    assert vouched.rests_on(claim, here)[-1].state == "changed"
    monkeypatch.setattr(vouched, "git", lambda *words: b"")
    assert vouched.rests_on(claim, here)[-1].state == "not checked"
    older = replace(claim, rests_on=replace(claim.rests_on, version="0.0.1"))
    assert "claimed with 0.0.1" in vouched.rests_on(older, here)[-1].why


def test_a_claim_knows_no_outcome(here: Path) -> None:
    before = (here / "claim.json").read_bytes()
    write_points(here / "outcomes.csv", outcomes(0.1))
    (here / "claim.json").unlink()
    assert run("claim", "known.csv", "--at", AT, "--out", "claim.json", "--outcomes", "the makers' table") == 0
    assert (here / "claim.json").read_bytes() == before


def test_what_cannot_be_claimed_is_refused_in_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("forecast", "known.csv", "--at", AT, "--out", "next") == 0
    write_points(here / "both.csv", pd.concat([known(), outcomes()], ignore_index=True))
    capsys.readouterr()
    for words, said in (
        (["known.csv", "--at", AT, "--known", "both.csv"], "is in the table already"),
        (["next/forecasts.csv"], "give the results that they rest on as --known"),
        (["next/forecasts.csv", "--known", "known.csv", "--at", AT], "are for a table of results"),
        (["next/forecasts.csv", "--known", "both.csv"], "is in the table already"),
        (["both.csv", "--at", AT], "is in the table already"),
        (["known.csv"], "nothing is planned"),
    ):
        assert run("claim", *words, "--out", "new.json") == 1
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert line.startswith("error: ")
        assert said in line
        assert not (here / "new.json").exists()
    assert run("claim", "next/forecasts.csv", "--known", "known.csv", "--out", "new.json") == 0
    assert json.loads((here / "new.json").read_text())["rests_on"]["files"].keys() == {
        "next/forecasts.csv",
        "known.csv",
    }
    assert run("check", "new.json", "outcomes.csv") == 0


def test_what_cannot_be_checked_is_refused_with_status_2(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["none.json", "outcomes.csv"], ["known.csv", "outcomes.csv"], ["claim.json", "none.csv"]):
        assert run("check", *words) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert sorted(set(STATUS.values())) == [0, 1, 3, 4]


def test_of_a_loss_errors_are_in_per_cent_and_less_is_better() -> None:
    losses = known().assign(
        metric="perplexity", value=lambda rows: 20 * (rows["n_params"] / 1e8) ** -0.2, chance=np.nan
    )
    said = tl.claim(losses, NEXT, files=[])
    assert set(said.table["unit"]) == {"as measured"}
    true = outcomes().assign(metric="perplexity", value=20 * (1.28e10 / 1e8) ** -0.2)
    found = tl.check(said, true)
    assert found.verdict == "PASS"
    last = said.table["last"]
    percent = 100 * (said.table["predicted"] - true["value"].iloc[0]).abs() / last
    assert found.figures["mean_error"] == pytest.approx(percent.mean(), abs=1e-6)
