"""What could be run or asked next, what it costs, and how the ladder may stand after it.

A `Standing` is a ladder of known models, models that might be run, and a target that is forecast. An action's results
are drawn from what the engine holds possible of them now (preposterior analysis: Raiffa and Schlaifer 1961, Applied
Statistical Decision Theory, ch. 4), and the engine forecasts the target anew from each draw."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.forecast.combine import Forecast, History, without
from tasklaws.forecast.designs.reasked import reasked
from tasklaws.forecast.engine import outcome, outlook
from tasklaws.forecast.naive import RepeatLast
from tasklaws.forecast.panel import LEAST_RUNGS, Panel, size_gap
from tasklaws.stats.gaussian_process import predict_targets
from tasklaws.stats.links import LOG
from tasklaws.stats.predictive import Predictive

_WIDE = 1.5  # neighbours in size that differ more than this have room for a rung between them
_BETWEEN = 4  # rungs between known ones, in the widest gaps
_ABOVE = 3  # rungs between the largest known one and the target
_SEEDS = 8  # rungs of which another seed is looked at
_FACTORS = (2.0, 4.0)  # times the items
_LOSS_NOISE = 1e-6  # variance of the logarithm of a loss that is no task of the panel: hardly any


@dataclass(frozen=True)
class Action:
    """Something to run or ask, with its cost in FLOPs.

    Of a `rung` or a `seed`, `n_params` and `n_tokens` are the new model's; `items` are so many times (`factor`) the
    items of every known model."""

    kind: Literal["rung", "seed", "items"]
    name: str
    n_params: float = np.nan
    n_tokens: float = np.nan
    factor: float = 1.0
    train_flops: float = 0.0
    ask_flops: float = 0.0

    @property
    def flops(self) -> float:
        return self.train_flops + self.ask_flops


def ask_cost(n_params: Array | float, items: Array | float, tokens_per_item: float) -> float:
    """FLOPs of asking: 2 N a token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1), over all models."""
    return float(np.sum(2.0 * n_params * items * tokens_per_item))


def known_items_of(known: Panel) -> Array:
    """How many items each task has, (tasks,): the median of what its models say, 0 where that is unknown."""
    stated = np.isfinite(known.n_items).any(axis=1)
    found = np.zeros(len(known.tasks))
    found[stated] = np.nanmedian(known.n_items[stated], axis=1)
    return found


def possible_actions(known: Panel, target_params: float, target_flops: float, tokens_per_item: float) -> list[Action]:
    """New rungs between and above the known ones, another seed of known rungs, and more items.

    A new rung has the tokens that the ladder's own line of ln tokens in ln parameters gives it; sizes are rounded to
    two digits and tokens to three. It is asked every item of the known ones, which is part of its cost."""
    found = []
    for size in new_sizes(known.n_params, target_params):
        tokens = _rounded(tokens_at(known, size), 3)
        if 6 * size * tokens < target_flops:
            found.append(Action("rung", f"rung of {size:.2g} ({tokens:.3g} tokens)", size, tokens))
    places = np.linspace(0, len(known.models) - 1, min(len(known.models), _SEEDS)).round().astype(int)
    for place in places:
        model, size, tokens = known.models[place], float(known.n_params[place]), float(known.n_tokens[place])
        found.append(Action("seed", f"seed of {model}", size, tokens))
    if not known.loss and known_items_of(known).any():
        found += [Action("items", f"{factor:g} times the items", factor=factor) for factor in _FACTORS]
    return [priced(action, known, tokens_per_item) for action in found]


def priced(action: Action, known: Panel, tokens_per_item: float) -> Action:
    """The action at what it costs on a ladder of these known models."""
    items = float(known_items_of(known).sum())
    if action.kind == "items":
        return replace(action, ask_flops=ask_cost(known.n_params, (action.factor - 1) * items, tokens_per_item))
    asked = ask_cost(action.n_params, items, tokens_per_item)
    return replace(action, train_flops=6 * action.n_params * action.n_tokens, ask_flops=asked)


def new_sizes(known: Array, target: float) -> list[float]:
    """Parameters of rungs that might be run: in the middle (in logs) of wide gaps between known sizes, and evenly (in
    logs) between the largest and the target's; to two digits."""
    logs = np.log(np.unique(known))
    gaps = np.diff(logs)
    widest = np.argsort(-gaps, kind="stable")[:_BETWEEN]
    between = [(logs[place] + logs[place + 1]) / 2 for place in sorted(widest) if gaps[place] > np.log(_WIDE)]
    above = np.linspace(logs[-1], np.log(target), _ABOVE + 2)[1:-1] if target > known.max() else np.zeros(0)
    sizes = {_rounded(float(np.exp(place)), 2) for place in (*between, *above)}
    return sorted(sizes - set(known.tolist()))


def tokens_at(known: Panel, n_params: float) -> float:
    """Training tokens of a rung of this size: on the least-squares line of ln tokens in ln parameters of the known
    rungs (as many a parameter as the known one has, where there is but one size)."""
    size, tokens = np.log(known.n_params), np.log(known.n_tokens)
    slope = np.polyfit(size, tokens, 1)[0] if np.ptp(size) > 0 else 1.0
    return float(np.exp(tokens.mean() + slope * (np.log(n_params) - size.mean())))


def _rounded(number: float, digits: int) -> float:
    return float(f"{number:.{digits - 1}e}")


