"""What the end of a search is worth."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.batch import Batch, Mask, Problem
from tasklaws.laws.status import Status

EDGE = 1e-6  # a coordinate this close to a bound, as a share of the box, lies on it
SQUARE = 1e6  # a Huber delta that no residual reaches
LEAST_SPREAD = 1e-6  # of a log loss: none is known better
SINGULAR = 1e-12  # of the information that the best determined direction has: less is rounding
LOOSE = 3.0  # a standard error of a logged coordinate from which on it counts as unknown: a factor of twenty
LOOSE_SHARE = 0.25  # the same of a coordinate that is not logged, as a share of its box


def assess(batch: Batch, table: int, theta: Array, rested: bool) -> tuple[Status, str, tuple[str, ...]]:
    """The status, the reason where it is not `converged`, and the coordinates on a bound, natural edges included."""
    names = [batch.law.parameters[owner].name for owner in batch.owner]
    lower, upper = batch.bounds[table]
    width = upper - lower
    loose = width > 0
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
    real = batch.real[table]
    keys = np.stack([*(values[table][real] for values in batch.x.values()), batch.ladder[table][real]])
    n_free, n_rungs = int((width > 0).sum()), np.unique(keys, axis=1).shape[1]
    if n_rungs < n_free:
        return Status.UNIDENTIFIED, f"{n_free} parameters from {n_rungs} different inputs", tuple(hits)
    weak = undetermined(batch, table, theta, loose)
    if weak:
        together = " and ".join(names[index] for index in weak)
        return Status.UNIDENTIFIED, f"the points do not determine {together}", tuple(hits)
    if not rested:
        return Status.FAILED, "the search did not come to rest", tuple(hits)
    return (Status.BOUND_HIT, ", ".join(cut), tuple(hits)) if cut else (Status.CONVERGED, "", tuple(hits))


def undetermined(batch: Batch, table: int, theta: Array, loose: Mask) -> list[int]:
    """The coordinates that make up the direction which the Fisher information determines least, if its standard error
    is too wide; of a loss with the variance that its logarithm has around the law (least squares, as Huber's
    curvature says nothing of outliers)."""
    index = np.flatnonzero(loose)
    if not index.size:
        return []
    one = np.array([table])
    problem = Problem(batch, one, batch.target[one], batch.real[one].astype(float), SQUARE)
    objective, _, curvature = problem(theta[None], np.array([0]))
    variance = 1.0
    if batch.kind == "loss":
        degrees = max(int(batch.real[table].sum()) - index.size, 1)
        variance = max(2 * float(objective[0]) / degrees, LEAST_SPREAD**2)
    width = (batch.bounds[table, 1] - batch.bounds[table, 0])[index]
    limit = np.where(batch.logged[index], LOOSE, LOOSE_SHARE * width)
    known = curvature[0][np.ix_(index, index)] / variance * np.outer(limit, limit)
    values, vectors = np.linalg.eigh(known)
    if values[0] >= max(1.0, SINGULAR * values[-1]):
        return []
    share = np.abs(vectors[:, 0])
    return sorted(index[share > max(0.3 * share.max(), 0.1)].tolist())
