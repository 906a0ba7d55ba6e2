"""`tasklaws humans`, `tasklaws people` and the two stages, as a user runs them."""

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
import yaml

import tiny
from tasklaws.files import write_jsonl, write_table
from tasklaws.humans.population import Population, simulate
from tasklaws.items import read_items

FAMILIES = ("addition", "gauss_sum")
TASKLAWS = str(Path(sys.executable).with_name("tasklaws"))


@pytest.fixture
def folder(tmp_path):
    """A folder with some items, parameters for few people, and what they did."""
    params = yaml.safe_load((tiny.ROOT / "params.yaml").read_text())
    params["humans"]["families"] = list(FAMILIES)
    params["humans"]["population"]["n_people"] = 30
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    for family in FAMILIES:
        write_jsonl(tmp_path / f"data/items/{family}.jsonl", [item.to_dict() for item in tiny.items(family)[::40]])
    items = [item for family in FAMILIES for item in read_items(tmp_path / f"data/items/{family}.jsonl")]
    people = Population.from_params(params["humans"]["population"])
    write_table(tmp_path / "real.csv", simulate(items, people, params["seed"]), ["person", "item"])
    return tmp_path


def run(folder, *command):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def humans(folder, *more, attempts="real.csv"):
    items = [f"data/items/{family}.jsonl" for family in FAMILIES]
    return run(folder, TASKLAWS, "humans", attempts, "--items", *items, "--out", "out", *more)


def test_the_command_and_the_stages_write_the_same_tables(folder):
    done = humans(folder, "--target", "python:yes=0.1,no=0.9")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "out/items.csv: 10 items\n"
    for stage in ("population", "humans"):
        ran = run(folder, sys.executable, str(tiny.ROOT / "stages" / f"{stage}.py"))
        assert ran.returncode == 0, ran.stderr
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
    ran = run(folder, sys.executable, str(tiny.ROOT / "stages/humans.py"))
    assert ran.returncode == 0, ran.stderr
    assert "target_rate" not in pd.read_csv(folder / "data/humans/items.csv")


def test_what_is_refused_is_one_line_and_nothing_is_written(folder):
    shutil.copy(folder / "real.csv", folder / "bad.csv")
    with (folder / "bad.csv").open("a") as file:
        file.write("p31,addition-9,1,15,0,0,no,no,no\n")
    refusals = {
        "no such item": humans(folder, attempts="bad.csv"),
        "does not exist": humans(folder, attempts="none.csv"),
        "write it like python:yes=.1,no=.9": humans(folder, "--target", "python:yes"),
        "give shares that sum to 1": humans(folder, "--target", "python:yes=.1"),
        "no column group_french": humans(folder, "--target", "french:yes=1"),
        "the level of the intervals is 90.0": humans(folder, "--interval", "90"),
    }
    for message, done in refusals.items():
        assert done.returncode == 1, message
        assert done.stderr.startswith("error: "), done.stderr
        assert done.stderr.count("\n") == 1
        assert message in done.stderr
    assert not (folder / "out").exists()


def test_people_writes_the_tables_and_pictures_that_docs_show(tmp_path):
    done = run(tmp_path, TASKLAWS, "people", "--out", "people")
    assert done.returncode == 0, done.stderr
    for name in ("people_for_width", "people_to_tell_apart"):
        ET.parse(tmp_path / f"people/{name}.svg")
        shipped = tiny.ROOT / f"docs/people/{name}.csv"
        assert (tmp_path / f"people/{name}.csv").read_bytes() == shipped.read_bytes(), (
            "tasklaws people --out docs/people"
        )
