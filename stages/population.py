"""Let made-up people attempt the items."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_table
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.core.settings import load
from tasklaws.humans.attempts import ATTEMPT_KEYS
from tasklaws.humans.population import simulate


def main() -> None:
    settings = load()
    population = settings.humans.population
    items = [item for family in settings.humans.families for item in read_items(ITEMS / f"{family}.jsonl")]
    out = Path("data/population/attempts.csv")
    write_table(out, simulate(items, population, settings.seed), ATTEMPT_KEYS)
    print(f"{out}: {population.n_people} people at {len(items)} items")


if __name__ == "__main__":
    errors.run(main)
