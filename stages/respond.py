"""Put every item to all checkpoints of one rung."""

import sys
from pathlib import Path

from tasklaws import errors
from tasklaws.config import load_params, rung_settings
from tasklaws.harness.ask import Asking, ask_rung
from tasklaws.items import ITEMS


def main() -> None:
    params = load_params()
    rung = errors.argument(sys.argv)
    rung_settings(params, rung)
    asking = Asking.from_params(params, params["elicitation"]["ask"], ITEMS)
    out = Path("responses", params["models"]["name"], f"{rung}.jsonl")
    ask_rung(Path("models", rung), asking, out, params["execution"]["workers"])
    print(f"{out}: done")


if __name__ == "__main__":
    errors.run(main)
