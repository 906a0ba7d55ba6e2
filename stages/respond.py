"""Put every item, or those of a part (`RUNG:2of4`), to all checkpoints of one rung."""

import sys
from pathlib import Path

from tasklaws.cells.collect import collected
from tasklaws.core import script
from tasklaws.core.schema import BENCHMARKS, ITEMS
from tasklaws.core.settings import load
from tasklaws.harness.ask import Part, ask_rung


def main() -> None:
    settings = load()
    rung, _, part = script.argument(sys.argv).partition(":")
    settings.rung(rung)  # or refuse it
    if collected(settings.execution.store):
        return
    out = Path("responses", settings.models.name, f"{rung}.jsonl")
    benchmarks = BENCHMARKS if settings.benchmarks else None
    asked = settings.elicitation.ask
    ask_rung(Path("models", rung), settings, asked, ITEMS, out, benchmarks=benchmarks, part=Part.of(part))
    print(f"{out}: done")


if __name__ == "__main__":
    script.run(main)
