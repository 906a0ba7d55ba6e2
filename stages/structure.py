"""How many independent tasks each family is worth, and how sharp its curve is; from the fit rungs alone."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.core.settings import load
from tasklaws.families import build
from tasklaws.families.step_chain import StepChain
from tasklaws.overlap.design import chain_weights
from tasklaws.overlap.effective_number import worth
from tasklaws.overlap.summary import structure_table
from tasklaws.tables import EFFECTIVE_NUMBERS, read_checkpoints, read_scores


def main() -> None:
    settings = load()
    ladder = settings.models.name
    rungs = settings.models.rungs_of("fit")
    results = Path(f"results/{ladder}")
    sizes = read_checkpoints(results / "observations_fit.csv").drop_duplicates(["rung", "seed", "step"])
    scores = read_scores(Path(f"scores/{ladder}/fit"), rungs)
    families = sorted(scores["family"].unique())
    items = {item.id: item for family in families for item in read_items(ITEMS / f"{family}.jsonl")}
    chains = [family for family in build(settings.families.sets) if isinstance(family, StepChain)]
    table = structure_table(scores, sizes, items, {chain.name: chain_weights(chain) for chain in chains})
    EFFECTIVE_NUMBERS.write(results / "structure.csv", table.assign(ladder=ladder))
    for _, row in table.iterrows():
        print(f"{row['family']} {row['elicitation']}: {worth({str(name): value for name, value in row.items()})}")


if __name__ == "__main__":
    errors.run(main)
