"""The `tasklaws` command, run in this process."""

from unittest import mock

from tasklaws import cli


def run(*words: str) -> int:
    """The exit status of `tasklaws WORDS`."""
    with mock.patch("sys.argv", ["tasklaws", *words]):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0
