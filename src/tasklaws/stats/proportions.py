"""Intervals of a solve rate or a mean score, alone, by stratum, and reweighted to a target population; the variance of
one that is to come."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, betaln, expit, logit

from tasklaws.core.arrays import Array


@dataclass(frozen=True)
class Mean:
    """What is known of means in [0, 1]: for each the estimate, and mean and variance of its posterior (one shape).

    The posterior is that of the Bayesian bootstrap (Rubin 1981) with half a person who scored 0 and half a person
    who scored 1 put to the n who were seen: with N = n + 1, `centre` = (sum s + 1/2) / N and
    `variance` = ((sum s^2 + 1/2) / N - centre^2) / (N + 1). For scores of 0 and 1 its Beta of equal mean and variance
    is exactly Beta(k + 1/2, n - k + 1/2), so the interval is Jeffreys'; a score of 0.17 counts as 0.17 of a success
    and, as it varies less than a coin, narrows the interval."""

    estimate: Array
    centre: Array
    variance: Array

    @classmethod
    def of(cls, n: ArrayLike, total: ArrayLike, squares: ArrayLike) -> "Mean":
        """From the number of scores, their sum and the sum of their squares; n >= 1 (counts k: total = squares = k)."""
        count, total, squares = (np.asarray(value, dtype=float) for value in (n, total, squares))
        centre = (total + 0.5) / (count + 1)
        variance = ((squares + 0.5) / (count + 1) - centre**2) / (count + 2)
        return cls(total / count, centre, variance)

    def interval(self, level: float) -> tuple[Array, Array]:
        """Equal-tailed limits, the estimate among them; 0 is one where every score is 0, and 1 where every score is 1.

        The equal-tailed Jeffreys interval, closed at the ends, covers close to its level on average over rates, for
        few people as for many; the exact one (Clopper-Pearson) covers more, Wald's less (Brown, Cai, DasGupta 2001)."""
        low, high = _beta_interval(self.centre, self.variance, level)
        low = np.where(self.estimate <= 0, 0.0, np.minimum(low, self.estimate))
        return low, np.where(self.estimate >= 1, 1.0, np.maximum(high, self.estimate))

    def reweighted(self, shares: ArrayLike) -> "Mean":
        """Post-stratified over the last axis, the strata: sum W m, variance sum W^2 v, for `shares` W that sum to 1."""
        weights = np.asarray(shares, dtype=float)
        return Mean(
            np.asarray(self.estimate @ weights),
            np.asarray(self.centre @ weights),
            np.asarray(self.variance @ weights**2),
        )


def _beta_interval(centre: Array, variance: Array, level: float) -> tuple[Array, Array]:
    """Equal-tailed limits of the Beta distribution with this mean and variance."""
    precision = centre * (1 - centre) / variance - 1
    tail = (1 - level) / 2
    first, second = centre * precision, (1 - centre) * precision
    return np.asarray(betaincinv(first, second, tail)), np.asarray(betaincinv(first, second, 1 - tail))


_MOST_SHARED = 0.99  # of items that the very same people solve there is nothing to compare


def pooled_rates(k: Array, n: Array, level: float, shared: float = 0.0) -> tuple[Array, Array, Array]:
    """Mean and limits of each item's rate when the rates of all items are draws from one Beta distribution.

    k_i ~ Binomial(n_i, p_i), p_i ~ Beta(mu nu, (1 - mu) nu), mu ~ Beta(1/2, 1/2), and nu with the uniform shrinkage
    prior m / (m + nu)^2, m the median number of people (Christiansen and Morris 1997). Given mu and nu the posterior is
    Beta(mu nu + k, (1 - mu) nu + n - k), of mean (k + mu nu) / (n + nu); mu and nu are summed over a grid, so that the
    limits carry their uncertainty; a Beta of the same mean and variance gives the limits. Shape of each: (items,).

    `shared` is the correlation between the errors of two items' counts (`shared_error`). It is 0 where each item had
    people of its own. The same people at all items tell little of the level, however many items there are, and much
    of the differences: the items are compared as if n / (1 - shared) people had attempted each, and then the variance
    of the level, shared p (1 - p) / n, is added."""
    centre, variance = _pooled(k, n, shared)
    low, high = _beta_interval(centre, variance, level)
    return centre, low, high


def pooled_means(k: Array, n: Array) -> Array:
    """The means of `pooled_rates` alone, always between 0 and 1; people differ from item to item."""
    return _pooled(k, n, 0.0)[0]


