"""What a law is good for before training: sizes for a budget, what a better recipe is worth, what pre-training is
worth."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.result import Result, axes_or_new
from tasklaws.laws.result import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANGE = (0.0, 200.0)  # of ln tokens, in which a plan is looked for
FIT_REMEDY = "give what `tasklaws fit --law chinchilla --json` printed"


@dataclass(frozen=True)
class Surface:
    """Hoffmann's loss E + A / N^alpha + B / D^beta; a parameter that is not positive (E: negative) raises
    TasklawsError."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def __post_init__(self) -> None:
        for name in ("E", "A", "B", "alpha", "beta"):
            value = getattr(self, name)
            if not (np.isfinite(value) and (value > 0 or (name == "E" and value == 0))):
                raise TasklawsError(f"{name} is {value}: no plan without a positive one (of a fit: see its status)")

    @classmethod
    def of(cls, fit: Fit) -> "Surface":
        if fit.law.name != "chinchilla" or len(fit.ladders) > 1:
            raise TasklawsError(f"a plan needs a chinchilla fit of one ladder, this is {fit.law.name}: fit that")
        return cls(**fit.params)

    def loss(self, n_params: float, n_tokens: float) -> float:
        return float(self.E + self.A * n_params**-self.alpha + self.B * n_tokens**-self.beta)


@dataclass(frozen=True, repr=False)
class Plan(Result):
    """A model's size and tokens, what training (6 N D) and serving (2 N a token) cost in FLOPs, and its expected
    loss.

    `interval` has the limits of n_params, n_tokens and loss over the bootstrap refits of the fit, at its `level`; none
    without a bootstrap. `surface` is the law."""

    n_params: float
    n_tokens: float
    tokens_served: float
    train_flops: float
    serve_flops: float
    loss: float
    surface: Surface
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    level: float = 0.9

    @classmethod
    def of(cls, surface: Surface, n_params: float, n_tokens: float, tokens_served: float) -> "Plan":
        return cls(
            n_params=n_params,
            n_tokens=n_tokens,
            tokens_served=tokens_served,
            train_flops=6 * n_params * n_tokens,
            serve_flops=2 * n_params * tokens_served,
            loss=surface.loss(n_params, n_tokens),
            surface=surface,
        )

    def summary(self) -> str:
        """A line a quantity, with its interval where there is one."""
        lines = []
        for name, value in self._numbers().items():
            low, high = self.interval.get(name, (np.nan, np.nan))
            ends = f"   {self.level:.0%} {low:.3g} to {high:.3g}" if name in self.interval else ""
            lines.append(f"{name:14}{value:.5g}{ends}")
        return "\n".join([*lines, f"tokens/param  {self.n_tokens / self.n_params:.3g}"])

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name, and `interval`: name -> (low, high)."""
        return {**self._numbers(), "interval": {name: list(ends) for name, ends in self.interval.items()}}

    def _numbers(self) -> dict[str, float]:
        names = ("n_params", "n_tokens", "tokens_served", "train_flops", "serve_flops", "loss")
        return {name: getattr(self, name) for name in names}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the loss of other sizes at the plan's total cost, and the plan."""
        ax = axes_or_new(ax)
        sizes = self.n_params * np.geomspace(0.1, 10, 100)
        tokens = (self.train_flops + self.serve_flops - 2 * sizes * self.tokens_served) / (6 * sizes)
        possible = tokens > 0
        losses = [self.surface.loss(*at) for at in zip(sizes[possible], tokens[possible], strict=True)]
        ax.plot(sizes[possible], losses)
        ax.plot([self.n_params], [self.loss], "o")
        ax.set_xscale("log")
        ax.set_xlabel("n_params")
        ax.set_ylabel("loss")
        ax.set_title(f"{self.train_flops + self.serve_flops:.3g} FLOPs", fontsize="small")
        return ax


def plan(law: Fit | Surface, flops: float | None = None, *, loss: float | None = None, served: float = 0.0) -> Plan:
    """The size and tokens that a budget of `flops` is best spent on, or that reach a `loss` at the least cost.

    The cost is 6 N D for training and 2 N `served` for the tokens served over the model's life, in FLOPs; `law` is a
    chinchilla fit of one ladder, or its five numbers as a `Surface`. With a fit the plan has intervals, from those
    bootstrap refits that allow one. Neither or both of flops and loss, another law, or a goal out of reach raise
    TasklawsError. Sources: Hoffmann et al. 2022, arXiv 2203.15556, eq. 4; Sardana et al. 2023, arXiv 2401.00448, eq. 3.

    >>> best = plan(Surface(E=1.82, A=482, B=2085, alpha=0.348, beta=0.366), flops=1e21)
    >>> round(best.loss, 3), round(best.n_tokens / best.n_params, 1)
    (2.306, 21.5)
    """

    def best(surface: Surface) -> Plan:
        if flops is not None and loss is None:
            return plan_for_budget(surface, flops, served)
        if loss is not None and flops is None:
            return plan_for_loss(surface, loss, served)
        raise TasklawsError("give either flops, the budget, or loss, the one to be reached")

    if isinstance(law, Surface):
        return best(law)
    found = best(Surface.of(law))
    draws = []
    for theta in law.draws[:, 0]:
        try:
            draws.append(best(Surface(*theta.tolist())))
        except TasklawsError:  # a refit without a surface, or whose floor is above the loss
            continue
    return replace(found, interval=_interval(draws, law.level), level=law.level)


