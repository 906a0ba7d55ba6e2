"""Make one rung: train it from scratch, fetch it from a hub, take it from a directory, or note how it is reached."""

import os
import sys
from pathlib import Path

from tasklaws.cells.collect import collected
from tasklaws.core import script
from tasklaws.core.outputs import refuse_foreign
from tasklaws.core.schema import read_documents
from tasklaws.core.settings import HubSource, LmEvalSource, TrainSource, load

os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def main() -> None:
    settings = load()
    rung = script.argument(sys.argv)
    source = settings.rung(rung).source
    corpus, out = Path("data/corpus"), Path("models", rung)
    refuse_foreign(out)
    if collected(settings.execution.store):
        return
    if isinstance(source, TrainSource):
        from tasklaws.ladder.rung import train_rung

        train_rung(rung, source, corpus, out, settings.execution.workers)
    elif isinstance(source, LmEvalSource):
        from tasklaws.ladder.server import reach

        reach(rung, source, out)
    else:
        documents = [document.to_dict() for document in read_documents(corpus / "heldout.jsonl")]
        if isinstance(source, HubSource):
            from tasklaws.ladder.hub import fetch

            fetch(rung, source, documents, out)
        else:
            from tasklaws.ladder.local import take

            take(rung, source, documents, out)
    print(f"{out}: done")


if __name__ == "__main__":
    script.run(main)
