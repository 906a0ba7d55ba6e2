"""Stage report: the figures, the plots' table and the page of the ladder in params."""

from pathlib import Path

from tasklaws.core.errors import run
from tasklaws.core.settings import load
from tasklaws.report.build import build


def main() -> None:
    build(Path(), load())


if __name__ == "__main__":
    run(main)
