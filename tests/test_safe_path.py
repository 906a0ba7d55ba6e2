"""Stages import what is installed and nothing that lies beside their script, or where they are run."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PLANTED = "raise SystemExit('planted')\n"
# What a stage that trains or asks does: hand jobs to processes of their own, which start as `python -c`.
TWO_PROCESSES = """
from pathlib import Path
from tasklaws.core.workers import run_each
if __name__ == "__main__":
    import json, pandas, socket
    print(*run_each(str.upper, [("a",), ("b",)], 2), sep="")
"""


def commands() -> list[str]:
    stages: list[dict[str, Any]] = []
    for path in (ROOT / "dvc.yaml", *ROOT.glob("studies/*/dvc.yaml")):
        stages += yaml.safe_load(path.read_text())["stages"].values()
    return [str(stage.get("do", stage)["cmd"]) for stage in stages]


def test_every_stage_is_run_with_a_safe_path() -> None:
    assert [
        command for command in commands() if not command.startswith(("python -P stages/", "python -P studies/"))
    ] == []


@pytest.mark.parametrize("flags", [["-P"], []])
def test_a_module_planted_beside_a_script_or_where_it_is_run_is_not_imported(tmp_path: Path, flags: list[str]) -> None:
    (tmp_path / "stages").mkdir()
    script = tmp_path / "stages/two.py"
    script.write_text(TWO_PROCESSES)
    for name in ("stages/pandas.py", "stages/json.py", "json.py", "socket.py", "pandas.py", "tasklaws.py"):
        (tmp_path / name).write_text(PLANTED)
    words = [sys.executable, *flags, "stages/two.py"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    if flags:
        assert (ran.stdout, ran.returncode) == ("AB\n", 0), ran.stderr
    else:
        assert ran.returncode, "the planted modules do nothing: the test shows nothing"
