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
TABLES = {"pandas", "scipy", "matplotlib"}  # a third of a second each


@pytest.mark.parametrize(
    ("light", "without"),
    [
        ("tasklaws.cli", HEAVY | TABLES),
        ("tasklaws.harness.ask", HEAVY | TABLES),
        ("tasklaws.ladder.rung", HEAVY | TABLES),
        (STAGES / "model.py", HEAVY | TABLES),
        (STAGES / "respond.py", HEAVY | TABLES),
        (STAGES / "corpus.py", HEAVY - {"transformers"} | TABLES),
        (STAGES / "fit.py", HEAVY | {"scipy.stats", "matplotlib"}),
        (STAGES / "orders.py", HEAVY | {"scipy.stats", "matplotlib"}),
    ],
    ids=lambda value: "without" if isinstance(value, set) else str(value),
)
def test_it_imports_nothing_that_takes_long_and_is_not_needed(light: str | Path, without: set[str]) -> None:
    load = f"runpy.run_path({str(light)!r})" if isinstance(light, Path) else f"import {light}"
    code = f"import runpy, sys; {load}; print(*sorted({without} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([], "")
