"""Estimate from people's attempts, made-up or real, how hard each item is and how long it takes."""

from pathlib import Path

from tasklaws import errors
from tasklaws.config import load_params
from tasklaws.humans.summary import write_summary
from tasklaws.humans.target import Target
from tasklaws.items import ITEMS, read_items


def main() -> None:
    params = load_params()
    items = [item for family in params["humans"]["families"] for item in read_items(ITEMS / f"{family}.jsonl")]
    wanted = params["humans"]["target"]
    target = Target(wanted["group"], wanted["shares"]) if wanted else None
    attempts, level = Path(params["humans"]["attempts"]), params["humans"]["interval"]
    print("\n".join(write_summary(attempts, items, level, target, Path("data/humans"))))


if __name__ == "__main__":
    errors.run(main)
