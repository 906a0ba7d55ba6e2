"""Fitting laws to the fit rungs' curves, and the difficulty of their items."""

import pandas as pd

from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Laws
from tasklaws.forecast.fits_file import FittedCurve, FittedLaw, to_eight_digits
from tasklaws.laws.fitting import fit
from tasklaws.laws.forms import refuse_unfit
from tasklaws.stats.rasch import fit_rasch
from tasklaws.tables import CurveKey, by_curve, is_loss


def fit_ladder(observations: pd.DataFrame, scores: pd.DataFrame, laws: Laws, seed: int) -> list[FittedCurve]:
    """Fit every curve of the final `observations` of the fit rungs; `scores` are the items' behind them.

    A law that does not exist, or gives no loss and is to be fitted to losses, raises TasklawsError.
    """
    refuse_unfit(laws)
    return [fit_curve(key, table, scores, laws, seed) for key, table in by_curve(observations)]


def fit_curve(key: CurveKey, table: pd.DataFrame, scores: pd.DataFrame, laws: Laws, seed: int) -> FittedCurve:
    names = laws.losses if is_loss(key.metric) else laws.scores
    chance = table["chance"].mean() if table["chance"].notna().any() else None
    difficulty = None
    if key.metric == "exact_match":
        own = scores[(scores["family"] == key.family) & (scores["elicitation"] == key.elicitation)]
        solved = own.pivot(index="item", columns=["rung", "seed"], values=key.metric).sort_index()
        hardness = fit_rasch(solved.to_numpy(dtype=float), chance or 0.0).difficulty
        difficulty = {str(item): round(float(value), 6) for item, value in zip(solved.index, hardness, strict=True)}
    fitted = tuple(fit_law(name, table.assign(model=table["rung"]), laws.replicates, seed) for name in names)
    return FittedCurve(*key, laws=fitted, chance=None if chance is None else float(chance), difficulty=difficulty)


def fit_law(name: str, table: pd.DataFrame, replicates: int, seed: int) -> FittedLaw:
    try:
        found = fit(table, name, replicates=replicates, seed=seed)
    except TasklawsError as error:
        return FittedLaw.failed(name, str(error))
    return read(FittedLaw, to_eight_digits(found.to_dict(whole=False)), name, "this is a fault of tasklaws")
