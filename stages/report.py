"""Stage report: the figures, the plots' table and the page of the ladder in params."""

from pathlib import Path

from tasklaws.core.config import load_params
from tasklaws.core.errors import run
from tasklaws.report.build import build


def main() -> None:
    build(Path(), load_params())


if __name__ == "__main__":
    run(main)
