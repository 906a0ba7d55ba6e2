"""When a claim of many forecasts passes: enough intervals hold, and it is closer than repeating the last known."""

import numpy as np
import pandas as pd
from scipy.stats import binom, norm

from tasklaws.core.arrays import Array
from tasklaws.stats.scores import LEVEL

FALSE_ALARM = 0.05  # how often, at most, intervals that hold with LEVEL may hold too few
TOGETHER = 0.5  # correlation of one model's errors in the second of the chances
_DRAWS = 4000
UNIT = "points of 100, of a loss per cent of the last known value"


def least_held(n: int) -> tuple[int, float]:
    """How many of n intervals must hold, and how likely true ones fail that: the most, k, for which X ~ Binomial(n,
    LEVEL) has P(X < k) <= FALSE_ALARM, but at least 1 (n >= 1)."""
    least = max(1, int(binom.ppf(FALSE_ALARM, n, LEVEL)))
    return least, float(binom.cdf(least - 1, n, LEVEL))


def errors(table: pd.DataFrame, said: str, observed: Array) -> Array:
    """Absolute errors of the column `said` in UNIT; shape of `observed`, whose last axis is the rows of the table."""
    last = table["last"].abs().to_numpy(dtype=float)
    unit = np.where((table["unit"] == "share") | (last == 0), 1.0, last)
    return np.asarray(100 * np.abs(table[said].to_numpy(dtype=float) - observed) / unit)


def pass_chances(statements: pd.DataFrame) -> dict[str, float]:
    """How likely a claim passes, to two digits, if its forecasts are true (errors independent, or those of one model
    correlated by TOGETHER), if their intervals should be twice as wide, and if each score is drawn as widely around
    the last known value: what the rule can tell apart.

    By simulation with a fixed seed; a forecast is halves of normals, by its interval, kept in the metric's range."""
    n = len(statements)
    least, _ = least_held(n)
    low, middle, high = (statements[name].to_numpy(dtype=float) for name in ("lower", "predicted", "upper"))
    most = np.where(statements["unit"] == "share", 1.0, np.inf)
    generator = np.random.default_rng(0)
    alone = generator.standard_normal((_DRAWS, n))
    model = pd.factorize(statements["ladder"] + "\n" + statements["model"])[0]
    common = generator.standard_normal((_DRAWS, model.max() + 1))[:, model]
    together = np.sqrt(TOGETHER) * common + np.sqrt(1 - TOGETHER) * alone

    def chance(centre: Array, errors_: Array) -> float:
        half = np.where(errors_ < 0, middle - low, high - middle) / norm.ppf((1 + LEVEL) / 2)
        observed = np.clip(centre + errors_ * half, 0.0, most)
        held = ((observed >= low) & (observed <= high)).sum(axis=1) >= least
        closer = (errors(statements, "predicted", observed) - errors(statements, "last", observed)).mean(axis=1) < 0
        return round(float((held & closer).mean()), 2)

    return {
        "true": chance(middle, alone),
        "true_with_common_errors": chance(middle, together),
        "intervals_half_as_wide_as_true_ones": chance(middle, 2 * alone),
        "no_change_from_the_last_known": chance(statements["last"].to_numpy(dtype=float), alone),
    }
