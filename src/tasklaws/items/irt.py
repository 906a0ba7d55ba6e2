"""Item response with explained difficulty: abilities, effects and variances from a matrix of scores with gaps."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit

from tasklaws.core.arrays import Array
from tasklaws.items.covariates import Explanation


@dataclass(frozen=True)
class Curvature:
    """The negative Hessian of the log posterior as blocks, for N items, M models, p shared effects, d random effects
    an item.

    `phi` (M, d) are the blocks' functions; `own` (N, d, d) is the inverse of each item's own block;
    `coupling` (N, d, M + p) = own times each item's block with the shared parameters;
    `shared` (M + p, M + p), the inverse of the shared block's Schur complement, is their posterior covariance."""

    phi: Array
    own: Array
    coupling: Array
    shared: Array

    @classmethod
    def at(
        cls, weight: Array, explained: Array, phi: Array, shared_precision: Array, item_precision: Array
    ) -> "Curvature":
        """At cell weights (N, M), with the priors' precisions (M + p, M + p) and, diagonal, (d,).

        The Hessian is dense only in the shared parameters: each item's effects touch no other item's, so that the Schur
        complement S = H_shared - sum_i C_i' B_i^-1 C_i costs N d (M + p)^2, and nothing of size N x N is made."""
        (n_models, size), n_items, width = phi.shape, len(explained), len(shared_precision)
        outer = (phi[:, :, None] * phi[:, None, :]).reshape(n_models, size * size)
        own = np.linalg.inv((weight @ outer).reshape(n_items, size, size) + np.diag(item_precision)).astype(np.float64)
        crossed = np.empty((n_items, size, width))
        crossed[:, :, :n_models] = weight[:, None, :] * phi.T
        crossed[:, :, n_models:] = (weight @ phi)[:, :, None] * explained[:, None, :]
        coupling = own @ crossed
        hessian = np.zeros((width, width))
        hessian[:n_models, :n_models] = np.diag(weight.sum(axis=0))
        hessian[:n_models, n_models:] = weight.T @ explained
        hessian[n_models:, :n_models] = hessian[:n_models, n_models:].T
        hessian[n_models:, n_models:] = (explained * weight.sum(axis=1)[:, None]).T @ explained
        hessian += shared_precision
        hessian -= crossed.reshape(-1, width).T @ coupling.reshape(-1, width)
        factor = cho_factor((hessian + hessian.T) / 2)
        return cls(phi, own, coupling, cho_solve(factor, np.eye(width)))

    def newton(self, slope: Array, shared_pull: Array, residual_pull: Array, explained: Array) -> tuple[Array, Array]:
        """Newton's step of the shared parameters (M + p,) and of the items' random effects (N, d), for slopes (N, M) of
        the cells and the priors' pulls, precision times value."""
        towards = np.concatenate([slope.sum(axis=0), explained.T @ slope.sum(axis=1)]) - shared_pull
        own = slope @ self.phi - residual_pull
        coupling = self.coupling.reshape(-1, len(towards))
        shared = self.shared @ (towards - coupling.T @ own.reshape(-1))
        return shared, np.einsum("nde,ne->nd", self.own, own) - (coupling @ shared).reshape(own.shape)

    def shared_stderr(self) -> Array:
        """(M + p,) standard errors of abilities and effects."""
        return np.asarray(np.sqrt(np.diagonal(self.shared)))

    def residual_variances(self) -> Array:
        """(N, d) variances of the random effects: given the shared parameters, plus what their uncertainty adds."""
        flat = self.coupling.reshape(-1, len(self.shared))
        added = ((flat @ self.shared) * flat).sum(axis=1).reshape(self.coupling.shape[:2])
        return np.asarray(np.diagonal(self.own, axis1=1, axis2=2) + added)


# Length scales: the drift's in logits of the mean score (from 50% to 82%, say), the era's in years or ln n_params.
LENGTHS = {"drift": 1.5, "era": 0.7}
RANK = 4  # directions kept of each process; eight of the era change no log loss by .0005


