"""A foreseen failure is one line and status 1; any other stays a traceback."""

import errno
import shutil

import pytest

from tasklaws.core.errors import TasklawsError, run


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


@pytest.mark.parametrize("error", [ValueError("a bug"), ZeroDivisionError(), BrokenPipeError()])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        run(raising(error))


def test_success_is_silent(capsys):
    ran = []
    run(lambda: ran.append(1))
    assert ran == [1]
    assert capsys.readouterr() == ("", "")
