"""Gather the scores of all rungs of one role into observations."""

import sys
from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import Role
from tasklaws.core.settings import load
from tasklaws.harness.observe import observations
from tasklaws.ladder.card import read_made_by
from tasklaws.tables import OBSERVATIONS, read_scores, refuse_identical


def main() -> None:
    models = load().models
    role: Role = "holdout" if errors.argument(sys.argv) == "holdout" else "fit"
    ladder = models.name
    rungs = models.rungs_of(role)
    directory = Path("scores", ladder, role)
    scores = read_scores(directory, rungs)
    refuse_identical(scores)
    cards = [read_made_by(directory, rung).card for rung in rungs]
    out = Path("results", ladder, f"observations_{role}.csv")
    table = observations(ladder, role, scores, cards)
    OBSERVATIONS.write(out, table)
    print(f"{out}: {len(table)} observations")


if __name__ == "__main__":
    errors.run(main)