@dataclass(frozen=True, eq=False)
class Standing:
    """A ladder as it stands, or may come to: the first `n_known` models of the panel are known, in order of size; those
    that might be run follow, and the last is the target."""

    panel: Panel
    n_known: int
    history: History

    @classmethod
    def of(cls, panel: Panel, n_known: int) -> "Standing":
        """One of which nothing was forecast yet."""
        return cls(panel, n_known, History(panel))

    @cached_property
    def found(self) -> tuple[Forecast, Predictive]:
        """The target's forecast, and what it holds possible."""
        return outcome(self.history, self.n_known, len(self.panel.models) - 1)

    @cached_property
    def width(self) -> Array:
        """Widths of the 90% intervals at the target, (tasks,), in points; of a loss in percent of it."""
        lower, predicted, upper = self.found[1].interval
        return np.asarray(100 * (upper - lower) / (predicted if self.panel.loss else 1.0))

    @property
    def known(self) -> Panel:
        return self.panel.select(np.arange(self.n_known))

    def expects(self, model: int) -> Predictive:
        """What a model that might be run holds possible, a row a task; the last rung says nothing of smaller ones."""
        found, said = outcome(self.history, self.n_known, model)
        if self.panel.size[model] >= self.panel.size[: self.n_known].max():
            return said
        found = without(RepeatLast().name, found, self.history, self.n_known, model)
        return outlook(self.known, size_gap(self.panel, self.n_known, model), found)

    def with_model(self, model: int, value: Array, others: Array, *, keep: bool) -> "Standing":
        """The ladder once that model is known: `value` (tasks,), and `others` of the panel's other curves. Without
        `keep`, other models that might be run are left out."""
        place = int(np.searchsorted(self.panel.size[: self.n_known], self.panel.size[model], side="right"))
        known = np.insert(np.arange(self.n_known), place, model)
        rest = np.arange(self.n_known, len(self.panel.models) - 1)
        left = rest[rest != model] if keep else rest[:0]
        order = np.concatenate([known, left, [len(self.panel.models) - 1]])
        for origin in range(LEAST_RUNGS, place + 1):
            self.history.in_use(origin)  # of all models at once, for all that might be known
        panel = self.panel.select(order)
        values, other_values = panel.value.copy(), panel.other_values.copy()
        values[:, place], other_values[:, place] = value, others
        panel = replace(panel, value=values, other_values=other_values)
        return Standing(panel, self.n_known + 1, self.history.arranged(panel, place))

    def with_items(self, factor: float, value: Array, *, keep: bool) -> "Standing":
        """The ladder once its tasks have so many times the items, and the known models these values (tasks, models)."""
        count = len(self.panel.models)
        order = np.arange(count) if keep else np.r_[: self.n_known, count - 1]
        panel = self.panel.select(order)
        values, items = panel.value.copy(), panel.n_items * factor
        values[:, : self.n_known] = value
        return Standing.of(replace(panel, value=values, n_items=items), self.n_known)


def after(standings: Sequence[Standing], action: Action, seed: int, *, keep: bool = False) -> list[Standing]:
    """How each of the standings may stand after an action, a draw each; together the draws are a Latin hypercube, so
    that few tell the mean (McKay, Beckman and Conover 1979)."""
    rng = np.random.default_rng([seed, zlib.crc32(action.name.encode())])
    count, n_tasks = len(standings), len(standings[0].panel.tasks)
    levels = (np.arange(count) + 0.5) / count
    if action.kind == "items":
        places = rng.permuted(np.broadcast_to(levels, (n_tasks, count)), axis=1)
        return [
            one.with_items(action.factor, reasked(one.known, action.factor, places[:, draw], rng), keep=keep)
            for draw, one in enumerate(standings)
        ]
    order = rng.permuted(np.broadcast_to(np.arange(count), (n_tasks, count)), axis=1)
    drawn: dict[int, tuple[Array, Array]] = {}  # by standing: quantiles of the model's results, its other curves
    found = []
    for draw, one in enumerate(standings):
        model = one.panel.models.index(action.name)
        if id(one) not in drawn:
            said = one.expects(model)
            drawn[id(one)] = np.stack([said.quantile(level) for level in levels], axis=1), _others(one, model)
        quantiles, others = drawn[id(one)]
        value = quantiles[np.arange(n_tasks), order[:, draw]]
        found.append(one.with_model(model, value, others, keep=keep))
    return found


def _others(standing: Standing, model: int) -> Array:
    """The panel's other curves (losses, probabilities of right answers) at a model, (others,), as a straight line or a
    bend in ln size says them; NaN where fewer than LEAST_RUNGS known models have one."""
    panel, known = standing.panel, standing.known
    is_loss = np.array(panel.other_is_loss, dtype=bool)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.log(np.where(is_loss, known.other_values, -np.log(known.other_values)))
    z = np.where(np.isfinite(z), z, np.nan)
    rows = np.isfinite(z).sum(axis=1) >= LEAST_RUNGS
    found = np.full(len(z), np.nan)
    if rows.any():
        at = panel.size[[model]][None]
        curve = predict_targets(known.size[None], at, z[rows], np.full_like(z[rows], _LOSS_NOISE), LOG)
        found[rows] = np.exp((curve.weight * curve.mean[..., 0]).sum(axis=1))
    return np.where(is_loss[:, 0], found, np.exp(-found))
