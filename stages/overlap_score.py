"""Judge what one rung said to the overlap experiment's questions."""

import sys
from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import read_items
from tasklaws.core.settings import load
from tasklaws.experiments.overlap_sets import ASK, FAMILY, SET_ITEMS
from tasklaws.harness.score import score_rung
from tasklaws.ladder import card
from tasklaws.tables import SCORES


def main() -> None:
    settings = load()
    rung = errors.argument(sys.argv)
    settings.rung(rung)  # or refuse it
    ladder = settings.models.name
    items = {item.id: item for item in read_items(SET_ITEMS / f"{FAMILY}.jsonl")}
    responses = Path("responses", "overlap", ladder, f"{rung}.jsonl")
    finals = [(one.seed, one.step) for one in card.read_card(Path("models", rung)).checkpoints if one.is_final]
    table = score_rung(rung, responses, items, ASK, finals, settings.execution.workers)
    out = Path("scores", "overlap", ladder, f"{rung}.csv")
    SCORES.write(out, table)
    print(f"{out}: {len(table)} scores")


if __name__ == "__main__":
    errors.run(main)
