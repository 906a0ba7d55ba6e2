"""docs/decisions.md runs, in an empty directory, and prints what it says.

`python tests/decisions/test_docs_decisions.py` writes its outputs anew.
"""

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from tasklaws import cli

PAGE = Path(__file__).parents[2] / "docs/decisions.md"
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n|```bash\n(?P<lines>.*?)```\n\n```text\n.*?```\n", re.DOTALL)


def executed() -> str:
    """The page with what its commands print now."""

    def run(block: re.Match[str]) -> str:
        if block["code"]:
            exec(compile(block["code"], str(PAGE), "exec"), {})
            return block[0]
        printed = io.StringIO()
        for line in block["lines"].splitlines():
            with contextlib.redirect_stdout(printed), mock.patch.object(sys, "argv", shlex.split(line)):
                cli.main()
        said = "\n".join(line.rstrip() for line in printed.getvalue().splitlines())
        return f"```bash\n{block['lines']}```\n\n```text\n{said}\n```\n"

    return BLOCK.sub(run, PAGE.read_text())


def test_the_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert executed() == PAGE.read_text(), f"python {Path(__file__).name}"
    assert len(BLOCK.findall(PAGE.read_text())) == 4
    assert (tmp_path / "decide/pooled.csv").is_file()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        PAGE.write_text(executed())
