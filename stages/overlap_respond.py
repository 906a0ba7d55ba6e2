"""Put the overlap experiment's questions to the final checkpoints of one rung."""

import sys
from pathlib import Path

from tasklaws.core import script
from tasklaws.core.settings import load
from tasklaws.harness.ask import ask_rung
from tasklaws.overlap.sets import ASK, SET_ITEMS


def main() -> None:
    settings = load()
    rung = script.argument(sys.argv)
    settings.rung(rung)  # or refuse it
    out = Path("responses", "overlap", settings.models.name, f"{rung}.jsonl")
    ask_rung(Path("models", rung), settings, ASK, SET_ITEMS, out, final_only=True)
    print(f"{out}: done")


if __name__ == "__main__":
    script.run(main)
