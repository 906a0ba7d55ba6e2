"""Let made-up people attempt the items."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.config import load_params
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.humans.population import Population, simulate
from tasklaws.tables import ATTEMPTS


def main() -> None:
    params = load_params()
    population = Population.from_params(params["humans"]["population"])
    items = [item for family in params["humans"]["families"] for item in read_items(ITEMS / f"{family}.jsonl")]
    out = Path("data/population/attempts.csv")
    ATTEMPTS.write(out, simulate(items, population, params["seed"]))
    print(f"{out}: {population.n_people} people at {len(items)} items")


if __name__ == "__main__":
    errors.run(main)
