"""Every command of the first page of docs/forecasting.md runs, on small tables of the kind that it names."""

import re
import shlex
import sys

import numpy as np
import pandas as pd
import pytest
from made_up import SIZES, draw, rises, table

from shared_data import ROOT
from tasklaws import cli

PAGE = (ROOT / "docs/forecasting.md").read_text()
FIRST = PAGE[: PAGE.index("\n# How it works\n")]
COMMANDS = [
    re.sub(r"\s+#.*", "", line)
    for block in re.findall(r"```bash\n(.*?)```", FIRST, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("tasklaws ")
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """results.csv, planned.csv, known.csv, releases.csv and checkpoints.csv."""
    folder = tmp_path_factory.mktemp("docs")
    rng = np.random.default_rng(0)
    value = draw(rng, rises(rng, 3, SIZES), 500)
    table(value, SIZES, losses=False).to_csv(folder / "results.csv", index=False)
    (folder / "planned.csv").write_text("model,n_params,n_tokens\nnext,7e9,2e12\n")
    (folder / "known.csv").write_text("task,value\nt00,0.7\n")
    days = np.datetime64("2024-10-10") + 60 * np.arange(6)
    dated = [("s", f"m{m}", str(days[m]), f"t{t}", value[t, m]) for m in range(6) for t in range(3)]
    releases = pd.DataFrame(dated, columns=["suite", "model", "date", "task", "score"])
    releases.to_csv(folder / "releases.csv", index=False)
    steps = [("run", 1e9, 1000 * 2**m, f"t{t}", "acc", value[t, m]) for m in range(6) for t in range(3)]
    columns = ["model", "n_params", "step", "task", "metric", "value"]
    pd.DataFrame(steps, columns=columns).to_csv(folder / "checkpoints.csv", index=False)
    return folder


def test_there_are_commands_of_each_kind():
    assert len(COMMANDS) > 7
    assert {shlex.split(command)[1] for command in COMMANDS} == {"forecast", "backtest"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command, tables, monkeypatch, capsys):
    monkeypatch.chdir(tables)
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    cli.main()
    said = capsys.readouterr()
    assert "error" not in said.err
    assert len(said.out.split()) > 10
