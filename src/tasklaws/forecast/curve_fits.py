"""Fitting laws to the fit rungs' curves, and the difficulty of their items."""

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.fits_file import Estimate, FittedCurve, FittedLaw
from tasklaws.laws.fitting import fit
from tasklaws.laws.settings import LawSettings
from tasklaws.stats.rasch import difficulties
from tasklaws.tables import CurveKey, by_curve, is_loss


def fit_ladder(observations: pd.DataFrame, scores: pd.DataFrame, settings: LawSettings, seed: int) -> list[FittedCurve]:
    """Fit every curve of the final `observations` of the fit rungs; `scores` are the items' behind them."""
    return [fit_curve(key, table, scores, settings, seed) for key, table in by_curve(observations)]


def fit_curve(
    key: CurveKey, table: pd.DataFrame, scores: pd.DataFrame, settings: LawSettings, seed: int
) -> FittedCurve:
    names = settings.losses if is_loss(key.metric) else settings.scores
    chance = table["chance"].mean() if table["chance"].notna().any() else None
    difficulty = None
    if key.metric == "exact_match":
        own = scores[(scores["family"] == key.family) & (scores["elicitation"] == key.elicitation)]
        solved = own.pivot(index="item", columns=["rung", "seed"], values=key.metric).sort_index()
        hardness = difficulties(solved.to_numpy(dtype=float), chance or 0.0)
        difficulty = {str(item): round(float(value), 6) for item, value in zip(solved.index, hardness, strict=True)}
    laws = tuple(fit_law(name, table.assign(model=table["rung"]), settings.replicates, seed) for name in names)
    return FittedCurve(*key, laws=laws, chance=None if chance is None else float(chance), difficulty=difficulty)


def fit_law(name: str, table: pd.DataFrame, replicates: int, seed: int) -> FittedLaw:
    try:
        found = fit(table, name, replicates=replicates, seed=seed)
    except TasklawsError as error:
        return FittedLaw(name, "failed", str(error), (), 0, {})
    estimates = {
        parameter: Estimate(shortened(value), found.units[parameter], *map(shortened, found.interval[parameter]))
        for parameter, value in found.params.items()
    }
    misfit = shortened(float(np.sqrt(np.mean(found.points["residual"] ** 2))))
    return FittedLaw(name, found.status.value, found.reason, found.law.inputs, found.n_points, estimates, misfit)


def shortened(value: float) -> float:
    """Eight digits: what arithmetic on another machine may well agree on."""
    return float(f"{value:.8g}")
