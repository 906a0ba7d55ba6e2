"""Write the size and budget of every rung, from the configuration alone."""

from pathlib import Path

import pandas as pd

from tasklaws.core import errors
from tasklaws.core.settings import load
from tasklaws.gate import open_gate
from tasklaws.ladder.card import rung_budgets
from tasklaws.tables import LADDER


def main() -> None:
    models = load().models
    out = Path("results", models.name, "ladder.csv")
    LADDER.write(out, pd.DataFrame(rung_budgets(models)))
    open_gate("fit", out)
    print(f"{out}: {len(models.rungs)} rungs")


if __name__ == "__main__":
    errors.run(main)
