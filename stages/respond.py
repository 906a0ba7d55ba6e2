"""Put every item to all checkpoints of one rung."""

import sys
from pathlib import Path

from tasklaws.core import script
from tasklaws.core.schema import BENCHMARKS, ITEMS
from tasklaws.core.settings import load
from tasklaws.harness.ask import ask_rung


def main() -> None:
    settings = load()
    rung = script.argument(sys.argv)
    settings.rung(rung)  # or refuse it
    out = Path("responses", settings.models.name, f"{rung}.jsonl")
    benchmarks = BENCHMARKS if settings.benchmarks else None
    ask_rung(Path("models", rung), settings, settings.elicitation.ask, ITEMS, out, benchmarks=benchmarks)
    print(f"{out}: done")


if __name__ == "__main__":
    script.run(main)
