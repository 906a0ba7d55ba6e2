"""Let made-up people attempt the items."""

from pathlib import Path

from tasklaws.core import script
from tasklaws.core.schema import read_family_items
from tasklaws.core.settings import load
from tasklaws.humans.population import simulate_attempts
from tasklaws.tables import ATTEMPTS


def main() -> None:
    settings = load()
    items, out = read_family_items(settings.humans.families), Path("data/population/attempts.csv")
    ATTEMPTS.write(out, simulate_attempts(items, settings.humans.population, settings.seed))
    print(f"{out}: {settings.humans.population.n_people} people at {len(items)} items")


if __name__ == "__main__":
    script.run(main)
