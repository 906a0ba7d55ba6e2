"""Claims: what a file of them holds, which tables are refused, and that no changed byte goes unseen."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from claimed import NEXT, TASKS, known, made_claim, outcomes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

import tasklaws as tl
from shared_data import ROOT
from tasklaws.claims import code
from tasklaws.claims.file import TamperedError, digest, parse_claim, read_claim, rendered
from tasklaws.claims.make import claim_of
from tasklaws.claims.pairs import pairs
from tasklaws.claims.rule import least_held, pass_chances
from tasklaws.core.errors import TasklawsError
from tasklaws.tables import AHEAD_FORECASTS
from tasklaws.tabular.points import write_points


@pytest.fixture(scope="module")
def claim() -> tl.Claim:
    return made_claim()


@pytest.fixture(scope="module")
def data(claim: tl.Claim) -> bytes:
    return rendered(claim.to_dict())


def test_it_states_what_the_forecast_says_and_the_same_bytes_again(claim: tl.Claim, tmp_path: Path) -> None:
    said = tl.forecast(known(), NEXT).forecasts.sort_values("task").reset_index(drop=True)
    assert list(claim.table["task"]) == sorted(TASKS)
    for name in ("predicted", "lower", "upper", "last", "n_params"):
        assert claim.table[name].to_numpy() == pytest.approx(said[name].to_numpy(), rel=1e-9)
    claim.write(tmp_path / "claim.json")
    assert (tmp_path / "claim.json").read_bytes() == rendered(made_claim().to_dict())
    assert read_claim(tmp_path / "claim.json") == claim
    claim.write(tmp_path / "claim.json")  # again the same
    with pytest.raises(TasklawsError, match="another claim: give a new name"):
        replace(claim, sha256="0").write(tmp_path / "claim.json")


def test_a_table_and_the_forecasts_made_of_it_make_one_claim(claim: tl.Claim, tmp_path: Path) -> None:
    AHEAD_FORECASTS.write(tmp_path / "forecasts.csv", AHEAD_FORECASTS.pick(tl.forecast(known(), NEXT).forecasts))
    assert claim_of(AHEAD_FORECASTS.read(tmp_path / "forecasts.csv"), [], tmp_path) == claim


def test_every_flipped_byte_is_tampering_or_refused(data: bytes) -> None:
    tampered = 0
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        with pytest.raises(TasklawsError, match="claim") as raised:
            parse_claim(bytes(changed), "claim.json")
        tampered += raised.type is TamperedError
    assert tampered > 0.5 * len(data)  # the rest is no JSON any more


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_other_bytes_are_read_as_a_claim_with_its_digest(data: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, min(len(data), start + 8)))
    new = draw.draw(st.one_of(st.binary(max_size=8), st.sampled_from([b" ", b"\n", b"\\u0061", b"0", b".0", b"e0"])))
    changed = data[:start] + new + data[end:]
    if changed == data:
        assert parse_claim(changed, "claim.json")
    else:
        with pytest.raises(TasklawsError):
            parse_claim(changed, "claim.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON"),
        (b"[1, 2]", "is no claim"),
        (b'{"statements": []}', "is no claim"),
        (b"\xff\xfe", "no JSON"),
        (b'{"sha256": NaN, "statements": 1}', "no JSON"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_claim_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(TasklawsError, match=said) as raised:
        parse_claim(content, "some.json")
    assert raised.type is TasklawsError


def test_a_claim_of_another_version_is_not_read(claim: tl.Claim) -> None:
    content = {**claim.to_dict(), "format": "tasklaws claim, version 2"}
    content["sha256"] = digest(content)
    with pytest.raises(TasklawsError, match="this tasklaws reads 'tasklaws claim, version 1'"):
        parse_claim(rendered(content), "claim.json")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"model": "Some-Org/NEXT"},
        {"model": "anything", "n_params": 1.281e10},  # the planned model's size
        {"is_final": False},  # of as many tokens as are planned
    ],
    ids=str,
)
def test_a_table_that_holds_the_outcome_is_refused(change: dict[str, object]) -> None:
    table = pd.concat([known(), outcomes().head(1).assign(**change)], ignore_index=True)
    with pytest.raises(TasklawsError, match=r"sums|in the table already"):
        made_claim(table)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "anything", "n_params": 2e10},
        {"model": "anything", "ladder": "another"},
        {"metric": "acc_norm"},
        {"task": "Sums 2"},
        {"is_final": False, "n_tokens": 1e11, "model": "anything"},
    ],
    ids=str,
)
def test_what_is_no_outcome_is_not(claim: tl.Claim, change: dict[str, object]) -> None:
    assert pairs(claim.table, outcomes().head(1).assign(**change).reset_index(drop=True)).empty
    assert len(pairs(claim.table, outcomes().head(1).assign(task="SUMS", metric="acc,none"))) == 1


def test_by_date_a_model_of_those_days_is_an_outcome() -> None:
    dates = [f"{year}-{month:02}-10" for year in (2023, 2024) for month in range(1, 13)]
    rows = [("d", f"m{n}", day, task, 0.2 + 0.02 * n) for n, day in enumerate(dates) for task in ("a", "b")]
    table = pd.DataFrame(rows, columns=["ladder", "model", "date", "task", "value"]).assign(metric="acc", is_final=True)
    table = table.reindex(
        columns=[*table, "n_params", "n_tokens", "train_flops", "step", "stderr", "n_items", "chance"]
    )
    made = tl.claim(table, {"date": "2025-03"}, files=[])
    [ends] = made.table[["first_day", "last_day"]].drop_duplicates().to_numpy().tolist()
    assert ends == ["2025-03-01", "2025-03-31"]
    later = table.head(4).assign(date="2025-03-20", value=[0.7, 0.7, 0.75, 0.75])
    found = tl.check(made, later)
    assert len(found.table) == 4  # two models on two tasks
    assert tl.check(made, later.assign(date="2025-04-02")).verdict == "INCOMPLETE"
    with pytest.raises(TasklawsError, match="a model of its size or date"):
        tl.claim(pd.concat([table, later.assign(model="new", date="2025-03-05")]), {"date": "2025-03"}, files=[])


def test_checkpoints_are_not_claimed() -> None:
    table = pd.concat([known().assign(step=step, value=known()["value"] * (1 - 0.1 / step)) for step in (1, 2, 3)])
    table = table.assign(is_final=table["step"] == 3, n_tokens=table["n_tokens"] * table["step"] / 3)
    with pytest.raises(TasklawsError, match="not of later checkpoints"):
        tl.claim(table, {"step": 4}, axis="step", files=[])


@pytest.mark.parametrize("n", [1, 2, 8, 16, 100, 1000])
def test_true_intervals_fail_the_rule_at_most_once_in_twenty(n: int) -> None:
    least, fewer = least_held(n)
    assert fewer == pytest.approx(binom.cdf(least - 1, n, 0.9))
    assert fewer <= 0.05 or (n, least) == (1, 1)
    assert binom.cdf(least, n, 0.9) > 0.05
    assert least_held(16)[0] == 12


def test_the_chances_of_passing_are_those_of_true_and_of_empty_forecasts() -> None:
    n = 40
    rows = pd.DataFrame({"ladder": "l", "model": "m", "unit": "share", "predicted": np.full(n, 0.5), "last": 0.35})
    rows = rows.assign(lower=0.42, upper=0.58)
    chances = pass_chances(rows)
    fewer = least_held(n)[1]
    assert chances["true"] == pytest.approx(1 - fewer, abs=0.02)  # closer than the last, always
    assert chances["true_with_common_errors"] < chances["true"]
    assert chances["intervals_half_as_wide_as_true_ones"] < 0.1
    assert chances["no_change_from_the_last_known"] == 0
    same = pass_chances(rows.assign(last=0.5))
    assert same["true"] == 0  # no closer than the last: nothing is claimed


def test_the_code_is_that_of_the_stage_that_forecasts() -> None:
    listed = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["forecast"]["do"]["deps"]
    own = {name.removeprefix("src/tasklaws/") for name in listed if name.startswith("src/")}
    no_number = ("claims/", "__init__.py", "gate.py", "paths.py", "provenance/")
    numbers = {name for name in own if not name.startswith(no_number) and not name.endswith("__init__.py")}
    assert set(code.CODE) == numbers
    assert all((code.PACKAGE / name).exists() for name in code.CODE)


def test_a_digest_of_code_changes_with_any_byte_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(code.PACKAGE / "forecast", tmp_path / "forecast", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", tmp_path)
    monkeypatch.setattr(code, "CODE", ("forecast",))
    before = code.code_digests()
    with (tmp_path / "forecast/priors.json").open("a") as file:
        file.write(" ")
    assert code.code_digests() != before


def test_paths_of_files_are_those_from_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_points(tmp_path / "data/known.csv", known())
    monkeypatch.chdir(tmp_path)
    forecasts = tl.forecast(known(), NEXT).forecasts
    inside = claim_of(forecasts, [Path("data/known.csv")], Path("claims"))
    assert list(inside.rests_on.files) == ["../data/known.csv"]
    monkeypatch.chdir("data")
    assert list(claim_of(forecasts, [Path("known.csv")], tmp_path).rests_on.files) == ["known.csv"]
    assert str(tmp_path) not in json.dumps(inside.to_dict())
