"""Item response with explained difficulty: abilities, effects and variances from a matrix of scores with gaps."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit

from tasklaws.core.arrays import Array
from tasklaws.items.covariates import Explanation


@dataclass(frozen=True)
class NewtonStep:
    """A change of the shared parameters (M + p,) and of the items' random effects (N, d)."""

    shared: Array
    residuals: Array


@dataclass(frozen=True)
class Curvature:
    """The negative Hessian of the log posterior as blocks, for N items, M models, p shared effects, d random effects
    an item.

    `weight` (N, M) of the cells; `phi` (M, d); `own` (N, d, d), the inverse of each item's own block;
    `coupling` (N, d, M + p) = own times each item's block with the shared parameters;
    `shared` (M + p, M + p), the inverse of the shared block's Schur complement, which is their posterior covariance.
    """

    weight: Array
    phi: Array
    own: Array
    coupling: Array
    shared: Array

    def newton(self, slope: Array, shared_pull: Array, residual_pull: Array, explained: Array) -> NewtonStep:
        """The Newton step for slopes (N, M) of the cells and the priors' pulls, precision times value."""
        towards = np.concatenate([slope.sum(axis=0), explained.T @ slope.sum(axis=1)]) - shared_pull
        own = slope @ self.phi - residual_pull
        shared = self.shared @ (towards - self.coupling.reshape(-1, len(towards)).T @ own.reshape(-1))
        alone = np.einsum("nde,ne->nd", self.own, own)
        return NewtonStep(shared, alone - (self.coupling.reshape(-1, len(towards)) @ shared).reshape(own.shape))

    def shared_stderr(self) -> Array:
        """(M + p,) standard errors of abilities and effects."""
        stderr: Array = np.sqrt(np.diagonal(self.shared))
        return stderr

    def residual_variances(self) -> Array:
        """(N, d) variances of the random effects: given the shared parameters, plus what their uncertainty adds."""
        n_items, size, width = self.coupling.shape
        flat = self.coupling.reshape(-1, width)
        added = ((flat @ self.shared) * flat).sum(axis=1).reshape(n_items, size)
        variances: Array = np.diagonal(self.own, axis1=1, axis2=2) + added
        return variances

    def offsets_stderr(self, explained: Array, basis: Array) -> Array:
        """(N,) standard errors of explained' effects + basis' residuals."""
        direction = -np.einsum("d,ndk->nk", basis, self.coupling)
        direction[:, len(self.phi) :] += explained
        alone = np.einsum("d,nde,e->n", basis, self.own, basis)
        stderr: Array = np.sqrt(alone + ((direction @ self.shared) * direction).sum(axis=1))
        return stderr


def curvature_at(
    weight: Array, explained: Array, phi: Array, shared_precision: Array, item_precision: Array
) -> Curvature:
    """Curvature at cell weights (N, M), with the priors' precisions (M + p, M + p) and, diagonal, (d,).

    The Hessian is dense only in the shared parameters: each item's effects touch no other item's, so that the Schur
    complement S = H_shared - sum_i C_i' B_i^-1 C_i costs N d (M + p)^2, and nothing of size N x N is made.
    """
    n_models, size = phi.shape
    n_items, n_explained = explained.shape
    outer = (phi[:, :, None] * phi[:, None, :]).reshape(n_models, size * size)
    own = np.linalg.inv((weight @ outer).reshape(n_items, size, size) + np.diag(item_precision)).astype(np.float64)
    crossed = np.empty((n_items, size, n_models + n_explained))
    crossed[:, :, :n_models] = weight[:, None, :] * phi.T
    crossed[:, :, n_models:] = (weight @ phi)[:, :, None] * explained[:, None, :]
    coupling = own @ crossed
    hessian = np.zeros((n_models + n_explained,) * 2)
    hessian[:n_models, :n_models] = np.diag(weight.sum(axis=0))
    hessian[:n_models, n_models:] = weight.T @ explained
    hessian[n_models:, :n_models] = hessian[:n_models, n_models:].T
    hessian[n_models:, n_models:] = (explained * weight.sum(axis=1)[:, None]).T @ explained
    hessian += shared_precision
    width = n_models + n_explained
    hessian -= crossed.reshape(-1, width).T @ coupling.reshape(-1, width)
    factor = cho_factor((hessian + hessian.T) / 2)
    return Curvature(weight, phi, own, coupling, cho_solve(factor, np.eye(width)))


