"""Judge what one rung said to the overlap experiment's questions."""

import sys
from pathlib import Path

from tasklaws.core import script
from tasklaws.core.settings import load
from tasklaws.harness.score import score_rung
from tasklaws.overlap.sets import ASK, SET_ITEMS
from tasklaws.paths import Paths
from tasklaws.tables import SCORES


def main() -> None:
    settings = load()
    rung = script.argument(sys.argv)
    settings.rung(rung)  # or refuse it
    paths = Paths(settings.models.name)
    table = score_rung(Path("models", rung), settings, ASK, SET_ITEMS, paths.set_responses(rung), final_only=True)
    out = paths.set_scores / f"{rung}.csv"
    SCORES.write(out, table)
    print(f"{out}: {len(table)} scores")


if __name__ == "__main__":
    script.run(main)
