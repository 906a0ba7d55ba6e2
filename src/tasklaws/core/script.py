"""How a stage or command runs: what befalls it ends in one clear line."""

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tasklaws.core.errors import TasklawsError, fail
from tasklaws.core.lock import keep_lock

TRACEBACK = "TASKLAWS_TRACEBACK"  # set, it lets what nobody foresaw end in Python's traceback


def argument(argv: list[str]) -> str:
    """The one argument of a stage's script; any other number of them raises TasklawsError."""
    if len(argv) != 2:
        raise TasklawsError(f"{argv[0]} takes one argument, {len(argv) - 1} were given: see dvc.yaml")
    return argv[1]


def run(main: Callable[[], None]) -> None:
    """Run a stage's or command's main, turning failures into one clear line and status 1.

    What nobody foresaw is named with its place in the code; with TASKLAWS_TRACEBACK set it passes. A stage that ended
    well leaves a note of its run (`core.runs`).
    """
    for stream in (sys.stdout, sys.stderr):  # of ASCII they show other letters as codes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from tasklaws.core.runs import noted  # here, so that what stands in the place of its modules is named too

        keep_lock()
        with noted():
            main()
    except TasklawsError as error:
        fail(str(error))
    except OSError as error:
        # By its text, because shutil.copytree gathers what befell its files into one error without a number.
        if any(os.strerror(code) in str(error) for code in (errno.ENOSPC, errno.EDQUOT)):
            fail(f"disk full while writing {error.filename or 'an output'}: free some space and run it again")
        if error.filename is None:
            _unforeseen(error)
        fail(f"{error.filename}: {error.strerror}: check that the file exists and can be read or written")
    except KeyboardInterrupt:
        fail("interrupted: run the same command again to resume")
    except Exception as error:
        _unforeseen(error)


def _unforeseen(error: Exception) -> NoReturn:
    if TRACEBACK in os.environ:
        raise error
    places = traceback.extract_tb(error.__traceback__)
    own = [place for place in places if "tasklaws" in place.filename] or places
    what = f"{type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno} ({str(error)[:200]})"
    if usurpers := _usurpers(error):
        fail(f"{usurpers[0]} stands in the place of another module, and so came {what}: remove it")
    fail(f"unforeseen {what}: this is a fault of tasklaws: report it with what {TRACEBACK}=1 shows")


def _usurpers(error: Exception) -> list[str]:
    """Modules beside the package in its sources, which no library is, and a compiled one within that does not load."""
    package = Path(__file__).parents[1]
    files = [Path(getattr(module, "__file__", None) or "/") for module in list(sys.modules.values())]
    beside = [file for file in files if package.parent in file.parents and package not in file.parents]
    found = set(map(str, beside)) if package.parent.name == "src" else set()
    if isinstance(error, ImportError) and package in Path(error.path or "").parents:
        found |= {str(error.path)} if Path(str(error.path)).suffix != ".py" else set()
    return sorted(found)