LENGTHS = {"drift": 1.5, "era": 0.7}
"""Length scales: the drift's in logits of the mean score (from 50% to 82%, say), the era's in years or ln n_params."""
RANK = 4
"""Directions kept of each process; eight of the era change no log loss by .0005."""


@dataclass(frozen=True)
class Directions:
    """A Gaussian process of unit variance along one quantity, exp(-(t - t')^2 / (2 length^2)): its leading eigenvectors
    at the models' places `knots`."""

    knots: Array
    projection: Array
    length: float

    @classmethod
    def at(cls, places: Array, block: str) -> "Directions":
        """The directions of a block (`drift`, `era`) for models at `places` (M,)."""
        knots = np.unique(places)
        values, vectors = np.linalg.eigh(_kernel(knots, knots, LENGTHS[block]))
        order = np.argsort(values)[::-1][:RANK]
        kept = [index for index in order if values[index] > 1e-6 * values.max()]
        return cls(knots, vectors[:, kept] / np.sqrt(values[kept]), LENGTHS[block])

    def __call__(self, places: Array) -> Array:
        """(M, d) values at `places` (M,)."""
        return np.asarray(_kernel(places, self.knots, self.length) @ self.projection)


@dataclass(frozen=True)
class Basis:
    """Blocks of functions of a model's level (the logit of its mean score) and position (its date or size), each block
    with a variance of its own.

    level        1                      1PL: one difficulty an item
    slope        level - centre         2PL: an item discriminates more or less than others
    drift        a Gaussian process along the level: how similarly able models did on an item says more about the next
                 than how weak ones did
    era          a Gaussian process along the position: so does how recent ones did, who learned from like data
    """

    centre: float
    blocks: tuple[str, ...]
    directions: dict[str, Directions]

    @classmethod
    def at(cls, levels: Array, positions: Array, blocks: tuple[str, ...]) -> "Basis":
        """The basis for models at `levels` and `positions`, each (M,)."""
        places = {"drift": levels, "era": positions}
        directions = {block: Directions.at(places[block], block) for block in blocks if block in places}
        return cls(float(levels.mean()), blocks, directions)

    def __call__(self, levels: Array, positions: Array) -> dict[str, Array]:
        """Block -> (M, d) values at `levels` and `positions`, each (M,)."""
        columns = {"level": np.ones((len(levels), 1)), "slope": (levels - self.centre)[:, None]}
        places = {"drift": levels, "era": positions}
        columns |= {block: directions(places[block]) for block, directions in self.directions.items()}
        return {block: columns[block] for block in self.blocks}


def _kernel(left: Array, right: Array, length: float) -> Array:
    kernel: Array = np.exp(-((left[:, None] - right[None]) ** 2) / (2 * length**2))
    return kernel


EFFECT_SD = 2.5
"""Prior standard deviation of a standardised covariate's effect, in logits (Gelman et al. 2008, Ann. Appl. Stat.
2:1360)."""
CENTRE_SD = 10.0
"""Prior standard deviation of the mean ability times sqrt(M): next to nothing is known of where models and items
meet."""
PRIOR_SD = {"level": 2.0, "slope": 0.5, "drift": 1.0, "era": 1.0, "ability": 2.0}
"""Where the learned standard deviations start, and what they shrink to on small tables; 1 for every grouping."""
PRIOR_WEIGHT = 4.0
"""How many observed effects that prior is worth."""
LARGEST_STEP = 4.0
"""No cell's logit moves further in one step: keeps Newton's method from overshooting on all-or-nothing items."""
CHANCE_DAMPING = 0.7
"""Scoring with the expected curvature can step across the mode and back for ever where guessing helps; a shorter step
cannot."""
LOGIT_SETTLED, VARIANCE_SETTLED = 1e-2, 1e-2
"""When to stop: the largest change of a logit, and of a standard deviation's logarithm, in one iteration."""
MAX_ITERATIONS = 200


