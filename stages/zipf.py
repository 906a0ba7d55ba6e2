"""Set the loss exponents of the corpora beside those that their Zipf exponents predict."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.config import load_params
from tasklaws.core.files import write_json
from tasklaws.experiments.zipf import exponents, read_runs, zipf_sentence
from tasklaws.tables import ZIPF_EXPONENTS, ZIPF_RUNS


def main() -> None:
    params = load_params()
    out = Path("results", params["models"]["name"], "overlap")
    runs = read_runs(Path("data/zipf"), params["experiment"]["exponents"])
    table = exponents(runs, params["seed"])
    ZIPF_RUNS.write(out / "zipf_runs.csv", runs)
    ZIPF_EXPONENTS.write(out / "zipf.csv", table)
    write_json(out / "zipf.json", {"sentences": [zipf_sentence(table)]})
    print(f"{out}/zipf.csv: {len(table)} exponents")


if __name__ == "__main__":
    errors.run(main)
