"""Write the size and budget of every rung, before any is made: as stated, or as its config.json says."""

import os

from tasklaws.core import script
from tasklaws.core.settings import load
from tasklaws.gate import open_gate
from tasklaws.ladder.sizes import rung_budgets
from tasklaws.paths import Paths
from tasklaws.tables import LADDER

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def main() -> None:
    settings = load()
    paths = Paths(settings.models.name)
    LADDER.write(paths.sizes, LADDER.frame(rung_budgets(settings.models)).astype({"n_tokens": "Int64"}))
    open_gate(paths.gate("fit"), paths.sizes)
    print(f"{paths.sizes}: {len(settings.models.rungs)} rungs")


if __name__ == "__main__":
    script.run(main)
