"""`tasklaws humans`, `tasklaws people` and the two stages, as a user runs them."""

import json
import runpy
import shutil
import sys
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
import yaml

import tiny
from tasklaws.cli import main
from tasklaws.core.files import write_jsonl
from tasklaws.core.settings import Settings
from tasklaws.frames.csv_files import write_table
from tasklaws.humans.population import simulate_attempts

FAMILIES = ("addition", "gauss_sum")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to run in, with some items, parameters for few people, and what they did."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((tiny.ROOT / "params.yaml").read_text())
    params["humans"]["families"] = list(FAMILIES)
    params["humans"]["population"]["n_people"] = 30
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    items = {family: tiny.items(family)[::40] for family in FAMILIES}
    for family, chosen in items.items():
        write_jsonl(tmp_path / f"data/items/{family}.jsonl", [item.to_dict() for item in chosen])
    people = Settings.of(params).humans.population
    attempts = simulate_attempts([item for chosen in items.values() for item in chosen], people, params["seed"])
    write_table(tmp_path / "real.csv", attempts, ["person", "item"])
    return tmp_path


@pytest.fixture
def tasklaws(monkeypatch, capsys):
    """Runs a command; its exit status and what it wrote to stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tasklaws", *arguments])
        try:
            main()
        except SystemExit as end:
            return end.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def humans(*more, attempts="real.csv"):
    items = [f"data/items/{family}.jsonl" for family in FAMILIES]
    return ("humans", attempts, "--items", *items, "--out", "out", *more)


def run_stage(name):
    runpy.run_path(str(tiny.ROOT / "stages" / f"{name}.py"))["main"]()


def test_the_command_and_the_stages_write_the_same_tables(folder, tasklaws):
    status, said, _ = tasklaws(*humans("--target", "python:yes=0.1,no=0.9"))
    assert status == 0
    assert said.endswith("\nout: items.csv, groups.csv\n")
    run_stage("population")
    run_stage("humans")
    assert (folder / "data/population/attempts.csv").read_bytes() == (folder / "real.csv").read_bytes()
    for name in ("items.csv", "groups.csv"):
        assert (folder / "out" / name).read_bytes() == (folder / "data/humans" / name).read_bytes()
    table = pd.read_csv(folder / "out/items.csv")
    assert table["n_people"].eq(30).all()
    for column in ("solve_rate", "pooled_rate", "mean_score", "target_rate", "target_score"):
        assert table[f"{column}_low"].le(table[column]).all()
        assert table[column].le(table[f"{column}_high"]).all()


def test_the_stage_reads_real_attempts_and_needs_no_target(folder):
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["humans"] |= {"attempts": "real.csv", "target": {}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run_stage("humans")
    assert "target_rate" not in pd.read_csv(folder / "data/humans/items.csv")


def test_different_timeouts_at_an_item_are_said(folder, tasklaws):
    table = pd.read_csv(folder / "real.csv", dtype={"timeout": float})
    slow = table["item"] == table["item"][0]
    table.loc[slow & (table["person"] == table["person"][0]), "timeout"] += 1
    table.to_csv(folder / "mixed.csv", index=False)
    _, said, _ = tasklaws(*humans(attempts="mixed.csv"))
    assert said.startswith(f"1 of 9 items (first: {table['item'][0]}) have attempts of different timeouts")
    summary = pd.read_csv(folder / "out/items.csv").set_index("item")
    assert summary.loc[table["item"][0], "timeout"] == table["timeout"][slow].min()


@pytest.mark.parametrize("command", ["humans", "people"])
def test_help_says_what_is_written(tasklaws, command):
    _, said, _ = tasklaws(command, "--help")
    assert "Writes" in said
    assert "docs/humans.md" in said


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (humans(attempts="bad.csv"), "bad.csv:272: item is 'addition-9': no such item"),
        (humans(attempts="none.csv"), "none.csv does not exist"),
        (humans("--target", "python:yes"), "write it like python:yes=.1,no=.9"),
        (humans("--target", "python:yes=.1"), "give shares that sum to 1"),
        (humans("--target", "french:yes=1"), "no column group_french"),
        (
            ("humans", "real.csv", "--items", "people.json", "--out", "out"),
            "people.json:1: malformed JSON: give JSON lines or a CSV with the items' names in `item` or `id`, or leave "
            "out --items",
        ),
        (
            ("humans", "real.csv", "--items", "people.txt", "--out", "out"),
            "people.txt: no column `item` or `id`: give JSON lines or a CSV",
        ),
        (
            ("humans", "real.csv", "--items", "params.json", "--out", "out"),
            "params.json does not exist: give JSON lines or a CSV",
        ),
        (
            ("humans", "real.csv", "--items", "twice.csv", "--out", "out"),
            "twice.csv:3: item a is of two and of one: give one family",
        ),
        ((*humans(), "--out", "real.csv"), "real.csv is a file: give a directory"),
        (humans("--interval", "90"), "the level of the intervals is 90.0"),
    ],
)
def test_what_is_refused_is_one_line_and_nothing_is_written(folder, tasklaws, command, message):
    shutil.copy("real.csv", "bad.csv")
    for name in ("people.json", "people.txt"):
        (folder / name).write_text("name,age\nann,7\n")
    (folder / "twice.csv").write_text("item,family\na,one\na,two\n")
    with (folder / "bad.csv").open("a") as file:
        file.write("p31,addition-9,1,15,0,0,no,no,no\n")
    status, said, error = tasklaws(*command)
    assert (status, said) == (1, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (folder / "out").exists()


def test_people_writes_the_tables_and_pictures_that_docs_show(tmp_path, monkeypatch, tasklaws):
    monkeypatch.chdir(tmp_path)
    assert tasklaws("people", "--out", "people")[0] == 0
    for name in ("people_for_width", "people_to_tell_apart"):
        ET.parse(tmp_path / f"people/{name}.svg")
        shipped = tiny.ROOT / f"docs/people/{name}.csv"
        assert (tmp_path / f"people/{name}.csv").read_bytes() == shipped.read_bytes(), (
            "tasklaws people --out docs/people"
        )


NO_LIMIT = {  # seconds until solved, and until given up
    "a": ([71.0, 11.8, 50.6, 111.0, 20.9, 15.0, 188.1, 72.8], [446.2, 70.5, 97.1, 71.6]),
    "b": ([184.8, 21.0, 15.8, 30.4, 156.1, 79.1, 13.9, 335.8], [56.9, 61.1, 198.8, 87.3]),
}


@pytest.mark.parametrize("items", [None, "items.jsonl", "items.csv", "attempts.csv"])
def test_anybodys_items_without_a_limit_of_time(tmp_path, monkeypatch, tasklaws, items):
    """Kaplan-Meier by hand: 12 people, and the 6th of 8 who solve takes S to one half; the band's lower end crosses it
    at the third, its upper end, .55 at the last, nowhere."""
    monkeypatch.chdir(tmp_path)
    rows = [
        f"p{n},{item},{seconds},,{int(n < 8)},{int(n < 8)}"
        for item, times in NO_LIMIT.items()
        for n, seconds in enumerate([*times[0], *times[1]])
    ]
    (tmp_path / "attempts.csv").write_text("\n".join(["person,item,seconds,timeout,solved,score", *rows]) + "\n")
    (tmp_path / "items.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n')
    (tmp_path / "items.csv").write_text("item,source\na,here\nb,there\n")
    given = [] if items is None else ["--items", items]
    status, said, _ = tasklaws("humans", "attempts.csv", *given, "--json")
    found = json.loads(said)
    assert status == 0
    assert found["notes"] == ["24 of 24 attempts had no limit of time: who did not solve counts as never solving"]
    medians = [[row.get(f"median_seconds{end}") for end in ("", "_low", "_high")] for row in found["items"]]
    assert medians == [[72.8, 20.9, None], [156.1, 21.0, None]]
    assert not any("timeout" in row for row in found["items"])
    assert [row["family"] for row in found["items"]] == ["items", "items"]
    status, said, _ = tasklaws("humans", "attempts.csv", *given, "--out", "out")
    assert "72.8 (20.9 to -)" in said
    assert pd.read_csv(tmp_path / "out/items.csv")["timeout"].isna().all()
