"""The same small rung trained by several numbers of workers, asked and scored."""

import shutil
from pathlib import Path

import pandas as pd

from tasklaws.core.schema import ITEMS
from tasklaws.core.sealed import is_sealed, seal
from tasklaws.core.settings import Settings
from tasklaws.harness.ask import ask_rung
from tasklaws.harness.observe import observations
from tasklaws.harness.score import score_rung
from tasklaws.ladder import card
from tasklaws.ladder.rung import train_rung, training_key
from tasklaws.tables import SHARDED

_CORPUS = Path("data/corpus")
_SHARDED_WORK = Path(".work/sharded")


def sharded_runs(settings: Settings) -> pd.DataFrame:
    """Loss and scores (tables.SHARDED) of the final checkpoints of `models.sharded`: each is trained, asked all items
    and scored as a rung of the ladder is. Finished training is kept below .work until all are done."""
    tables = [SHARDED.frame([])]
    for name, source in settings.models.sharded.items():
        model, said = _SHARDED_WORK / training_key(source, _CORPUS) / name, _SHARDED_WORK / f"{name}.jsonl"
        if not is_sealed(model):
            train_rung(name, source, _CORPUS, model, settings.execution.workers)
            seal(model)
        ask_rung(model, settings, settings.elicitation.ask, ITEMS, said, final_only=True)
        scores = score_rung(model, settings, settings.elicitation.ask, ITEMS, said, final_only=True)
        seen = observations(settings.models.name, "fit", [scores], [card.read_card(model)])
        tables.append(seen[seen["is_final"]].assign(n_workers=source.n_shards))
    shutil.rmtree(_SHARDED_WORK, ignore_errors=True)
    return pd.concat(tables[1:] or tables, ignore_index=True)
