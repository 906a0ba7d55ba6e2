"""Judge what one rung said, and lay beside its scores what made them: its card and the sandbox."""

import sys
from pathlib import Path

import pandas as pd

from tasklaws.core import script
from tasklaws.core.files import write_json
from tasklaws.core.schema import ITEMS
from tasklaws.core.settings import load
from tasklaws.harness.score import score_rung
from tasklaws.ladder import card
from tasklaws.paths import Paths
from tasklaws.sandbox import engine_id
from tasklaws.tables import SCORES


def main() -> None:
    settings = load()
    rung = script.argument(sys.argv)
    model, paths = Path("models", rung), Paths(settings.models.name)
    out = paths.scores(settings.rung(rung).role) / f"{rung}.csv"
    table = score_rung(model, settings, settings.elicitation.ask, ITEMS, paths.responses(rung))
    made: dict[str, object] = {"card": card.read_card(model).to_dict(), "sandbox": engine_id()}
    if settings.benchmarks:
        from tasklaws.harness.benchmarks.scores import score_benchmarks  # lm-eval takes seconds to import

        rows, made["whole"] = score_benchmarks(model, settings, paths.responses(rung))
        table = pd.concat([table, pd.DataFrame(rows)], ignore_index=True)
    SCORES.write(out, table)
    write_json(out.with_suffix(".json"), made)
    print(f"{out}: {len(table)} scores")


if __name__ == "__main__":
    script.run(main)
