"""Rebuild MLflow from what the pipeline has written, and say which runs there are."""

from pathlib import Path

from tasklaws.core import script
from tasklaws.core.files import write_json
from tasklaws.core.settings import load
from tasklaws.paths import Paths
from tasklaws.provenance.chain import read_chain
from tasklaws.tracking.rebuild import rebuild


def main() -> None:
    ladder = load().models.name
    account, _ = rebuild(Path(), read_chain(), ladder)
    write_json(Paths(ladder).tracking, account)


if __name__ == "__main__":
    script.run(main)
