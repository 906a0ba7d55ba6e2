"""Judge what one rung said, and lay beside its scores what made them: its card and the sandbox."""

import sys
from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_json
from tasklaws.core.schema import read_family_items
from tasklaws.core.settings import load
from tasklaws.harness.score import score_rung
from tasklaws.ladder import card
from tasklaws.paths import Paths
from tasklaws.sandbox import engine_id
from tasklaws.tables import SCORES


def main() -> None:
    settings = load()
    rung = errors.argument(sys.argv)
    role, ask = settings.rung(rung).role, settings.elicitation.ask
    paths = Paths(settings.models.name)
    items = {item.id: item for item in read_family_items(ask)}
    made = card.read_card(Path("models", rung))
    checkpoints = [(one.seed, one.step) for one in made.checkpoints]
    table = score_rung(rung, paths.responses(rung), items, ask, checkpoints, settings.execution.workers)
    out = paths.scores(role) / f"{rung}.csv"
    SCORES.write(out, table)
    write_json(out.with_suffix(".json"), {"card": made.to_dict(), "sandbox": engine_id()})
    print(f"{out}: {len(table)} scores")


if __name__ == "__main__":
    errors.run(main)
