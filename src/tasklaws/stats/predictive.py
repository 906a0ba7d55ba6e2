"""Predictive distributions: what a forecast holds possible, as mixtures of normals on a link's scale."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri
from scipy.stats import norm

from tasklaws.core.arrays import Array
from tasklaws.stats.links import Link
from tasklaws.stats.scores import LEVEL

_LEAST_SD = 1e-6
_HALVINGS = 60
_LEVELS = (np.arange(100) + 0.5) / 100  # quantiles that stand for a distribution in means over it


@dataclass(frozen=True, eq=False)
class Predictive:
    """A distribution a row: normals of `mean` and `sd` on the scale of `link` (arcsine or log), mixed by `weight`.

    Each has shape (rows, components). Rows of NaN stay NaN.
    """

    link: Link
    weight: Array
    mean: Array
    sd: Array

    @classmethod
    def normal(cls, link: Link, mean: Array, sd: Array) -> "Predictive":
        """One normal a row; `mean` and `sd` have shape (rows,)."""
        return cls(link, np.ones((len(mean), 1)), mean[:, None], sd[:, None])

    @property
    def moments(self) -> tuple[Array, Array]:
        """Mean and standard deviation on the link scale, each (rows,)."""
        middle = (self.weight * self.mean).sum(axis=1)
        spread = (self.weight * (self.sd**2 + (self.mean - middle[:, None]) ** 2)).sum(axis=1)
        return middle, np.sqrt(spread)

    def quantile(self, level: float) -> Array:
        """The value that is not reached with probability `level`, by bisection where several normals are mixed."""
        return self.link.inverse(self._place(level))

    @property
    def interval(self) -> tuple[Array, Array, Array]:
        """The lower end of the interval of LEVEL, the median and the upper end."""
        return self.quantile((1 - LEVEL) / 2), self.quantile(0.5), self.quantile((1 + LEVEL) / 2)

    def _place(self, level: float) -> Array:
        if self.mean.shape[1] == 1:
            return np.asarray(self.mean[:, 0] + ndtri(level) * self.sd[:, 0])
        reach = abs(ndtri(level)) * self.sd
        low, high = (self.mean - reach).min(axis=1), (self.mean + reach).max(axis=1)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = self._cdf(middle) < level
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray((low + high) / 2)

    def _cdf(self, place: Array) -> Array:
        share = ndtr((place[:, None] - self.mean) / np.maximum(self.sd, _LEAST_SD))
        return np.asarray((self.weight * share).sum(axis=1))

    def exceeds(self, value: Array) -> Array:
        """The probability of more than `value`, (rows,)."""
        return np.asarray(1 - self._cdf(self.link.of(value, np.inf)))

    def within(self, at: Array, distance: Array) -> Array:
        """The probability that the outcome lies no further than `distance` from `at`, ends included."""
        ends = at - distance, at + distance
        low, high = (self._cdf(self.link.of(end, np.inf)) for end in ends)
        if self.link.name != "log":  # a score's ends hold all that lies beyond them
            low, high = np.where(ends[0] <= 0, 0.0, low), np.where(ends[1] >= 1, 1.0, high)
        return np.asarray(high - low)

    def log_density(self, value: Array) -> Array:
        """Log density (nats) of a value, on the link scale."""
        place = self.link.of(value, np.inf)[:, None]
        each = norm.logpdf(place, self.mean, np.maximum(self.sd, _LEAST_SD))
        with np.errstate(divide="ignore"):  # a component of weight 0
            return np.asarray(logsumexp(each + np.log(self.weight), axis=1))

    def _draws(self) -> Array:
        """A hundred evenly spaced quantiles of each row, (rows, 100)."""
        return np.stack([self.quantile(level) for level in _LEVELS], axis=1)

    def expected_error(self, at: Array) -> Array:
        """The mean distance of the outcome from `at`."""
        return np.asarray(np.abs(self._draws() - at[:, None]).mean(axis=1))

    def crps(self, value: Array) -> Array:
        """Continuous ranked probability score of an outcome, in units of the value: twice the mean pinball loss over
        all levels (Gneiting and Raftery 2007, eq. 21)."""
        above = value[:, None] - self._draws()
        return np.asarray(2 * np.where(above >= 0, _LEVELS * above, (_LEVELS - 1) * above).mean(axis=1))
