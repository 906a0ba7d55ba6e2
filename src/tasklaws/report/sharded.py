"""The essay's bunk axis: does it matter how many workers a rung of the same compute was trained by?"""

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, linregress, t

from tasklaws.tables import SHARDED_TRENDS

DISCOVERY_RATE = 0.1


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
