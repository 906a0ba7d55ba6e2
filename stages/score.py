"""Judge what one rung said, and lay beside its scores what made them: its card and the sandbox."""

import sys
from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_json
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.core.settings import load
from tasklaws.harness.score import score_rung
from tasklaws.ladder import card
from tasklaws.sandbox import engine_id
from tasklaws.tables import SCORES


def main() -> None:
    settings = load()
    rung = errors.argument(sys.argv)
    ladder, role = settings.models.name, settings.rung(rung).role
    items = {item.id: item for family in settings.elicitation.ask for item in read_items(ITEMS / f"{family}.jsonl")}
    responses = Path("responses", ladder, f"{rung}.jsonl")
    known = card.read_card(Path("models", rung))
    ask, workers = settings.elicitation.ask, settings.execution.workers
    checkpoints = [(checkpoint.seed, checkpoint.step) for checkpoint in known.checkpoints]
    table = score_rung(rung, responses, items, ask, checkpoints, workers)
    out = Path("scores", ladder, role, f"{rung}.csv")
    SCORES.write(out, table)
    made_by = {"card": known.to_dict(), "sandbox": engine_id()}
    write_json(out.with_suffix(".json"), made_by)
    print(f"{out}: {len(table)} scores")


if __name__ == "__main__":
    errors.run(main)