def shared_error(solved: pd.DataFrame) -> float:
    """The mean correlation, at least 0, between the errors of two items' solve rates that comes of common people.

    `solved` has a row an attempt: person, item, in_time. With r_ij = (y_ij - p_i) / sqrt(p_i (1 - p_i)) of person j at
    item i it is sum r_ij r_kj over people and pairs of items, divided by the sum of sqrt(n_i n_k) over those pairs.
    Items that all or none solved tell nothing of it."""
    people, items = (pd.factorize(solved[column])[0] for column in ("person", "item"))
    y = solved["in_time"].to_numpy(float)
    rate = (np.bincount(items, y) / np.bincount(items))[items]
    mixed = (rate > 0) & (rate < 1)
    residual = (y - rate)[mixed] / np.sqrt(rate * (1 - rate))[mixed]
    n = np.bincount(items[mixed])
    pairs = np.sqrt(n).sum() ** 2 - n.sum()
    common = (np.bincount(people[mixed], residual) ** 2).sum() - (residual**2).sum()
    return float(np.clip(common / pairs, 0, _MOST_SHARED)) if np.count_nonzero(n) > 1 else 0.0


def _pooled(k: Array, n: Array, shared: float) -> tuple[Array, Array]:
    """Mean and variance of each item's rate (see `pooled_rates`)."""
    kinds, where = np.unique(np.stack([k, n]), axis=1, return_inverse=True)
    k, n = kinds / (1 - shared)
    mu, nu, weight = _grid(k, n, np.bincount(where.ravel()))
    first = mu * nu
    given = (first[:, None] + k) / (nu[:, None] + n)
    centre = weight @ given
    variance = weight @ (given * (1 - given) / (nu[:, None] + n + 1)) + weight @ (given - centre) ** 2
    variance += shared * centre * (1 - centre) / (n * (1 - shared))
    return centre[where.ravel()], variance[where.ravel()]


