"""Set the loss exponents of the corpora beside those that their Zipf exponents predict."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_json, write_table
from tasklaws.core.settings import load
from tasklaws.experiments.tables import ZIPF_KEYS
from tasklaws.experiments.zipf import RUN_KEYS, exponents, read_runs, zipf_sentence


def main() -> None:
    settings = load()
    out = Path("results", settings.models.name, "overlap")
    runs = read_runs(Path("data/zipf"), settings.experiment.exponents)
    table = exponents(runs, settings.seed)
    write_table(out / "zipf_runs.csv", runs, RUN_KEYS)
    write_table(out / "zipf.csv", table, ZIPF_KEYS)
    write_json(out / "zipf.json", {"sentences": [zipf_sentence(table)]})
    print(f"{out}/zipf.csv: {len(table)} exponents")


if __name__ == "__main__":
    errors.run(main)
