"""Predictive distributions: what a forecast holds possible, as mixtures of normals on a link's scale."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from tasklaws.core.arrays import Array
from tasklaws.stats.links import Link
from tasklaws.stats.scores import LEVEL

_LEAST_SD = 1e-6
_HALVINGS = 60
_DRAWN_LEVELS = (np.arange(100) + 0.5) / 100  # quantiles that stand for a distribution in means over it


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
        return self.link.inverse(self._places(np.array([level]))[:, 0])

    @property
    def interval(self) -> tuple[Array, Array, Array]:
        """The lower end of the interval of LEVEL, the median and the upper end."""
        lower, middle, upper = self.link.inverse(self._places(np.array([(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]))).T
        return lower, middle, upper

    def _places(self, levels: Array) -> Array:
        """Quantiles on the link scale, (rows, levels)."""
        if self.mean.shape[1] == 1:
            return np.asarray(self.mean + ndtri(levels) * self.sd)
        ends = self.mean[:, None] + ndtri(levels)[None, :, None] * self.sd[:, None]
        low, high = ends.min(axis=2), ends.max(axis=2)  # of the components, between which the mixture's lies
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = self._cdf(middle) < levels
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray((low + high) / 2)

    def _cdf(self, places: Array) -> Array:
        """The probability of less, of each of the places (rows, places)."""
        sd = np.maximum(self.sd, _LEAST_SD)
        found = np.zeros(places.shape)
        for component in range(self.mean.shape[1]):
            one = slice(component, component + 1)
            found += self.weight[:, one] * ndtr((places - self.mean[:, one]) / sd[:, one])
        return np.minimum(found, 1.0)  # weights that sum to 1 but for rounding

    def exceeds(self, value: Array) -> Array:
        """The probability of more than `value`, (rows,)."""
        return np.asarray(1 - self._cdf(self.link.of(value, np.inf)[:, None])[:, 0])

    def within(self, at: Array, distance: Array) -> Array:
        """The probability that the outcome lies no further than `distance` from `at`, ends included."""
        ends = at - distance, at + distance
        low, high = self._cdf(np.stack([self.link.of(end, np.inf) for end in ends], axis=1)).T
        if self.link.name != "log":  # a score's ends hold all that lies beyond them
            low, high = np.where(ends[0] <= 0, 0.0, low), np.where(ends[1] >= 1, 1.0, high)
        return np.asarray(high - low)

    def log_density(self, value: Array) -> Array:
        """Log density (nats) of a value, on the link scale."""
        place = self.link.of(value, np.inf)[:, None]
        sd = np.maximum(self.sd, _LEAST_SD)
        each = -0.5 * ((place - self.mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
        with np.errstate(divide="ignore"):  # a component of weight 0
            return np.asarray(logsumexp(each + np.log(self.weight), axis=1))

    @cached_property
    def _draws(self) -> Array:
        """A hundred evenly spaced quantiles of each row, (rows, 100)."""
        return self.link.inverse(self._places(_DRAWN_LEVELS))

    def expected_error(self, at: Array) -> Array:
        """The mean distance of the outcome from `at`."""
        return np.asarray(np.abs(self._draws - at[:, None]).mean(axis=1))

    def crps(self, value: Array) -> Array:
        """Continuous ranked probability score of an outcome, in units of the value: twice the mean pinball loss over
        all levels (Gneiting and Raftery 2007, eq. 21)."""
        above = value[:, None] - self._draws
        return np.asarray(2 * np.where(above >= 0, _DRAWN_LEVELS * above, (_DRAWN_LEVELS - 1) * above).mean(axis=1))