@dataclass(frozen=True)
class ItemResponseFit:
    """A fitted model of N items and M models, in logits:

        P(model m solves item i) = c_i + (1 - c_i) sigmoid(ability_m + x_i' effects + sum_blocks phi_m' residual_i)

    `ability`, `ability_stderr` (M,); `effects` (p + g,) and their standard errors, covariates first, then the groups
    of each grouping; `residuals` (N, d), the items' random effects; `sd` the learned standard deviation of each block
    and grouping; `converged` whether the iteration settled.
    """

    ability: Array
    ability_stderr: Array
    effects: Array
    effects_stderr: Array
    residuals: Array
    sd: dict[str, float]
    converged: bool
    _explained: Array
    _curvature: Curvature

    def offsets(self, basis: Array) -> Array:
        """(N,) log odds of a solver of ability 0 at `basis` (d,): minus the item's difficulty there."""
        offsets: Array = self._explained @ self.effects + self.residuals @ basis
        return offsets

    def explained(self, explanation: Explanation) -> Array:
        """(n,) the same for items that the fit has not seen, whose random effects are 0."""
        offsets: Array = _explained(explanation) @ self.effects
        return offsets

    def offsets_stderr(self, basis: Array) -> Array:
        """(N,) standard errors of `offsets`, with the uncertainty of abilities and effects in them."""
        return self._curvature.offsets_stderr(self._explained, basis)


def fit_item_response(
    scores: Array, explanation: Explanation, blocks: dict[str, Array], chance: Array
) -> ItemResponseFit:
    """Fit by penalised likelihood, learning the variances: EM with Laplace's approximation of the posterior.

    `scores` (N, M) in [0, 1], NaN where missing; a fractional score counts as that share of a success. `blocks`: name
    -> (M, d) functions of the models (see Basis); none at all makes difficulty a matter of the explanation alone.
    `chance` (N,). Each block, each grouping and the abilities have a normal prior; its variance is set, at every
    step, to (PRIOR_WEIGHT PRIOR_SD^2 + sum of E[effect^2]) / (PRIOR_WEIGHT + their number), E over a normal with the
    posterior's mode and curvature. Between these steps one Newton step (Fisher's scoring where chance > 0) is taken
    jointly in all parameters, the items' random effects eliminated analytically (Bates & DebRoy 2004, J. Multivar.
    Anal. 91:1; Bock & Aitkin 1981 for EM in item response). Laplace's variances come out small where answers are few
    (1.42 for a true 1.5 at 28 answers an item; with guessing at 0.25 and 40 answers, 1.35, and the 90% intervals hold
    in 85-88%).
    """
    phi = np.concatenate([np.zeros((scores.shape[1], 0)), *blocks.values()], axis=1)
    explained = _explained(explanation)
    n_items, n_models = scores.shape
    sizes = {name: values.shape[1] for name, values in blocks.items()}
    groups = {name: member.shape[1] for name, member in explanation.groups.items()}
    n_covariates = explanation.covariates.shape[1]
    sd = {name: PRIOR_SD.get(name, 1.0) for name in (*sizes, *groups, "ability")}

    asked = ~np.isnan(scores)
    filled = np.where(asked, scores, 0.0)
    share = np.clip((filled.sum(axis=0) + 0.5) / (asked.sum(axis=0) + 1), 0.01, 0.99)
    shared = np.concatenate([logit(share), np.zeros(explained.shape[1])])
    residuals = np.zeros((n_items, phi.shape[1]))
    longest = CHANCE_DAMPING if chance.any() else 1.0
    converged = False
    for _ in range(MAX_ITERATIONS):
        shared_precision = _shared_precision(sd, n_models, n_covariates, groups)
        item_precision = np.repeat([sd[name] ** -2.0 for name in sizes], list(sizes.values()))
        eta = _logits(shared, residuals, explained, phi)
        slope, weight = _derivatives(filled, asked, eta, chance)
        curve = curvature_at(weight, explained, phi, shared_precision, item_precision)
        step = curve.newton(slope, shared_precision @ shared, item_precision * residuals, explained)
        change = np.abs(_logits(step.shared, step.residuals, explained, phi)).max()
        scale = min(longest, LARGEST_STEP / max(change, 1e-12))
        shared = shared + scale * step.shared
        residuals = residuals + scale * step.residuals
        update = _learned(shared, residuals, curve, sizes, groups, n_covariates)
        moved = max((abs(np.log(update[name] / sd[name])) for name in sd), default=0.0)
        sd = update
        if change < LOGIT_SETTLED and moved < VARIANCE_SETTLED:
            converged = True
            break
    stderr = curve.shared_stderr()
    return ItemResponseFit(
        ability=shared[:n_models],
        ability_stderr=stderr[:n_models],
        effects=shared[n_models:],
        effects_stderr=stderr[n_models:],
        residuals=residuals,
        sd=sd,
        converged=converged,
        _explained=explained,
        _curvature=curve,
    )


