"""Make one rung: train it from scratch, or fetch it from a hub."""

import os
import sys
from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import read_documents
from tasklaws.core.settings import TrainSource, load

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def main() -> None:
    settings = load()
    rung = errors.argument(sys.argv)
    source = settings.rung(rung).source
    corpus, out = Path("data/corpus"), Path("models", rung)
    if isinstance(source, TrainSource):
        from tasklaws.ladder.rung import train_rung

        train_rung(rung, source, corpus, out, settings.execution.workers)
    else:
        from tasklaws.ladder.hub import fetch

        fetch(rung, source, [document.to_dict() for document in read_documents(corpus / "heldout.jsonl")], out)
    print(f"{out}: done")


if __name__ == "__main__":
    errors.run(main)
