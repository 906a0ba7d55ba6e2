"""What the end of a search is worth."""

from dataclasses import replace

import numpy as np
from scipy.special import fdtri

from tasklaws.core.arrays import Array
from tasklaws.laws.batch import SQUARE, Batch, Mask, Problem
from tasklaws.laws.optimise import search
from tasklaws.laws.status import Status

EDGE = 1e-6  # a coordinate this close to a bound, as a share of the box, lies on it
LEAST_SPREAD = 1e-6  # of a log loss: none is known better
SINGULAR = 1e-12  # of the information that the best determined direction has: less is rounding
LOOSE = 3.0  # a standard error of a logged coordinate from which on it counts as unknown: a factor of twenty
LOOSE_SHARE = 0.25  # the same of a coordinate that is not logged, as a share of its box
_LIKELY = 0.95  # level of the test between a law and the same one turned round


def assess(batch: Batch, table: int, theta: Array, rested: bool, counted: Mask) -> tuple[Status, str, tuple[str, ...]]:
    """The status, the reason where it is not `converged`, and the coordinates on a bound, natural edges included.

    Only the points `counted` are looked at: not the failed runs that the fit leaves out."""
    names = [batch.law.parameters[owner].name for owner in batch.owner]
    lower, upper = batch.bounds[table]
    width = upper - lower
    loose = width > 0
    value = batch.model(theta[None], np.array([table]))[0][0]
    if not np.isfinite(value).all():
        return Status.FAILED, "the search broke: the law has no finite value at its end", ()
    hits: list[str] = []
    cut: list[str] = []
    for index in np.flatnonzero(loose):
        share = (theta[index] - lower[index]) / width[index]
        if not (share < EDGE or share > 1 - EDGE):
            continue
        side = int(share > 0.5)
        loose[index] = False
        hits.append(f"{names[index]} at its {('lower', 'upper')[side]} bound")
        if not batch.law.parameters[batch.owner[index]].edge[side]:
            cut.append(hits[-1])
    n_free = int((width > 0).sum())
    keys = np.stack([*(values[table][counted] for values in batch.x.values()), batch.ladder[table][counted]])
    n_rungs = np.unique(keys, axis=1).shape[1]
    if n_rungs < n_free:
        return Status.UNIDENTIFIED, f"{n_free} parameters from {n_rungs} different inputs", tuple(hits)
    weak = undetermined(batch, table, theta, loose, counted)
    if weak:
        together = " and ".join(names[index] for index in weak)
        return Status.UNIDENTIFIED, f"the points do not determine {together}", tuple(hits)
    if not rested:
        return Status.FAILED, "the search did not come to rest", tuple(hits)
    turned = either_sign(batch, table, theta, counted)
    if turned:
        return Status.UNIDENTIFIED, f"the points do not determine the sign of {turned}", tuple(hits)
    return (Status.BOUND_HIT, ", ".join(cut), tuple(hits)) if cut else (Status.CONVERGED, "", tuple(hits))


def undetermined(batch: Batch, table: int, theta: Array, loose: Mask, counted: Mask) -> list[int]:
    """The coordinates that make up the direction which the Fisher information of the points `counted` determines least,
    if its standard error is too wide; of a loss with the variance that its logarithm has around the law (least squares,
    as Huber's curvature says nothing of outliers)."""
    index = np.flatnonzero(loose)
    if not index.size:
        return []
    objective, curvature = squares(batch, table, theta, counted)
    variance = scatter(batch, objective, int(counted.sum()) - index.size)
    width = (batch.bounds[table, 1] - batch.bounds[table, 0])[index]
    limit = np.where(batch.logged[index], LOOSE, LOOSE_SHARE * width)
    known = curvature[np.ix_(index, index)] / variance * np.outer(limit, limit)
    values, vectors = np.linalg.eigh(known)
    if values[0] >= max(1.0, SINGULAR * values[-1]):
        return []
    share = np.abs(vectors[:, 0])
    return sorted(index[share > max(0.3 * share.max(), 0.1)].tolist())


def either_sign(batch: Batch, table: int, theta: Array, counted: Mask) -> str:
    """The name of a `signed` parameter of whose other sign the law fits the points `counted` as well, by a likelihood
    ratio; empty if there is none."""
    for index, owner in enumerate(batch.owner):
        parameter = batch.law.parameters[int(owner)]
        if not parameter.signed:
            continue
        one = batch.part(slice(table, table + 1), 1)
        bounds = one.bounds.copy()
        bounds[:, int(theta[index] > 0), index] = 0.0
        found = search(replace(one, bounds=bounds), counted[None].astype(float))[0][0, 0]
        best, rival = (squares(batch, table, at, counted)[0] for at in (theta, found))
        degrees = max(int(counted.sum()) - len(theta), 1)
        limit = fdtri(1, degrees if batch.kind == "loss" else 1e9, _LIKELY)
        if 2 * (rival - best) / scatter(batch, best, degrees) < limit:
            return parameter.name
    return ""


def squares(batch: Batch, table: int, theta: Array, counted: Mask) -> tuple[float, Array]:
    """Half the deviance, or half the sum of squares of log losses, over the points `counted`, and its curvature."""
    one = np.array([table])
    problem = Problem(batch, one, batch.target[one], counted[None].astype(float), SQUARE)
    objective, _, curvature = problem(theta[None], np.array([0]))
    return float(objective[0]), curvature[0]


def scatter(batch: Batch, objective: float, degrees: int) -> float:
    """The variance of a log loss around the law, of half a sum of squares; 1 of an accuracy, whose items say it."""
    return 1.0 if batch.kind == "accuracy" else max(2 * objective / max(degrees, 1), LEAST_SPREAD**2)
