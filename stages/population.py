"""Let made-up people attempt the items."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.core.settings import load
from tasklaws.humans.population import simulate_attempts
from tasklaws.tables import ATTEMPTS


def main() -> None:
    settings = load()
    population = settings.humans.population
    items = [item for family in settings.humans.families for item in read_items(ITEMS / f"{family}.jsonl")]
    out = Path("data/population/attempts.csv")
    ATTEMPTS.write(out, simulate_attempts(items, population, settings.seed))
    print(f"{out}: {population.n_people} people at {len(items)} items")


if __name__ == "__main__":
    errors.run(main)
