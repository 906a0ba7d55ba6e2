"""`tasklaws sandbox FILE`."""

import json
import sys
from pathlib import Path

import pytest

from tasklaws import cli


def tasklaws(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["tasklaws", "sandbox", *arguments])
    cli.main()


@pytest.mark.parametrize(
    ("program", "status", "stdout", "error"),
    [
        (b"print(6 * 7)", "ok", "42\n", ""),
        (b"print(1)\n1 / 0", "error", "1\n", "ZeroDivisionError: division by zero"),
        (b"while True: pass", "out_of_fuel", "", "the fuel budget is spent"),
        (b"x = '\xff'", "error", "", "UnicodeEncodeError: "),
        (b"", "ok", "", ""),
    ],
)
def test_json_is_the_outcome(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    program: bytes,
    status: str,
    stdout: str,
    error: str,
) -> None:
    (tmp_path / "program.py").write_bytes(program)
    tasklaws(monkeypatch, str(tmp_path / "program.py"), "--fuel", "100000000", "--json")
    outcome = json.loads(capsys.readouterr().out)
    assert set(outcome) == {"status", "stdout", "error", "fuel"}
    assert (outcome["status"], outcome["stdout"]) == (status, stdout)
    assert outcome["error"].startswith(error)
    assert bool(outcome["error"]) == bool(error)


def test_without_json_it_is_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "program.py").write_text("print(7, end='')\nx")
    tasklaws(monkeypatch, str(tmp_path / "program.py"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "status  error"
    assert lines[1].startswith("fuel    ")
    assert lines[2:] == ["error   NameError: name 'x' is not defined", "stdout", "7"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.py"], "error: absent.py: No such file or directory: check that"),
        (["."], "error: .: Is a directory: check that"),
        (["empty.py", "--fuel", "0"], "error: fuel is 0: give a whole number from 1 to"),
        (["empty.py", "--fuel", "-5"], "error: fuel is -5: give a whole number from 1 to"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.py").touch()
    with pytest.raises(SystemExit) as stop:
        tasklaws(monkeypatch, *arguments)
    output = capsys.readouterr()
    assert stop.value.code == 1
    assert output.err.startswith(message)
    assert output.err.count("\n") == 1
    assert not output.out
