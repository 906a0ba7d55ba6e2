"""Stage report: the figures, the plots' table and the page of the ladder in params."""

from pathlib import Path

from tasklaws.core.errors import run
from tasklaws.core.settings import load
from tasklaws.report.build import build_report


def main() -> None:
    build_report(Path(), load())


if __name__ == "__main__":
    run(main)
