"""Put the overlap experiment's questions to the final checkpoints of one rung."""

import sys
from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.config import load_params, rung_settings
from tasklaws.experiments.overlap_sets import ASK, ITEMS
from tasklaws.harness.ask import Asking, ask_rung


def main() -> None:
    params = load_params()
    rung = errors.argument(sys.argv)
    rung_settings(params, rung)
    asking = Asking.from_params(params, ASK, ITEMS)
    out = Path("responses", "overlap", params["models"]["name"], f"{rung}.jsonl")
    ask_rung(Path("models", rung), asking, out, params["execution"]["workers"], final_only=True)
    print(f"{out}: done")


if __name__ == "__main__":
    errors.run(main)
