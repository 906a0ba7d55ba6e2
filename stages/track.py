"""Stage track: rebuild MLflow from what the pipeline has written, and say which runs there are."""

from pathlib import Path

from tasklaws.core.config import load_params
from tasklaws.core.errors import run
from tasklaws.core.files import write_json
from tasklaws.tracking import rebuild


def main() -> None:
    params = load_params()
    account, _ = rebuild(Path(), params)
    write_json(Path("results") / params["models"]["name"] / "tracking.json", account)


if __name__ == "__main__":
    run(main)
