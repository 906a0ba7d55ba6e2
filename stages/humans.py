"""Estimate from people's attempts, made-up or real, how hard each item is and how long it takes."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.core.settings import load
from tasklaws.humans.estimates import write_summary


def main() -> None:
    settings = load()
    items = [item for family in settings.humans.families for item in read_items(ITEMS / f"{family}.jsonl")]
    people = settings.humans
    said = write_summary(Path(people.attempts), items, people.interval, people.target, Path("data/humans"))
    print("\n".join(said))


if __name__ == "__main__":
    errors.run(main)
