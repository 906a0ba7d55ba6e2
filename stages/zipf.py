"""Set the loss exponents of the corpora beside those that their Zipf exponents predict."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_json
from tasklaws.core.settings import load
from tasklaws.experiments.zipf import exponents, read_runs, zipf_sentence
from tasklaws.tables import ZIPF_EXPONENTS, ZIPF_RUNS


def main() -> None:
    settings = load()
    out = Path("results", settings.models.name, "overlap")
    runs = read_runs(Path("data/zipf"), settings.experiment.exponents)
    table = exponents(runs, settings.seed)
    ZIPF_RUNS.write(out / "zipf_runs.csv", runs)
    ZIPF_EXPONENTS.write(out / "zipf.csv", table)
    write_json(out / "zipf.json", {"sentences": [zipf_sentence(table)]})
    print(f"{out}/zipf.csv: {len(table)} exponents")


if __name__ == "__main__":
    errors.run(main)
