"""Judge what one rung said to the overlap experiment's questions."""

import sys
from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import read_family_items
from tasklaws.core.settings import load
from tasklaws.experiments.overlap_sets import ASK, SET_ITEMS
from tasklaws.harness.score import score_rung
from tasklaws.ladder import card
from tasklaws.paths import Paths
from tasklaws.tables import SCORES


def main() -> None:
    settings = load()
    rung = errors.argument(sys.argv)
    settings.rung(rung)  # or refuse it
    paths = Paths(settings.models.name)
    items = {item.id: item for item in read_family_items(ASK, SET_ITEMS)}
    finals = [(one.seed, one.step) for one in card.read_card(Path("models", rung)).checkpoints if one.is_final]
    table = score_rung(rung, paths.set_responses(rung), items, ASK, finals, settings.execution.workers)
    out = paths.set_scores / f"{rung}.csv"
    SCORES.write(out, table)
    print(f"{out}: {len(table)} scores")


if __name__ == "__main__":
    errors.run(main)
