"""The curvature of an item response model's posterior, the items' own effects eliminated one by one."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from tasklaws.difficulty.table import Floats


@dataclass(frozen=True)
class Step:
    """A change of the shared parameters (M + p,) and of the items' random effects (N, d)."""

    shared: Floats
    residuals: Floats


@dataclass(frozen=True)
class Curvature:
    """The negative Hessian of the log posterior as blocks, for N items, M models, p shared effects, d random effects
    an item.

    `weight` (N, M) of the cells; `phi` (M, d); `own` (N, d, d), the inverse of each item's own block;
    `coupling` (N, d, M + p) = own times each item's block with the shared parameters;
    `shared` (M + p, M + p), the inverse of the shared block's Schur complement, which is their posterior covariance.
    """

    weight: Floats
    phi: Floats
    own: Floats
    coupling: Floats
    shared: Floats

    def newton(self, slope: Floats, shared_pull: Floats, residual_pull: Floats, explained: Floats) -> Step:
        """The Newton step for slopes (N, M) of the cells and the priors' pulls, precision times value."""
        towards = np.concatenate([slope.sum(axis=0), explained.T @ slope.sum(axis=1)]) - shared_pull
        own = slope @ self.phi - residual_pull
        shared = self.shared @ (towards - self.coupling.reshape(-1, len(towards)).T @ own.reshape(-1))
        alone = np.einsum("nde,ne->nd", self.own, own)
        return Step(shared, alone - (self.coupling.reshape(-1, len(towards)) @ shared).reshape(own.shape))

    def shared_stderr(self) -> Floats:
        """(M + p,) standard errors of abilities and effects."""
        stderr: Floats = np.sqrt(np.diagonal(self.shared))
        return stderr

    def residual_variances(self) -> Floats:
        """(N, d) variances of the random effects: given the shared parameters, plus what their uncertainty adds."""
        n_items, size, width = self.coupling.shape
        flat = self.coupling.reshape(-1, width)
        added = ((flat @ self.shared) * flat).sum(axis=1).reshape(n_items, size)
        variances: Floats = np.diagonal(self.own, axis1=1, axis2=2) + added
        return variances

    def offsets_stderr(self, explained: Floats, basis: Floats) -> Floats:
        """(N,) standard errors of explained' effects + basis' residuals."""
        direction = -np.einsum("d,ndk->nk", basis, self.coupling)
        direction[:, len(self.phi) :] += explained
        alone = np.einsum("d,nde,e->n", basis, self.own, basis)
        stderr: Floats = np.sqrt(alone + ((direction @ self.shared) * direction).sum(axis=1))
        return stderr


def curvature_at(
    weight: Floats, explained: Floats, phi: Floats, shared_precision: Floats, item_precision: Floats
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
