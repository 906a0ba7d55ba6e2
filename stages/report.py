"""Stage report: the figures, the plots' table and the page of the ladder in params."""

from pathlib import Path

from tasklaws.core.config import load_params
from tasklaws.core.errors import run
from tasklaws.report.build import build_report


def main() -> None:
    build_report(Path(), load_params())


if __name__ == "__main__":
    run(main)
