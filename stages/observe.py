"""Gather the scores of all rungs of one role into observations."""

import sys

from tasklaws.core import script
from tasklaws.core.schema import Role
from tasklaws.core.settings import load
from tasklaws.harness.observe import observations
from tasklaws.ladder.card import read_made_by
from tasklaws.paths import Paths
from tasklaws.tables import OBSERVATIONS, each_scores, read_ladder, refuse_identical, refuse_other_sizes


def main() -> None:
    settings = load()
    role: Role = "holdout" if script.argument(sys.argv) == "holdout" else "fit"
    paths, rungs = Paths(settings.models.name), settings.models.rungs_of(role)
    scores = refuse_identical(each_scores(paths.scores(role), rungs))
    made = {rung: read_made_by(paths.scores(role), rung) for rung in rungs}
    cards, whole = [one.card for one in made.values()], {rung: one.whole for rung, one in made.items()}
    refuse_other_sizes(read_ladder(paths.sizes, rungs), {card.rung: card.n_params for card in cards}, paths.sizes)
    table = observations(paths.ladder, role, scores, cards, whole, flexible=settings.models.learned_elsewhere)
    OBSERVATIONS.write(paths.observations(role), table)
    print(f"{paths.observations(role)}: {len(table)} observations")


if __name__ == "__main__":
    script.run(main)
