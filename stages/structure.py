"""How many independent tasks each family is worth, and how sharp its curve is; from the fit rungs alone."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.config import load_params, rungs_of
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.families import build
from tasklaws.families.step_chain import StepChain
from tasklaws.overlap.design import chain_weights
from tasklaws.overlap.summary import structure_table
from tasklaws.tables import EFFECTIVE_NUMBERS, read_checkpoints, read_scores


def main() -> None:
    params = load_params()
    ladder = params["models"]["name"]
    rungs = rungs_of(params, "fit")
    results = Path(f"results/{ladder}")
    sizes = read_checkpoints(results / "observations_fit.csv").drop_duplicates(["rung", "seed", "step"])
    scores = read_scores(Path(f"scores/{ladder}/fit"), rungs)
    families = sorted(scores["family"].unique())
    items = {item.id: item for family in families for item in read_items(ITEMS / f"{family}.jsonl")}
    chains = [family for family in build(params["families"]["sets"]) if isinstance(family, StepChain)]
    table = structure_table(scores, sizes, items, {chain.name: chain_weights(chain) for chain in chains})
    EFFECTIVE_NUMBERS.write(results / "structure.csv", table.assign(ladder=ladder))
    for row in table.itertuples():
        print(f"{row.family} {row.elicitation}: {row.n_items} items are worth {row.n_eff:.1f} ({row.taken_from})")


if __name__ == "__main__":
    errors.run(main)
