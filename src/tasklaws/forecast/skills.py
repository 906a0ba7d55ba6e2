"""Many families of models in one table: few skills behind all tasks, and what sizes, dates and names say of a model."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from tasklaws.core.arrays import Array
from tasklaws.forecast.company import side_by_side
from tasklaws.forecast.panel import Panel, Prediction
from tasklaws.stats.factors import Factors, Kernels, forecast_targets
from tasklaws.stats.links import LOG, NODE_WEIGHTS, NODES

_RANK = 2
_LEARNING_ROUNDS = 15
_FEWEST_ITEMS, _MOST_ITEMS = 100.0, 300.0  # between which a value's items count, so that none is trusted too far
_NEAR_CHANCE = 2.0  # standard errors above chance (at least a hundredth) within which a score says no more than "low"
_YEAR = 365.25
_NAMED_SIZE = re.compile(r"(?<![\d.a-z])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z\d])")
_PRIOR_WORTH = 3.0  # effects' worth of belief in the variances below, which are on the scale of a skill's variance of 1
_OF_SKILLS = {
    "size": 0.5,  # for an sd of the known models' ln parameters
    "tokens": 0.5,
    "date": 0.3,
    "drift": 0.1,  # a walk, for a year
    "unsized": 0.3,
    "maker": 0.2,
    "maker_size": 0.1,  # a family's own efficiency
    "words": 0.1,  # for each word of a name
    "own": 0.2,
}
_WITHIN_TASK = {"maker": 0.5, "maker_size": 0.3, "size": 0.2, "drift": 0.1}  # in units of the usual noise


@dataclass(frozen=True)
class Skills:
    """Few skills behind all tasks; a model's follow its size, tokens, date, maker and the words of its name, and what a
    family shows in one task its next model shows too.

    z = logit of the score above chance, or log of a loss, is modelled by `stats.factors`; families whose names or
    column `maker` (`group`) are alike share an effect and a slope in ln parameters, as of Sloth's family efficiencies
    (Polo et al. 2024, arXiv 2412.06540). A size that only the name says ("7b") counts where the table has none; what
    else is unknown adds nothing. A score at chance says but that z is low. Where the panel has `company`, its models
    count as known ones of their families."""

    name: str = "skills"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction:
        everyone = side_by_side(known, known.company) if known.company is not None else known
        scale = _Scale.of(everyone)
        found = forecast_targets(
            scale.z,
            scale.variance,
            _kernels(everyone, wanted, _OF_SKILLS),
            _kernels(everyone, wanted, _WITHIN_TASK),
            _RANK,
            _LEARNING_ROUNDS,
            scale.censored,
        )
        return scale.prediction(found, known)


@dataclass(frozen=True, eq=False)
class _Scale:
    """Values on the scale of the model: `z`, its sampling `variance`, and which are `censored`, known to be low alone,
    each (tasks, models); `floor` (tasks, 1) is chance."""

    z: Array
    variance: Array
    censored: NDArray[np.bool_]
    floor: Array

    @classmethod
    def of(cls, known: Panel) -> "_Scale":
        """From a panel's values; unknown chance is 0."""
        value, items = known.value, np.clip(known.items, _FEWEST_ITEMS, _MOST_ITEMS)
        there = np.isfinite(value)
        if known.loss:
            variance = np.where(there, 1 / items, 0.0)
            return cls(LOG.of(value, items), variance, np.zeros(value.shape, dtype=bool), np.zeros((len(value), 1)))
        floor = np.where(np.isfinite(known.guess), known.guess, 0.0)[:, None]
        near = _NEAR_CHANCE * np.sqrt((floor + 0.01) * (1 - floor) / items)
        above = np.clip((value - floor) / (1 - floor), near / (1 - floor), 1 - 0.5 / items)
        inside = np.clip(value, 0.02, 0.98)
        slope = (1 - floor) * above * (1 - above)
        variance = np.where(there, inside * (1 - inside) / items / slope**2, 0.0)
        return cls(logit(above), variance, there & (value - floor <= near), floor)

    def prediction(self, found: Factors, panel: Panel) -> Prediction:
        """Mean and sd on the panel's own scale (Gauss-Hermite quadrature), the shared part of errors in proportion."""
        z = found.mean[..., None] + found.sd[..., None] * NODES
        floor = self.floor[..., None]
        value = z if panel.loss else panel.link.of(floor + (1 - floor) * expit(z), np.inf)
        share = NODE_WEIGHTS / NODE_WEIGHTS.sum()
        mean = value @ share
        sd = np.sqrt(((value - mean[..., None]) ** 2) @ share)
        return Prediction(mean, sd, found.shared * (sd / found.sd)[..., None])


