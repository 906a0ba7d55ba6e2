"""Estimate from people's attempts, made-up or real, how hard each item is and how long it takes."""

from pathlib import Path

from tasklaws.core import script
from tasklaws.core.schema import read_family_items
from tasklaws.core.settings import load
from tasklaws.humans.estimates import solve_rates


def main() -> None:
    settings = load()
    people = settings.humans
    families = {item.id: item.family for item in read_family_items(people.families)}
    rates = solve_rates(Path(people.attempts), families=families, target=people.target, level=people.interval)
    out = Path("data/humans")
    rates.write(out)
    print(*rates.notes, f"{out}/items.csv: {len(rates.items)} items", sep="\n")


if __name__ == "__main__":
    script.run(main)