@dataclass(frozen=True)
class Basis:
    """Blocks of functions of a model's level (the logit of its mean score) and position (its date or size), each block
    with a variance of its own.

    level        1                      1PL: one difficulty an item
    slope        level - centre         2PL: an item discriminates more or less than others
    drift        a Gaussian process along the level: how similarly able models did on an item says more about the next
                 than how weak ones did
    era          a Gaussian process along the position: so does how recent ones did, who learned from like data

    A process has unit variance and the kernel exp(-(t - t')^2 / (2 length^2)), with LENGTHS; `processes` holds its
    leading eigenvectors: the models' places, and what projects the kernel with these on RANK directions."""

    centre: float
    blocks: tuple[str, ...]
    processes: dict[str, tuple[Array, Array]]

    @classmethod
    def at(cls, levels: Array, positions: Array, blocks: tuple[str, ...]) -> "Basis":
        """The basis for models at `levels` and `positions`, each (M,)."""
        processes = {}
        for block, places in (("drift", levels), ("era", positions)):
            if block in blocks:
                knots = np.unique(places)
                values, vectors = np.linalg.eigh(_kernel(knots, knots, LENGTHS[block]))
                kept = [at for at in np.argsort(values)[::-1][:RANK] if values[at] > 1e-6 * values.max()]
                processes[block] = knots, vectors[:, kept] / np.sqrt(values[kept])
        return cls(float(levels.mean()), blocks, processes)

    def __call__(self, levels: Array, positions: Array) -> dict[str, Array]:
        """Block -> (M, d) values at `levels` and `positions`, each (M,)."""
        columns = {"level": np.ones((len(levels), 1)), "slope": (levels - self.centre)[:, None]}
        places = {"drift": levels, "era": positions}
        for block, (knots, projection) in self.processes.items():
            columns[block] = np.asarray(_kernel(places[block], knots, LENGTHS[block]) @ projection)
        return {block: columns[block] for block in self.blocks}


def _kernel(left: Array, right: Array, length: float) -> Array:
    return np.asarray(np.exp(-((left[:, None] - right[None]) ** 2) / (2 * length**2)))


# Prior standard deviation of a standardised covariate's effect, in logits (Gelman et al. 2008, Ann. Appl. Stat.
# 2:1360).
EFFECT_SD = 2.5
# Prior standard deviation of the mean ability times sqrt(M): next to nothing is known of where models and items meet.
CENTRE_SD = 10.0
# Where the learned standard deviations start, and what they shrink to on small tables; 1 for every grouping.
PRIOR_SD = {"level": 2.0, "slope": 0.5, "drift": 1.0, "era": 1.0, "ability": 2.0}
PRIOR_WEIGHT = 4.0  # how many observed effects that prior is worth
# No cell's logit moves further in one step: keeps Newton's method from overshooting on all-or-nothing items.
LARGEST_STEP = 4.0
# Scoring with the expected curvature can step across the mode and back for ever where guessing helps; a shorter step
# cannot.
CHANCE_DAMPING = 0.7
# When to stop: the largest change of a logit, and of a standard deviation's logarithm, in one iteration.
SETTLED = 1e-2
MAX_ITERATIONS = 200


