"""Many families of models in one table: a few skills behind all tasks, and what sizes, dates and names say of a model."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.forecast.company import joined
from tasklaws.forecast.panel import Panel, Prediction
from tasklaws.stats.factors import Factors, Kernels, forecast_targets
from tasklaws.stats.links import LOG, LOGIT, NODE_WEIGHTS, NODES, Link

_NAMED_SIZE = re.compile(r"(?:(\d+)x)?(?<![\d.a-z])(\d+(?:\.\d+)?)b(?![a-z])")
_YEAR = 365.25


@dataclass(frozen=True)
class Skills:
    """Scores by few skills: a model's skills follow its size, tokens, date, maker and the words of its name; tasks
    differ in level and in which skills they need; what one family shows in one task, its next model shows too."""

    name: str = "skills"
    link: Link = LOGIT
    rank: int = 2
    rounds: int = 30
    most_items: float = 100.0

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None:
        everyone = joined(known, known.company) if known.company is not None else known
        link = LOG if known.loss else self.link
        items = np.minimum(everyone.items, self.most_items)
        z = link.of(everyone.value, items)
        value = everyone.value if known.loss else link.inverse(z)
        variance = np.where(np.isfinite(z), link.variance(value, items), 0.0)
        kernels = model_kernels(everyone, wanted), task_kernels(everyone, wanted)
        found = forecast_targets(z, variance, *kernels, self.rank, self.rounds)
        return on_scale(found, link, known.link)


def on_scale(found: Factors, link: Link, scale: Link) -> Prediction:
    """Mean and sd on the panel's own scale (Gauss-Hermite quadrature), the shared part of errors in proportion."""
    z = found.mean[..., None] + found.sd[..., None] * NODES
    value = z if link == scale else scale.of(link.inverse(z), np.inf)
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


def _joined(column: str, *panels: Panel) -> Array:
    return np.concatenate([getattr(panel, column) for panel in panels])


def _known_or_named(*panels: Panel) -> Array:
    """ln of parameters, as the table says or the name does; NaN where neither."""
    names = [name for panel in panels for name in panel.models]
    told = _joined("n_params", *panels)
    return np.log(np.where(np.isfinite(told), told, [named_size(name) for name in names]))


def _line(value: Array, n_known: int, least: float) -> Array:
    """A straight line in a feature, in sds of the known models (at least `least`); 0 where it is unknown."""
    there = np.isfinite(value)
    known = there & (np.arange(len(value)) < n_known)
    if not known.any():
        return np.zeros((len(value), len(value)))
    x = np.where(there, (value - value[known].mean()) / max(float(value[known].std()), least), 0.0)
    return np.asarray(np.outer(x, x))


def _walk(days: Array) -> Array:
    """A random walk in years; models of unknown date stand at the median."""
    if not np.isfinite(days).any():
        return np.zeros((len(days), len(days)))
    years = np.where(np.isfinite(days), days, np.nanmedian(days)) / _YEAR
    years = years - years.min()
    return np.asarray(np.minimum(years[:, None], years[None]))


def _alike(labels: Sequence[str]) -> Array:
    """1 for two models of one label, none of which is empty."""
    found = np.array(labels)
    return np.asarray((found[:, None] == found[None]) & (found != ""), dtype=float)


def _by_words(names: Sequence[str], n_known: int) -> Array:
    """How many words two names share, of those in several known names but not in all of them."""
    each = [words(name) for name in names]
    all_known = each[:n_known]
    counts: dict[str, int] = {}
    for own in all_known:
        for word in own:
            counts[word] = counts.get(word, 0) + 1
    kept = sorted(word for word, count in counts.items() if 1 < count < n_known)
    design = np.array([[word in own for word in kept] for own in each], dtype=float).reshape(len(names), len(kept))
    return np.asarray(design @ design.T)


def _unknown(value: Array) -> Array:
    lacking = (~np.isfinite(value)).astype(float)
    return np.outer(lacking, lacking) if 0 < lacking.sum() < len(value) else np.zeros((len(value), len(value)))


VARIANCES = dict(params=0.5, tokens=0.5, day=0.3, walk=0.1, unknown=0.3, group=0.2, group_slope=0.1, words=0.1, own=0.2)
WITHIN = dict(group=0.5, group_slope=0.3, slope=0.2, token=0.2, words=0.1, walk=0.1)
BELIEF = 3.0


def model_kernels(known: Panel, wanted: Panel) -> Kernels:
    panels, n_known = (known, wanted), len(known.models)
    params, tokens, days = _known_or_named(*panels), np.log(_joined("n_tokens", *panels)), _joined("days", *panels)
    names = [*known.models, *wanted.models]
    matrices = {
        "params": _line(params, n_known, 1.0),
        "tokens": _line(tokens, n_known, 1.0),
        "day": _line(days / _YEAR, n_known, 1.0),
        "walk": _walk(days),
        "unknown": _unknown(params),
        "group": _alike(_makers(known, wanted)),
        "group_slope": _alike(_makers(known, wanted)) * _line(params, n_known, 1.0),
        "words": _by_words(names, n_known),
        "own": np.eye(len(names)),
    }
    return _kernels(matrices, VARIANCES, n_known)


def task_kernels(known: Panel, wanted: Panel) -> Kernels:
    n_known, names = len(known.models), [*known.models, *wanted.models]
    params = _known_or_named(known, wanted)
    matrices = {
        "group": _alike(_makers(known, wanted)),
        "group_slope": _alike(_makers(known, wanted)) * _line(params, n_known, 1.0),
        "slope": _line(params, n_known, 1.0),
        "token": _line(np.log(_joined("n_tokens", known, wanted)), n_known, 1.0),
        "words": _by_words(names, n_known),
        "walk": _walk(_joined("days", known, wanted)),
    }
    return _kernels(matrices, WITHIN, n_known)


def _kernels(matrices: dict[str, Array], variances: dict[str, float], n_known: int) -> Kernels:
    """Those kernels that tell known models apart."""
    kept = [name for name, matrix in matrices.items() if matrix[:n_known, :n_known].any()]
    size = len(next(iter(matrices.values())))
    stacked = np.array([matrices[name] for name in kept]).reshape(len(kept), size, size)
    return Kernels(stacked, np.array([variances[name] for name in kept]), BELIEF)


def _makers(*panels: Panel) -> list[str]:
    return [maker for panel in panels for maker in panel.makers or ("",) * len(panel.models)]
