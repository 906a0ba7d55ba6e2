"""Rebuild MLflow from what the pipeline has written, and say which runs there are."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_json
from tasklaws.core.settings import load
from tasklaws.paths import Paths
from tasklaws.tracking import rebuild


def main() -> None:
    settings = load()
    account, _ = rebuild(Path(), settings)
    write_json(Paths(settings.models.name).tracking, account)


if __name__ == "__main__":
    errors.run(main)