def _interval(plans: list[Plan], level: float) -> dict[str, tuple[float, float]]:
    """Limits of the plan's size, tokens and loss; none of what all plans agree on."""
    found = {}
    for name in ("n_params", "n_tokens", "loss") if len(plans) > 1 else ():
        low, high = np.quantile([getattr(one, name) for one in plans], [(1 - level) / 2, (1 + level) / 2])
        if low < high:
            found[name] = (float(low), float(high))
    return found


def read_law(path: Path) -> Fit | Surface:
    """The chinchilla fit in a JSON file, or the surface where it holds no more than `params`; anything else raises
    TasklawsError."""
    try:
        row: Any = json.loads(read_text(path, FIT_REMEDY))
    except ValueError as error:
        raise TasklawsError(f"{path} is no JSON ({error}): {FIT_REMEDY}") from error
    if not isinstance(row, dict):
        raise TasklawsError(f"{path} holds no fit: {FIT_REMEDY}")
    params = row.get("params")
    if "draws" in row or not isinstance(params, dict):
        return Fit.from_dict(row)
    names = list(Surface.__dataclass_fields__)
    missing = [name for name in names if not isinstance(params.get(name), int | float)]
    if missing:
        raise TasklawsError(f"{path}: no number {missing[0]} among the params: a plan needs {', '.join(names)}")
    return Surface(*(float(params[name]) for name in names))


def plan_for_budget(surface: Surface, flops: float, tokens_served: float = 0.0) -> Plan:
    """The lowest loss for a budget of training and serving: 6 N D + 2 N tokens_served = flops.

    Without serving in closed form: N = G (C / 6)^(beta / (alpha + beta)) with G = (alpha A / (beta B))^(1 / (alpha +
    beta)) (Hoffmann et al. 2022, eq. 4). With it, where alpha A N^-alpha = beta B D^-beta (1 + tokens_served / (3
    D)), which also solves the problem of Sardana et al. 2023 (arXiv 2401.00448, eq. 3)."""
    check_positive("the budget in FLOPs", flops)
    check_served(tokens_served)
    if tokens_served == 0:
        both = surface.alpha + surface.beta
        scale = (surface.alpha * surface.A / (surface.beta * surface.B)) ** (1 / both)
        n_params = scale * (flops / 6) ** (surface.beta / both)
        return Plan.of(surface, n_params, flops / (6 * n_params), 0.0)

    def size(log_tokens: float) -> float:
        return float(flops / (6 * np.exp(log_tokens) + 2 * tokens_served))

    def excess(log_tokens: float) -> float:
        return by_size(surface, size(log_tokens)) - by_tokens(surface, log_tokens, tokens_served)

    log_tokens = solve(excess, f"{flops:g} FLOPs and {tokens_served:g} tokens served")
    return Plan.of(surface, size(log_tokens), float(np.exp(log_tokens)), tokens_served)


def plan_for_loss(surface: Surface, loss: float, tokens_served: float = 0.0) -> Plan:
    """The cheapest training and serving, 6 N D + 2 N tokens_served, that reaches a loss (Sardana et al. 2023, eq. 3).

    A loss at or below the law's floor E raises TasklawsError."""
    check_served(tokens_served)
    if not loss > surface.E:
        raise TasklawsError(f"a loss of {loss} is not above the law's floor E = {surface.E:g}: ask for a higher one")

    def excess(log_tokens: float) -> float:
        left = loss - surface.E - surface.B * np.exp(-surface.beta * log_tokens)  # for A N^-alpha
        return float(surface.alpha * left - by_tokens(surface, log_tokens, tokens_served))

    tokens = float(np.exp(solve(excess, f"a loss of {loss:g} and {tokens_served:g} tokens served")))
    left = loss - surface.E - surface.B * tokens**-surface.beta
    return Plan.of(surface, float((left / surface.A) ** (-1 / surface.alpha)), tokens, tokens_served)


def by_size(surface: Surface, n_params: float) -> float:
    """What the loss falls by with ln N."""
    return float(surface.alpha * surface.A * n_params**-surface.alpha)


def by_tokens(surface: Surface, log_tokens: float, tokens_served: float) -> float:
    """What the loss falls by with ln D, for each share of the cost that D is answerable for."""
    fall = surface.beta * surface.B * np.exp(-surface.beta * log_tokens)
    return float(fall * (1 + tokens_served * np.exp(-log_tokens) / 3))


