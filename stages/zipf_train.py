"""Train the runs of one Zipf exponent and keep their held-out losses."""

import sys
from pathlib import Path

from tasklaws.core import script
from tasklaws.core.settings import load
from tasklaws.experiments.zipf_runs import train_runs
from tasklaws.tables import ZIPF_RUNS


def main() -> None:
    settings = load()
    exponent = float(script.argument(sys.argv))
    out = Path("data/zipf", f"{exponent:g}.csv")
    runs = train_runs(exponent, settings.experiment.zipf_runs, settings.seed, settings.execution.workers)
    ZIPF_RUNS.write(out, runs)
    print(f"{out}: {len(runs)} runs")


if __name__ == "__main__":
    script.run(main)