def _grid(k: Array, n: Array, counts: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Values of mu and nu and the posterior weight of each pair, from items of which `counts` have the same k and n.

    For each nu the values of mu lie within six standard errors, in log odds, of the mean rate: an item counts there as
    n (1 + nu) / (n + nu) people, one where items differ widely and all n where they are alike."""
    scale = float(np.median(n))
    nu = np.exp(np.linspace(np.log(scale) - 7, np.log(scale) + 7, 57))[:, None]
    people = counts * n * (1 + nu) / (n + nu)
    total = people.sum(axis=1, keepdims=True) + 1
    mean = ((people * k / n).sum(axis=1, keepdims=True) + 0.5) / total
    error = 1 / np.sqrt(mean * (1 - mean) * total)
    mu = expit(logit(mean) + error * np.linspace(-6, 6, 41))
    prior = np.log(mu * (1 - mu)) / 2 + np.log(nu) - 2 * np.log(scale + nu) + np.log(error)
    nu = np.broadcast_to(nu, mu.shape).ravel()
    mu = mu.ravel()
    first, second = mu * nu, (1 - mu) * nu
    likelihood = betaln(first[:, None] + k, second[:, None] + n - k) - betaln(first, second)[:, None]
    log = prior.ravel() + likelihood @ counts
    weight = np.exp(log - log.max())
    return mu, nu, weight / weight.sum()


def binomial_items(value: Array, stderr: Array) -> Array:
    """How many right-or-wrong items a share p with a standard error is worth: p (1 - p) / stderr^2, at least 1.

    NaN where that says nothing: either is unknown, stderr is 0, or p is 0 or 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        items = value * (1 - value) / stderr**2
    return np.where(np.isfinite(items) & (items > 0), np.maximum(items, 1.0), np.nan)


_NOMINAL_ITEMS = 100.0  # of a score of which nothing else is known: few test sets are smaller
_NOMINAL_LOSS = 10_000.0  # of a loss of unknown stderr: 1%
_MOST_ITEMS = 10_000  # no bound by rounding or scatter is trusted beyond this
_LUCK = 0.01  # chance at which random values of so many decimals would all be shares of so few items
_MOST_DECIMALS = 12  # values of more are quotients in double precision


def known_items(value: Array, stderr: Array, n_items: Array, loss: bool) -> Array:
    """How many items a value is worth: n_items, else as its stderr says, at least 1; of a loss, (value / stderr)^2.

    NaN where neither is known: see `fill_items`."""
    if not loss:
        return np.where(np.isfinite(n_items), n_items, binomial_items(value, stderr))
    with np.errstate(divide="ignore", invalid="ignore"):
        items = (value / stderr) ** 2
    return np.where(np.isfinite(items), np.maximum(items, 1.0), np.nan)


def items_bounded(value: Array, stderr: Array, n_items: Array, size: Array | None = None) -> Array:
    """`fill_items` of the scores of one curve, (points,), after `known_items`: how many items each is worth, at most
    where that is unknown."""
    return fill_items(value, known_items(value, stderr, n_items, loss=False), size)


def fill_items(value: Array, items: Array, size: Array | None = None, *, loss: bool = False) -> Array:
    """How many items each value of one curve is worth, (points,): `items`, and where that is NaN a bound, never NaN.

    Points of unknown number take the median of the curve's others, as a task's items are the same. Of a curve of
    scores without any, one number that is wide rather than narrow, the least of

    - what rounding shows: the fewest items of which all values are shares, if random values of so many decimals d
      would be by a chance below 1% only, else the items whose sampling is as large as the rounding, 12 p (1 - p) 10^2d;
    - what scatter shows (`size`: ln size, or a date; it is not looked at without): with e the distance of a point from
      the line between its neighbours in size, on the arcsine scale, where a point of n items has the variance 1 / n,
      and w and 1 - w the neighbours' weights, n = (1 + m) / (1 / 100 + sum of e^2 / (1 + w^2 + (1 - w)^2)) over m such
      points. A bend counts as scatter, so n errs to the small side;
    - 10,000.

    So 100 items count as one point's worth of scatter, and are all there is of fewer than three points. A loss has a
    standard error of 1% then."""
    lacking = ~np.isfinite(items)
    if not lacking.any():
        return items
    if not lacking.all():
        return np.where(lacking, np.median(items[~lacking]), items)
    return np.full(items.shape, _NOMINAL_LOSS if loss else _bound(value, size))


def _bound(value: Array, size: Array | None) -> float:
    """The number that all scores of a curve of unknown items are worth (see `fill_items`)."""
    there = np.isfinite(value)
    arcsine = 2 * np.arcsin(np.sqrt(np.clip(value[there], 0, 1)))
    squares = np.zeros(0) if size is None else neighbour_scatter(size[there], arcsine)
    by_scatter = (1 + len(squares)) / (1 / _NOMINAL_ITEMS + squares.sum())
    return float(np.clip(by_scatter, 1.0, _items_by_rounding(value[there])))


def neighbour_scatter(size: Array, z: Array) -> Array:
    """Estimates of the variance of z about its curve, one for each point between two others in size: the squares of
    `neighbour_distances`. A bend counts too."""
    return neighbour_distances(size, z) ** 2


def neighbour_distances(size: Array, z: Array) -> Array:
    """How far each point between two others in size lies from the line through them, by the standard deviation that
    this has of independent points of variance 1."""
    order = np.lexsort((z, size))
    x, y = size[order], z[order]
    width = x[2:] - x[:-2]
    weight = np.where(width > 0, (x[1:-1] - x[:-2]) / np.where(width > 0, width, 1.0), 0.5)
    apart = y[1:-1] - (1 - weight) * y[:-2] - weight * y[2:]
    return np.asarray(apart / np.sqrt(1 + weight**2 + (1 - weight) ** 2))


def _items_by_rounding(value: Array) -> float:
    """The most items that the decimals of values in [0, 1] speak for (see `fill_items`)."""
    values = np.unique(value)
    decimals = next(
        (d for d in range(1, _MOST_DECIMALS) if np.abs(values - values.round(d)).max(initial=0.0) < 1e-14),
        _MOST_DECIMALS,
    )
    inside = values[(values > 0) & (values < 1)]  # 0 and 1 are shares of any number
    off = 0.5 * 10.0**-decimals
    items = np.arange(1, min(_MOST_ITEMS, 10**decimals) + 1)  # of more, any value is a share
    for one in inside:
        items = items[np.abs(items * one - np.round(items * one)) <= items * off * (1 + 1e-9)]
    if len(inside) and len(items):
        luck = (np.minimum(2 * off * np.arange(1, items[0] + 1), 1.0) ** len(inside)).sum()
        if luck < _LUCK:
            return float(items[0])
    spread = float((values * (1 - values)).max(initial=0.0))
    return float(np.clip(12 * spread * 10.0 ** (2 * decimals), 1.0, _MOST_ITEMS)) if spread else float(_MOST_ITEMS)


def next_rung_variance(last: ArrayLike, score: ArrayLike, n_eff: ArrayLike) -> Array:
    """Variance of the next rung's score, of mean p', when the same items had p at the last rung, which is known.

    Thresholds persist: of n_eff tasks those not yet solved are each learned with probability q = (p' - p) / (1 - p),
    so it is (1 - p) q (1 - q) / n_eff = (p' - p) (1 - p') / ((1 - p) n_eff), less than p' (1 - p') / n_eff, which it
    would be if p were not known. Where p' < p, solved ones are lost: (p - p') p' / (p n_eff)."""
    p, after, number = (np.asarray(value, dtype=float) for value in (last, score, n_eff))
    moved = np.abs(after - p)
    stays = np.where(after >= p, 1 - after, after)
    room = np.where(after >= p, 1 - p, p)
    return np.asarray(np.where(moved > 0, moved * stays / np.where(room > 0, room, 1.0), 0.0) / number)
