"""Processes that only hand out jobs, and the command line, start without the libraries that take seconds to import.

Which module may import which is a contract in pyproject.toml, checked by `make check`. It cannot say this, as it counts
imports inside functions too, which is where these libraries belong.
"""

import subprocess
import sys
from pathlib import Path

import pytest

STAGES = Path(__file__).parents[1] / "stages"
HEAVY = {"torch", "transformers", "datasets", "lm_eval", "mlflow", "dvc"}


@pytest.mark.parametrize(
    "light",
    ["tasklaws.cli", "tasklaws.harness.ask", "tasklaws.ladder.rung", STAGES / "model.py", STAGES / "respond.py"],
    ids=str,
)
def test_it_imports_nothing_that_takes_seconds(light: str | Path) -> None:
    load = f"runpy.run_path({str(light)!r})" if isinstance(light, Path) else f"import {light}"
    code = f"import runpy, sys; {load}; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([], "")
