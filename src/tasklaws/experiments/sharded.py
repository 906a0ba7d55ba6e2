"""The essay's bunk axis: does it matter how many workers a rung of the same compute was trained by?"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, linregress, t

from tasklaws.core.schema import ITEMS, read_family_items
from tasklaws.core.settings import Settings
from tasklaws.harness.ask import ask_rung
from tasklaws.harness.observe import observations
from tasklaws.harness.score import score_rung
from tasklaws.ladder import card
from tasklaws.ladder.rung import train_rung, training_key
from tasklaws.tables import SHARDED, SHARDED_TRENDS

_CORPUS = Path("data/corpus")
_WORK = Path(".work/sharded")
DISCOVERY_RATE = 0.1


def sharded_runs(settings: Settings) -> pd.DataFrame:
    """Loss and scores (tables.SHARDED) of the final checkpoints of `models.sharded`: each is trained, asked all items
    and scored as a rung of the ladder is. Finished training is kept below .work until all are done."""
    tables = [SHARDED.frame([])]
    for name, source in settings.models.sharded.items():
        model, said = _WORK / training_key(source, _CORPUS) / name, _WORK / f"{name}.jsonl"
        if not (model / card.CARD).exists():
            train_rung(name, source, _CORPUS, model, settings.execution.workers)
        ask_rung(model, settings, settings.elicitation.ask, ITEMS, said, final_only=True)
        made = card.read_card(model)
        finals = [(one.seed, one.step) for one in made.checkpoints if one.is_final]
        items = {item.id: item for item in read_family_items(settings.elicitation.ask)}
        scores = score_rung(name, said, items, settings.elicitation.ask, finals, settings.execution.workers)
        seen = observations(settings.models.name, "fit", [scores], [made])
        tables.append(seen[seen["is_final"]].assign(n_workers=source.n_shards))
    shutil.rmtree(_WORK, ignore_errors=True)
    return pd.concat(tables[1:] or tables, ignore_index=True)


def sharded_trends(runs: pd.DataFrame) -> pd.DataFrame:
    """For each curve the slope per doubling of the workers (tables.SHARDED_TRENDS), least squares over all seeds.

    `low` and `high` are the 90% t-interval; `q` is the p-value of no slope, adjusted for the number of curves
    (Benjamini and Hochberg 1995); `seed_sd` is the spread of the seeds of one number of workers. A curve has `no law`
    along the axis unless q is at most `DISCOVERY_RATE`.
    """
    rows = []
    for key, own in runs.groupby(["family", "elicitation", "metric"], sort=True):
        doublings, values = np.log2(own["n_workers"].to_numpy(float)), own["value"].to_numpy(float)
        line = linregress(doublings, values)
        p_value, error = (line.pvalue, line.stderr) if np.ptp(values) else (1.0, 0.0)  # SciPy: NaN for a level line
        reach = t.ppf(0.95, len(own) - 2) * error
        spread = float(np.sqrt(own.groupby("n_workers")["value"].var().mean()))
        ends = [values[doublings == end].mean() for end in (doublings.min(), doublings.max())]
        rows.append([*key, *ends, line.slope, line.slope - reach, line.slope + reach, spread, p_value])
    table = SHARDED_TRENDS.frame([[*row, ""] for row in rows])
    if len(table):
        table["q"] = false_discovery_control(table["q"].to_numpy(float))
    table["verdict"] = np.where(table["q"].astype(float) <= DISCOVERY_RATE, "a trend", "no law")
    return table