@dataclass(frozen=True)
class ItemResponseFit:
    """A fitted model of N items and M models, in logits:

        P(model m solves item i) = c_i + (1 - c_i) sigmoid(ability_m + x_i' effects + sum_blocks phi_m' residual_i)

    `ability` (M,); `effects` (p + g,), covariates first, then the groups of each grouping; `residuals` (N, d), the
    items' random effects; `sd` the learned standard deviation of each block and grouping; `converged` whether the
    iteration settled; `explained` (N, p + g), the x_i; `curvature` of the log posterior, for standard errors."""

    ability: Array
    effects: Array
    residuals: Array
    sd: dict[str, float]
    converged: bool
    explained: Array
    curvature: Curvature

    def offsets(self, basis: Array) -> Array:
        """(N,) log odds of a solver of ability 0 at `basis` (d,): minus the item's difficulty there."""
        return np.asarray(self.explained @ self.effects + self.residuals @ basis)

    def offsets_stderr(self, basis: Array) -> Array:
        """(N,) standard errors of `offsets`, with the uncertainty of abilities and effects in them."""
        curve = self.curvature
        direction = -np.einsum("d,ndk->nk", basis, curve.coupling)
        direction[:, len(curve.phi) :] += self.explained
        alone = np.einsum("d,nde,e->n", basis, curve.own, basis)
        return np.asarray(np.sqrt(alone + ((direction @ curve.shared) * direction).sum(axis=1)))


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
    in 85-88%)."""
    phi = np.concatenate([np.zeros((scores.shape[1], 0)), *blocks.values()], axis=1)
    explained = explanation.design
    n_items, n_models = scores.shape
    # Whose prior each shared parameter, and each random effect of an item, has.
    groups = {name: member.shape[1] for name, member in explanation.groups.items()}
    counts = {"ability": n_models, "covariate": explanation.covariates.shape[1], **groups}
    shared_names = np.repeat([*counts], [*counts.values()])
    residual_names = np.repeat([*blocks], [values.shape[1] for values in blocks.values()])
    sd = {name: PRIOR_SD.get(name, 1.0) for name in (*blocks, *groups, "ability")}

    asked = ~np.isnan(scores)
    filled = np.where(asked, scores, 0.0)
    share = np.clip((filled.sum(axis=0) + 0.5) / (asked.sum(axis=0) + 1), 0.01, 0.99)
    shared = np.concatenate([logit(share), np.zeros(explained.shape[1])])
    residuals = np.zeros((n_items, phi.shape[1]))
    longest = CHANCE_DAMPING if chance.any() else 1.0
    for _ in range(MAX_ITERATIONS):
        precision = {"covariate": EFFECT_SD**-2.0} | {name: value**-2.0 for name, value in sd.items()}
        shared_precision = np.diag([precision[name] for name in shared_names])
        # The abilities' mean is all but free.
        shared_precision[:n_models, :n_models] += (CENTRE_SD**-2.0 - precision["ability"]) / n_models
        item_precision = np.array([precision[name] for name in residual_names])
        slope, weight = _derivatives(filled, asked, _logits(shared, residuals, explained, phi), chance)
        curve = Curvature.at(weight, explained, phi, shared_precision, item_precision)
        step = curve.newton(slope, shared_precision @ shared, item_precision * residuals, explained)
        change = np.abs(_logits(*step, explained, phi)).max()
        scale = min(longest, LARGEST_STEP / max(change, 1e-12))
        shared, residuals = shared + scale * step[0], residuals + scale * step[1]
        centre = np.where(shared_names == "ability", shared[:n_models].mean(), 0.0)
        of_shared = (shared - centre) ** 2 + curve.shared_stderr() ** 2
        of_items = residuals**2 + curve.residual_variances()
        before, sd = sd, {}
        for name in before:  # the M step
            moments = np.concatenate([of_shared[shared_names == name], of_items[:, residual_names == name].ravel()])
            prior = PRIOR_WEIGHT * PRIOR_SD.get(name, 1.0) ** 2
            sd[name] = float(np.sqrt((prior + moments.sum()) / (PRIOR_WEIGHT + moments.size)))
        moved = max(abs(np.log(sd[name] / before[name])) for name in sd)
        converged = bool(change < SETTLED and moved < SETTLED)
        if converged:
            break
    return ItemResponseFit(shared[:n_models], shared[n_models:], residuals, sd, converged, explained, curve)


def _logits(shared: Array, residuals: Array, explained: Array, phi: Array) -> Array:
    n_models = len(phi)
    return np.asarray(shared[:n_models] + (explained @ shared[n_models:])[:, None] + residuals @ phi.T)


def _derivatives(scores: Array, asked: np.ndarray, eta: Array, chance: Array) -> tuple[Array, Array]:
    """The log likelihood's slope in each cell's logit, and its expected curvature; 0 in cells not asked.

    With s = sigmoid(eta), p = c + (1 - c) s: slope (y - p) s / p, curvature (1 - c) s^2 (1 - s) / p (Lord 1980)."""
    solved = expit(eta)
    if not chance.any():
        return np.where(asked, scores - solved, 0.0), np.where(asked, solved * (1 - solved), 0.0)
    c = chance[:, None]
    expected = c + (1 - c) * solved
    known = solved / expected
    curvature = (1 - c) * solved * (1 - solved) * known
    return np.where(asked, (scores - expected) * known, 0.0), np.where(asked, curvature, 0.0)
