"""Put every item to all checkpoints of one rung."""

import os
import sys
from pathlib import Path

from tasklaws import errors
from tasklaws.config import load_params, rung_settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


def main() -> None:
    from tasklaws.harness.ask import Asking, ask_rung

    params = load_params()
    rung = errors.argument(sys.argv)
    rung_settings(params, rung)
    elicitation, models, execution = params["elicitation"], params["models"], params["execution"]
    asking = Asking(elicitation["ask"], elicitation["num_fewshot"], models["dtype"], execution["batch_size"])
    out = Path("responses", models["name"], f"{rung}.jsonl")
    ask_rung(Path("models", rung), asking, out, execution["workers"])
    print(f"{out}: done")


if __name__ == "__main__":
    errors.run(main)
