"""A failure is one line and status 1; one that nobody foresaw is a traceback where that is asked for."""

import errno
import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import tasklaws
from tasklaws.core.errors import TasklawsError
from tasklaws.core.script import run


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TasklawsError("size is 0: give one above 0"), "error: size is 0: give one above 0"),
        (TasklawsError("first line\n  second line"), "error: first line second line"),
        (
            OSError(errno.ENOSPC, "No space left on device", "a.csv"),
            "error: disk full while writing a.csv: free some space and run it again",
        ),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded", "a.csv"),
            "error: disk full while writing a.csv: free some space and run it again",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "error: disk full while writing an output: free some space and run it again",
        ),
        (
            shutil.Error([("a", "b", "[Errno 28] No space left on device: 'b'")]),
            "error: disk full while writing an output: free some space and run it again",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "conf/x"),
            "error: conf/x: No such file or directory: check that the file exists and can be read or written",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "models"),
            "error: models: Permission denied: check that the file exists and can be read or written",
        ),
        (KeyboardInterrupt(), "error: interrupted: run the same command again to resume"),
    ],
)
def test_a_foreseen_failure_is_one_line_and_status_1(error, line, capsys):
    with pytest.raises(SystemExit) as exit_:
        run(raising(error))
    assert exit_.value.code == 1
    said = capsys.readouterr()
    assert said.err == line + "\n"
    assert said.out == ""


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), ZeroDivisionError(), BrokenPipeError(), RecursionError(), MemoryError()]
)
def test_what_nobody_foresaw_is_one_line_and_a_traceback_where_that_is_asked_for(error, capsys, monkeypatch):
    with pytest.raises(type(error)):
        run(raising(error))
    monkeypatch.delenv("TASKLAWS_TRACEBACK")
    with pytest.raises(SystemExit) as exit_:
        run(raising(error))
    assert exit_.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: unforeseen {type(error).__name__} at ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["yaml.py", f"tasklaws/core/files{EXTENSION_SUFFIXES[0]}"])
def test_what_stands_in_the_place_of_a_module_is_named(name, tmp_path):
    package = Path(tasklaws.__file__).parent
    shutil.copytree(package / "core", tmp_path / "src/tasklaws/core", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "src/tasklaws/__init__.py").touch()
    (tmp_path / "src" / name).write_text("x = 1\n")
    code = "from tasklaws.core.script import run; run(lambda: __import__('yaml').safe_load('a'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    environment.pop("TASKLAWS_TRACEBACK", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"error: {tmp_path / 'src' / name} stands in the place of another module")
    assert done.stderr.count("\n") == 1


def test_a_message_of_any_length_is_one_line_that_ends(capsys):
    with pytest.raises(SystemExit):
        run(raising(TasklawsError("x\n" * 100_000)))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert len(said) < 2100


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_stdout_of_ascii_gets_codes_for_other_letters(variables):
    code = "from tasklaws.core.script import run; run(lambda: print('\\xb5 \\u2013 \\udcff'))"
    environment = {**os.environ, "PYTHONCOERCECLOCALE": "0", **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout == b"\\xb5 \\u2013 \\udcff\n"


def test_success_is_silent(capsys):
    ran = []
    run(lambda: ran.append(1))
    assert ran == [1]
    assert capsys.readouterr() == ("", "")
