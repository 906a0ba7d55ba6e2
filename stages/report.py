"""Stage report: the figures, the plots' table and the pages of the ladder in params; and the list of all pages."""

from pathlib import Path

from tasklaws.core.script import run
from tasklaws.core.settings import load
from tasklaws.report.build import build_report
from tasklaws.report.entry import write_entry


def main() -> None:
    build_report(Path(), load())
    write_entry(Path())


if __name__ == "__main__":
    run(main)
