"""Write the size and budget of every rung, from the configuration alone."""

import pandas as pd

from tasklaws.core import errors
from tasklaws.core.settings import load
from tasklaws.gate import open_gate
from tasklaws.ladder.card import rung_budgets
from tasklaws.paths import Paths
from tasklaws.tables import LADDER


def main() -> None:
    settings = load()
    paths = Paths(settings.models.name)
    LADDER.write(paths.sizes, pd.DataFrame(rung_budgets(settings.models)))
    open_gate(paths.gate("fit"), paths.sizes)
    print(f"{paths.sizes}: {len(settings.models.rungs)} rungs")


if __name__ == "__main__":
    errors.run(main)
