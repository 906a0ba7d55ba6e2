"""Put the overlap experiment's questions to the final checkpoints of one rung."""

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
    from tasklaws.overlap.questions import FAMILY, ITEMS

    os.environ["TASKLAWS_ITEMS"] = str(ITEMS)
    params = load_params()
    rung = errors.argument(sys.argv)
    rung_settings(params, rung)
    models, execution = params["models"], params["execution"]
    asking = Asking(
        {FAMILY: ["direct"]}, params["elicitation"]["num_fewshot"], models["dtype"], execution["batch_size"]
    )
    out = Path("responses", "overlap", models["name"], f"{rung}.jsonl")
    ask_rung(Path("models", rung), asking, out, execution["workers"], final_only=True)
    print(f"{out}: done")


if __name__ == "__main__":
    errors.run(main)
