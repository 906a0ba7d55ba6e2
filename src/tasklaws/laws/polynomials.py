"""The loss of runs of one budget as a polynomial in ln N, and where it is least."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import fdtri

from tasklaws.core.arrays import Array

_DEGREES = (2, 3, 4, 5, 6)
_SURE = 0.99  # level of the F test that asks for a higher degree
_SAME_FLOPS = 1e-2  # spread of ln FLOPs from which on a budget's runs are told apart by it
_GRID = 801  # sizes between the smallest and the largest at which a minimum is looked for, before Newton


@dataclass(frozen=True, eq=False)
class Profile:
    """The relative loss of one budget's runs: `coefficients` of powers of z = (ln N - `centre`) / `width`, lowest
    first, at the budget's mean compute; times `level` it is the loss. `tokens` are those of ln D, a straight line in z.

    `minimum` is (ln N*, ln D*), inside the sizes; NaN where there is none, and `end` says which way the loss falls."""

    centre: float
    width: float
    level: float
    coefficients: Array
    tokens: Array
    minimum: Array
    end: str
    projection: Array  # (coefficients, n): the coefficients are projection @ relative loss
    squares: float
    degrees: int

    def loss(self, log_size: Array) -> Array:
        return np.asarray(self.level * np.polynomial.polynomial.polyval(self._z(log_size), self.coefficients))

    def log_tokens(self, log_size: Array) -> Array:
        return np.asarray(np.polynomial.polynomial.polyval(self._z(log_size), self.tokens))

    def _z(self, log_size: Array) -> Array:
        return (log_size - self.centre) / self.width


def fit_profile(runs: pd.DataFrame, degree: int) -> Profile:
    """The least-squares polynomial of one budget's runs (n_params, n_tokens, train_flops, loss), of no higher `degree`
    than leaves a run over; weights are those of a column `weight`."""
    log_n = np.log(runs["n_params"].to_numpy(dtype=float))
    log_c = np.log(runs["train_flops"].to_numpy(dtype=float))
    low, high = log_n.min(), log_n.max()
    centre, width = float(low + high) / 2, float(high - low) / 2
    z, away = (log_n - centre) / width, log_c - log_c.mean()
    degree = max(min(degree, runs["n_params"].nunique() - 2), 2)
    design = z[:, None] ** np.arange(degree + 1)
    if np.ptp(away) > _SAME_FLOPS and len(runs) > degree + 3:
        design = np.column_stack([design, away])
    root = np.sqrt(runs["weight"].to_numpy(dtype=float)) if "weight" in runs else np.ones(len(runs))
    level = float(runs["loss"].mean())
    relative = runs["loss"].to_numpy(dtype=float) / level
    inverse = np.linalg.pinv(design * root[:, None]) * root
    whole = inverse @ relative
    log_d = np.log(runs["n_tokens"].to_numpy(dtype=float))
    tokens = np.linalg.lstsq(np.column_stack([np.ones_like(z), z, away]), log_d, rcond=None)[0][:2]
    coefficients = whole[: degree + 1]
    place = lowest_points(coefficients[None])[0]
    end = ""
    if np.isnan(place):
        ends = np.polynomial.polynomial.polyval(np.array([-1.0, 1.0]), coefficients)
        end = ("smallest", "largest")[int(ends[1] < ends[0])]
    minimum = np.array([centre + width * place, tokens[0] + tokens[1] * place])
    squares = float((root**2 * (relative - design @ whole) ** 2).sum())
    degrees = len(runs) - design.shape[1]
    return Profile(centre, width, level, coefficients, tokens, minimum, end, inverse[: degree + 1], squares, degrees)


def lowest_points(coefficients: Array) -> Array:
    """Where in (-1, 1) each polynomial (m, degree + 1), lowest power first, is least; NaN where that is an end."""
    grid = np.linspace(-1, 1, _GRID)
    values = coefficients @ grid ** np.arange(coefficients.shape[1])[:, None]
    index = values.argmin(axis=1)
    at = grid[index]
    powers = np.arange(coefficients.shape[1])
    first, second = coefficients * powers, coefficients * powers * (powers - 1)
    for _ in range(4):
        slope = (first[:, 1:] * at[:, None] ** powers[:-1]).sum(axis=1)
        bend = (second[:, 2:] * at[:, None] ** powers[:-2]).sum(axis=1)
        step = np.where(bend > 0, slope / np.where(bend > 0, bend, 1.0), 0.0)
        at = at - np.clip(step, -2 / _GRID, 2 / _GRID)
    return np.asarray(np.where((index == 0) | (index == _GRID - 1), np.nan, at))


def common_degree(budgets: list[pd.DataFrame]) -> int:
    """The degree of all budgets' polynomials: 2, and higher as long as an F test over the budgets that have runs enough
    says that it leaves less than chance would (of 4 too where 3 does not: a profile may bend evenly)."""
    degree = 2
    for higher in _DEGREES[1:]:
        enough = [own for own in budgets if own["n_params"].nunique() >= higher + 2]
        lower, upper = ([fit_profile(own, one) for own in enough] for one in (degree, higher))
        gained = sum(profile.degrees for profile in lower) - sum(profile.degrees for profile in upper)
        left = sum(profile.degrees for profile in upper)
        if not enough or gained <= 0:
            continue
        squares = sum(profile.squares for profile in upper)
        ratio = (sum(profile.squares for profile in lower) - squares) / gained / max(squares / left, 1e-300)
        if ratio > fdtri(gained, left, _SURE):
            degree = higher
    return degree


def pooled_spread(profiles: Iterable[Profile]) -> tuple[float, int]:
    """The standard deviation of relative losses about their profiles, and its degrees of freedom; NaN and 0 of none."""
    profiles = list(profiles)
    degrees = sum(profile.degrees for profile in profiles)
    return (float(np.sqrt(sum(one.squares for one in profiles) / degrees)), degrees) if degrees else (np.nan, 0)


def redrawn(profile: Profile, spread: float, degrees: int, rng: np.random.Generator, replicates: int) -> Array:
    """(ln N*, ln D*) of `replicates` redraws of a budget's losses, whose own spread is as uncertain as it is; none
    where the spread is unknown, NaN where a redraw has no minimum inside."""
    if not degrees:
        return np.empty((0, 2))
    noise = rng.standard_normal((replicates, profile.projection.shape[1]))
    noise *= spread * np.sqrt(degrees / rng.chisquare(degrees, (replicates, 1)))
    place = lowest_points(profile.coefficients + noise @ profile.projection.T)
    return np.stack([profile.centre + profile.width * place, profile.tokens[0] + profile.tokens[1] * place], axis=1)