def named_size(name: str) -> float:
    """Parameters that a model's name says ("qwen2-72b", "mixtral-8x7b"); NaN where it says none."""
    found = _NAMED_SIZE.search(name.lower())
    return float(found[2]) * float(found[1] or 1) * 1e9 if found else np.nan


def words(name: str) -> set[str]:
    """Words of a model's name without its size: letters ("qwen"), and letters with the number behind them ("qwen2")."""
    rest = _NAMED_SIZE.sub(" ", name.lower())
    return set(re.findall(r"[a-z]{2,}", rest)) | set(re.findall(r"[a-z]+\d+(?:\.\d+)?", rest))


def makers(*panels: Panel) -> list[str]:
    """Who made each model: as the table says, else the first word of the model's name."""
    found = []
    for panel in panels:
        for index, name in enumerate(panel.models):
            first = re.search(r"[a-z]{2,}|[a-z]", _NAMED_SIZE.sub(" ", name.lower()))
            found.append((panel.makers[index] if panel.makers else "") or (first[0] if first else ""))
    return found


def _kernels(known: Panel, wanted: Panel, variances: dict[str, float]) -> Kernels:
    """The kernels of `variances` over known models and, behind them, wanted ones; those alone that tell known models
    apart."""
    n_known, panels = len(known.models), (known, wanted)
    names = [*known.models, *wanted.models]
    told = _joined("n_params", *panels)
    params = np.log(np.where(np.isfinite(told), told, [named_size(name) for name in names]))
    tokens, years = np.log(np.maximum(_joined("n_tokens", *panels), 1.0)), _joined("days", *panels) / _YEAR
    alike, in_size = _alike(makers(*panels)), _line(params, n_known)
    matrices = {
        "size": in_size,
        "tokens": _line(tokens, n_known),
        "date": _line(years, n_known),
        "drift": _walk(years, n_known),
        "unsized": np.outer(~np.isfinite(params), ~np.isfinite(params)).astype(float),
        "maker": alike,
        "maker_size": alike * in_size,
        "words": _by_words(names, n_known),
        "own": np.eye(len(names)),
    }
    kept = [name for name in variances if name == "own" or np.ptp(matrices[name][:n_known, :n_known]) > 0]
    stacked = np.array([matrices[name] for name in kept]).reshape(len(kept), len(names), len(names))
    return Kernels(stacked, np.array([variances[name] for name in kept]), _PRIOR_WORTH)


def _joined(column: str, *panels: Panel) -> Array:
    return np.concatenate([getattr(panel, column) for panel in panels])


def _line(value: Array, n_known: int) -> Array:
    """A straight line in a feature, in sds of the known models (at least 1); 0 where it is unknown."""
    there = np.isfinite(value)
    known = value[:n_known][there[:n_known]]
    if not len(known):
        return np.zeros((len(value), len(value)))
    x = np.where(there, (value - known.mean()) / max(float(known.std()), 1.0), 0.0)
    return np.asarray(np.outer(x, x))


def _walk(years: Array, n_known: int) -> Array:
    """A random walk; models of unknown date stand at the median of the known models' dates."""
    known = years[:n_known][np.isfinite(years[:n_known])]
    if not len(known):
        return np.zeros((len(years), len(years)))
    since = np.maximum(np.where(np.isfinite(years), years, np.median(known)) - known.min(), 0.0)
    return np.asarray(np.minimum(since[:, None], since[None]))


def _alike(labels: Sequence[str]) -> Array:
    """1 for two models of one label that is not empty."""
    found = np.array(labels)
    return np.asarray((found[:, None] == found[None]) & (found != ""), dtype=float)


def _by_words(names: Sequence[str], n_known: int) -> Array:
    """How many words two names share, of those that several known names have but not all of them."""
    each = [words(name) for name in names]
    counts = Counter(word for own in each[:n_known] for word in own)
    kept = sorted(word for word, count in counts.items() if 1 < count < n_known)
    design = np.array([[word in own for word in kept] for own in each], dtype=float).reshape(len(names), len(kept))
    return np.asarray(design @ design.T)