def _shared_precision(sd: dict[str, float], n_models: int, n_covariates: int, groups: dict[str, int]) -> Array:
    """(M + p, M + p) of abilities, covariates' effects and groups; the abilities' mean is all but free."""
    precision = np.diag(
        np.concatenate(
            [np.full(n_models, sd["ability"] ** -2.0), np.full(n_covariates, EFFECT_SD**-2.0)]
            + [np.full(count, sd[name] ** -2.0) for name, count in groups.items()]
        )
    )
    precision[:n_models, :n_models] += (CENTRE_SD**-2.0 - sd["ability"] ** -2.0) / n_models
    return precision


def _explained(explanation: Explanation) -> Array:
    """(N, p + g): covariates and memberships side by side."""
    return np.concatenate([explanation.covariates, *explanation.groups.values()], axis=1)


def _logits(shared: Array, residuals: Array, explained: Array, phi: Array) -> Array:
    n_models = len(phi)
    logits: Array = shared[:n_models] + (explained @ shared[n_models:])[:, None] + residuals @ phi.T
    return logits


def _derivatives(scores: Array, asked: np.ndarray, eta: Array, chance: Array) -> tuple[Array, Array]:
    """The log likelihood's slope in each cell's logit, and its expected curvature; 0 in cells not asked.

    With s = sigmoid(eta), p = c + (1 - c) s: slope (y - p) s / p, curvature (1 - c) s^2 (1 - s) / p (Lord 1980).
    """
    solved = expit(eta)
    if not chance.any():
        return np.where(asked, scores - solved, 0.0), np.where(asked, solved * (1 - solved), 0.0)
    c = chance[:, None]
    expected = c + (1 - c) * solved
    known = solved / expected
    curvature = (1 - c) * solved * (1 - solved) * known
    return np.where(asked, (scores - expected) * known, 0.0), np.where(asked, curvature, 0.0)


def _learned(
    shared: Array,
    residuals: Array,
    curve: Curvature,
    sizes: dict[str, int],
    groups: dict[str, int],
    n_covariates: int,
) -> dict[str, float]:
    """The M step: each standard deviation from the second moments of its effects."""
    n_models = len(shared) - n_covariates - sum(groups.values())
    variances = curve.shared_stderr() ** 2
    ability = shared[:n_models]
    squares = {"ability": (ability - ability.mean()) ** 2 + variances[:n_models]}
    start = n_models + n_covariates
    for name, count in groups.items():
        squares[name] = shared[start : start + count] ** 2 + variances[start : start + count]
        start += count
    moments = residuals**2 + curve.residual_variances()
    start = 0
    for name, size in sizes.items():
        squares[name] = moments[:, start : start + size].ravel()
        start += size
    learned = {}
    for name, moment in squares.items():
        prior = PRIOR_WEIGHT * PRIOR_SD.get(name, 1.0) ** 2
        learned[name] = float(np.sqrt((prior + moment.sum()) / (PRIOR_WEIGHT + moment.size)))
    return learned
