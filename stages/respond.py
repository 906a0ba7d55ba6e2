"""Put every item to all checkpoints of one rung."""

import sys
from pathlib import Path

from tasklaws.cells.collect import collected
from tasklaws.core import errors
from tasklaws.core.schema import BENCHMARKS, ITEMS
from tasklaws.core.settings import load
from tasklaws.harness.ask import ask_rung


def main() -> None:
    settings = load()
    rung = errors.argument(sys.argv)
    settings.rung(rung)  # or refuse it
    if collected(settings.execution.store):
        return
    out = Path("responses", settings.models.name, f"{rung}.jsonl")
    benchmarks = BENCHMARKS if settings.benchmarks else None
    ask_rung(Path("models", rung), settings, settings.elicitation.ask, ITEMS, out, benchmarks=benchmarks)
    print(f"{out}: done")


if __name__ == "__main__":
    errors.run(main)
