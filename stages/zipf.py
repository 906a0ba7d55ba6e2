"""Set the loss exponents of the corpora beside those that their Zipf exponents predict."""

from tasklaws.core import script
from tasklaws.core.settings import load
from tasklaws.experiments.zipf import exponents, read_runs
from tasklaws.paths import Paths
from tasklaws.tables import ZIPF_EXPONENTS, ZIPF_RUNS


def main() -> None:
    settings = load()
    paths = Paths(settings.models.name)
    runs = read_runs(paths.zipf, settings.experiment.exponents)
    table = exponents(runs, settings.seed)
    ZIPF_RUNS.write(paths.overlap / "zipf_runs.csv", runs)
    ZIPF_EXPONENTS.write(paths.overlap / "zipf.csv", table)
    print(f"{paths.overlap}/zipf.csv: {len(table)} exponents")


if __name__ == "__main__":
    script.run(main)
