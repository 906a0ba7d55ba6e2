"""docs/tour.md runs from top to bottom and prints what it says. `python tests/test_tour.py` writes its outputs anew."""

import contextlib
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "docs/tour.md"
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)


def executed() -> str:
    """The page with the outputs that its code prints now."""
    names: dict[str, Any] = {}

    def run(block: re.Match[str]) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block["code"], str(TOUR), "exec"), names)
        said = printed.getvalue()
        return f"```python\n{block['code']}```\n" + (f"\n```text\n{said}```\n" if said else "")

    return BLOCK.sub(run, TOUR.read_text())


def test_the_tour_prints_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert executed() == TOUR.read_text(), "python tests/test_tour.py"


if __name__ == "__main__":
    os.chdir(ROOT)
    TOUR.write_text(executed())
