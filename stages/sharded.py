"""Train one small rung by several numbers of workers, ask and score it: an axis that should show no law."""

from tasklaws.core import script
from tasklaws.core.settings import load
from tasklaws.experiments.sharded_runs import sharded_runs
from tasklaws.paths import Paths
from tasklaws.tables import SHARDED


def main() -> None:
    settings = load()
    out = Paths(settings.models.name).sharded
    runs = sharded_runs(settings)
    SHARDED.write(out, runs)
    print(f"{out}: {len(runs)} observations")


if __name__ == "__main__":
    script.run(main)
