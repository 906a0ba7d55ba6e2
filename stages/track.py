"""Stage track: rebuild MLflow from what the pipeline has written, and say which runs there are."""

from pathlib import Path

from tasklaws.core.errors import run
from tasklaws.core.files import write_json
from tasklaws.core.settings import load
from tasklaws.tracking import rebuild


def main() -> None:
    settings = load()
    account, _ = rebuild(Path(), settings)
    write_json(Path("results") / settings.models.name / "tracking.json", account)


if __name__ == "__main__":
    run(main)
