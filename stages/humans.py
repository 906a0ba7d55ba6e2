"""Estimate from people's attempts, made-up or real, how hard each item is and how long it takes."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import read_family_items
from tasklaws.core.settings import load
from tasklaws.humans.estimates import write_summary


def main() -> None:
    settings = load()
    items, attempts = read_family_items(settings.humans.families), Path(settings.humans.attempts)
    said = write_summary(attempts, items, settings.humans.interval, settings.humans.target, Path("data/humans"))
    print("\n".join(said))


if __name__ == "__main__":
    errors.run(main)
