"""Estimate from people's attempts, made-up or real, how hard each item is and how long it takes."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.config import load_params
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.humans.estimates import Target, write_summary


def main() -> None:
    params = load_params()
    items = [item for family in params["humans"]["families"] for item in read_items(ITEMS / f"{family}.jsonl")]
    wanted = params["humans"]["target"]
    target = Target(wanted["group"], wanted["shares"]) if wanted else None
    attempts, level = Path(params["humans"]["attempts"]), params["humans"]["interval"]
    print("\n".join(write_summary(attempts, items, level, target, Path("data/humans"))))


if __name__ == "__main__":
    errors.run(main)