def solve(excess: Callable[[float], float], of_what: str) -> float:
    low, high = RANGE
    if not excess(low) < 0 < excess(high):
        raise TasklawsError(f"no plan for {of_what}: between 1 and e^200 tokens none is the best")
    return float(brentq(excess, low, high, xtol=1e-13, rtol=1e-15))


def check_positive(what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise TasklawsError(f"{what} is {value}: give a positive number")


def check_served(tokens_served: float) -> None:
    if not (np.isfinite(tokens_served) and tokens_served >= 0):
        raise TasklawsError(f"the tokens to be served are {tokens_served}: give 0 or more")


@dataclass(frozen=True)
class Multiplier:
    """How many times the compute one ladder would need to do as well as another, with a bootstrap interval (of the
    fit's `level`).

    An infinite one is out of reach: the worse ladder's floor lies above."""

    value: float
    lower: float
    upper: float


def compute_multiplier(fit: Fit, better: str, than: str, train_flops: float) -> Multiplier:
    """What a recipe is worth at a budget: ladder `than` does at k times `train_flops` what `better` does at
    `train_flops`.

    `fit` is a power law (with or without floor) of train_flops on both ladders, fitted together. The interval is that
    of the bootstrap. Another law, a ladder that is not in the fit, or a fit without bootstrap raises
    TasklawsError."""
    if fit.law.name not in ("power", "pure_power") or fit.law.inputs != ("train_flops",):
        raise TasklawsError(f"a compute multiplier needs a power law of train_flops, not {fit.law.name}: fit that")
    if len(fit.draws) < 2:
        raise TasklawsError("a compute multiplier needs bootstrap replicates: fit with replicates")
    check_positive("train_flops", train_flops)
    value = float(ratios(fit, fit.theta[None], better, than, train_flops)[0])
    draws = ratios(fit, fit.draws, better, than, train_flops)
    # "lower" and "higher" pick draws: between infinite ones there is nothing to interpolate.
    lower = float(np.quantile(draws, (1 - fit.level) / 2, method="lower"))
    upper = float(np.quantile(draws, (1 + fit.level) / 2, method="higher"))
    return Multiplier(value, min(lower, value), max(upper, value))


def ratios(fit: Fit, theta: Array, better: str, than: str, train_flops: float) -> Array:
    for ladder in (better, than):
        if ladder not in fit.ladders:
            raise TasklawsError(f"no ladder {ladder!r} in the fit: name one of {', '.join(fit.ladders)}")
    loss = fit.law.value(theta[:, [fit.ladders.index(better)]], {"train_flops": np.array([train_flops])})[0][:, 0]
    return inverse_power(theta[:, fit.ladders.index(than)], loss) / train_flops


def inverse_power(theta: Array, value: Array) -> Array:
    """The x where E + A x^-a, or A x^-a, has a value; infinite where it never gets there."""
    floor = theta[:, 0] if theta.shape[1] == 3 else np.zeros(len(theta))
    above = value - floor
    exponent = theta[:, -1]
    reached = (above > 0) & (exponent > 0)
    safe = np.where(reached, above / theta[:, -2], 1.0)
    return np.where(reached, safe ** (-1 / np.where(reached, exponent, 1.0)), np.inf)


def effective_data_transferred(from_scratch: Fit, loss: ArrayLike, n_tokens: ArrayLike) -> Array:
    """D_T = D_E - D_F: how many more tokens of the task a model trained from scratch needs for the `loss` of a
    pre-trained one that was fine-tuned on `n_tokens` D_F (Hernandez et al. 2021, arXiv 2102.01293, sec. 2).

    `from_scratch` is a power law of n_tokens. Another law, or a loss at or below its floor, raises TasklawsError."""
    if from_scratch.law.name not in ("power", "pure_power") or from_scratch.law.inputs != ("n_tokens",):
        raise TasklawsError(f"effective data needs a power law of n_tokens, not {from_scratch.law.name}: fit that")
    if len(from_scratch.ladders) > 1:
        raise TasklawsError(f"effective data needs one ladder, not {len(from_scratch.ladders)}: fit them one by one")
    losses = np.atleast_1d(np.asarray(loss, dtype=float))
    needed = inverse_power(np.repeat(from_scratch.theta, len(losses), axis=0), losses)
    if not np.isfinite(needed).all():
        worst = losses[~np.isfinite(needed)][0]
        raise TasklawsError(f"from scratch no amount of data reaches a loss of {worst:g}: the law's floor is above")
    return np.asarray(needed - np.asarray(n_tokens, dtype=float))


def data_exponent(zipf_exponent: float) -> float:
    """The exponent b of error ~ n^-b where features have Zipf frequencies k^-z: b = (z - 1) / z (Hutter 2021, arXiv
    2102.04074, with z = 1 + a). An exponent of 1 or less, which no frequencies have, raises TasklawsError."""
    if not (np.isfinite(zipf_exponent) and zipf_exponent > 1):
        raise TasklawsError(f"a Zipf exponent of {zipf_exponent}: frequencies need one above 1")
    return (zipf_exponent - 1) / zipf_exponent
