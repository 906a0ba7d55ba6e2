"""How many independent tasks each family is worth, and how sharp its curve is; from the fit rungs alone."""

from tasklaws.core import script
from tasklaws.core.schema import read_asked_items
from tasklaws.core.settings import load
from tasklaws.families import build
from tasklaws.families.step_chain import StepChain
from tasklaws.frames.csv_files import records
from tasklaws.overlap.design import chain_weights
from tasklaws.overlap.effective_number import worth
from tasklaws.overlap.summary import structure_table
from tasklaws.paths import Paths
from tasklaws.tables import EFFECTIVE_NUMBERS, read_checkpoints, read_scores


def main() -> None:
    settings = load()
    paths = Paths(settings.models.name)
    sizes = read_checkpoints(paths.observations("fit")).drop_duplicates(["rung", "seed", "step"])
    scores = read_scores(paths.scores("fit"), settings.models.rungs_of("fit"))
    items = {item.id: item for item in read_asked_items(sorted(scores["family"].unique()))}
    chains = [family for family in build(settings.families.sets) if isinstance(family, StepChain)]
    table = structure_table(scores, sizes, items, {chain.name: chain_weights(chain) for chain in chains})
    EFFECTIVE_NUMBERS.write(paths.effective_numbers, table.assign(ladder=paths.ladder))
    for row in records(table):
        print(f"{row['family']} {row['elicitation']}: {worth(row)}")


if __name__ == "__main__":
    script.run(main)
