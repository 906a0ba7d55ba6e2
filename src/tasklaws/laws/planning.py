"""The best size and tokens of a model for a budget or a loss, by a fitted loss surface."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.result import Result, axes_or_new
from tasklaws.laws.profile import Numbers, allowed_surfaces
from tasklaws.laws.result import Fit
from tasklaws.laws.status import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROUNDING = 1e-9  # a relative difference that is rounding
_LOG_TOKENS = (0.0, 200.0)  # where a plan is looked for
_FIT_REMEDY = "give what `tasklaws fit TABLE --law chinchilla --json` printed"
_MORE_RUNS = "fit runs whose sizes and tokens vary apart from each other, or more of them"
Interval = tuple[float | None, float | None]


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

    def loss(self, n_params: float, n_tokens: float) -> float:
        return float(self.E + self.A * n_params**-self.alpha + self.B * n_tokens**-self.beta)


@dataclass(frozen=True, repr=False)
class Plan(Result):
    """A model's size and tokens, what training (6 N D) and serving (2 N a token) cost in FLOPs, and its expected
    loss.

    `interval` has the limits of n_params, n_tokens and loss, which hold the estimate, at `level`: over the bootstrap
    refits of a fit, and over every surface that the points allow where the fit did not converge; None is an open end;
    empty without a bootstrap. `surface` is the law, `notes` say what else to know."""

    surface: Surface
    n_params: float
    n_tokens: float
    tokens_served: float
    interval: Mapping[str, Interval] = field(default_factory=dict)
    level: float = 0.9
    notes: tuple[str, ...] = ()

    @property
    def train_flops(self) -> float:
        return 6 * self.n_params * self.n_tokens

    @property
    def serve_flops(self) -> float:
        return 2 * self.n_params * self.tokens_served

    @property
    def loss(self) -> float:
        return self.surface.loss(self.n_params, self.n_tokens)

    def summary(self) -> str:
        """A line a quantity, with its interval where there is one."""
        lines = []
        for name, value in self._numbers().items():
            lines.append(f"{name:14}{value:.5g}")
            if name in self.interval:
                low, high = ("open" if end is None else f"{end:.3g}" for end in self.interval[name])
                lines[-1] += f"   {self.level:.0%} {low} to {high}"
        lines.append(f"tokens/param  {self.n_tokens / self.n_params:.3g}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, object]:
        """The numbers by name, `interval`: name -> (low, high), and `notes`."""
        interval = {name: list(ends) for name, ends in self.interval.items()}
        return {**self._numbers(), "interval": interval, "notes": list(self.notes)}

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
    chinchilla fit of one ladder, or its five numbers as a `Surface`. With a fit the plan has intervals: of one that
    converged from its bootstrap refits; of one that is `unidentified` or `bound_hit` over all surfaces whose likelihood
    its points do not tell from the best one's (profile likelihood). A failed fit, one whose points allow any size,
    neither or both of flops and loss, another law, or a goal out of reach raise TasklawsError. Sources: Hoffmann et al.
    2022, arXiv 2203.15556, eq. 4; Sardana et al. 2023, arXiv 2401.00448, eq. 3.

    >>> best = plan(Surface(E=1.82, A=482, B=2085, alpha=0.348, beta=0.366), flops=1e21)
    >>> round(best.loss, 3), round(best.n_tokens / best.n_params, 1)
    (2.306, 21.5)
    """

    if not (np.isfinite(served) and served >= 0):
        raise TasklawsError(f"the tokens to be served are {served}: give 0 or more")

    def best(surface: Surface) -> Plan:
        if flops is not None and loss is None:
            return _for_budget(surface, flops, served)
        if loss is not None and flops is None:
            return _for_loss(surface, loss, served)
        raise TasklawsError("give either flops, the budget, or loss, the one to be reached")

    if isinstance(law, Surface):
        return _that_exists(best(law))
    if not isinstance(law, Fit):
        raise TasklawsError(f"the law is a {type(law).__name__}: give a chinchilla fit or a Surface")
    if law.law.name != "chinchilla" or len(law.ladders) > 1:
        raise TasklawsError(f"a plan needs a chinchilla fit of one ladder, this is {law.law.name}: fit that")
    if law.status == Status.FAILED:
        raise TasklawsError(f"the fit failed ({law.reason}), so that nothing can be planned by it: {_MORE_RUNS}")
    found = _that_exists(_estimate(law, best))
    if law.status == Status.CONVERGED:
        surfaces = [tuple(theta.tolist()) for theta in law.draws[:, 0]]
        tails = (1 - law.level) / 2, (1 + law.level) / 2
    else:
        surfaces, tails = _allowed(law, found), (0.0, 1.0)
    interval, lacking = _limits(found, surfaces, best, tails)
    if lacking and law.status != Status.CONVERGED:
        raise TasklawsError(
            f"no plan by a fit that is {law.status} ({law.reason}): its points allow none; {_MORE_RUNS}"
        )
    return replace(found, interval=interval, level=law.level, notes=tuple(_notes(law, found, lacking)))


def _that_exists(found: Plan) -> Plan:
    """The plan; one of less than a parameter or a token raises TasklawsError."""
    if min(found.n_params, found.n_tokens) < 1:
        raise TasklawsError(
            f"the best would have {found.n_params:.3g} parameters and {found.n_tokens:.3g} tokens: give a larger "
            "budget, a lower loss or fewer tokens to be served"
        )
    return found


def _allowed(law: Fit, found: Plan) -> list[Numbers]:
    try:
        return allowed_surfaces(law, found.n_params, found.n_tokens, found.tokens_served)
    except TasklawsError as error:
        raise TasklawsError(f"no plan by a fit that is {law.status} ({law.reason}): {error}; {_MORE_RUNS}") from error


def _estimate(law: Fit, best: Callable[[Surface], Plan]) -> Plan:
    """The plan by the fit's own numbers; if these allow none because the fit has not converged, that is said."""
    try:
        return best(Surface(**law.params))
    except TasklawsError as error:
        if law.status == Status.CONVERGED:
            raise
        raise TasklawsError(f"the fit is {law.status} ({law.reason}), so no plan: {error}; {_MORE_RUNS}") from error


def _limits(
    found: Plan, surfaces: list[Numbers], best: Callable[[Surface], Plan], tails: tuple[float, float]
) -> tuple[dict[str, Interval], int]:
    """The limits of the plans by `surfaces`, and how many of these have no plan: more of those than a tail holds leave
    both ends open, as nothing tells at which end they lie."""
    plans = []
    for numbers in surfaces:
        with suppress(TasklawsError):  # without a surface, or with a floor above the loss
            plans.append(best(Surface(*numbers)))
    lacking = len(surfaces) - len(plans)
    if len(plans) < 2:
        return {}, lacking
    interval: dict[str, Interval] = {}
    for name in ("n_params", "n_tokens", "loss"):
        estimate = float(getattr(found, name))
        low, high = (float(end) for end in np.quantile([getattr(one, name) for one in plans], tails))
        if high - low > _ROUNDING * estimate:  # not what all plans agree on
            is_open = lacking > tails[0] * len(surfaces)
            interval[name] = (None, None) if is_open else (min(low, estimate), max(high, estimate))
    return interval, lacking


def _notes(law: Fit, found: Plan, lacking: int) -> Iterator[str]:
    if law.status != Status.CONVERGED:
        yield f"the fit is {law.status} ({law.reason}): the intervals are all that its points allow; {_MORE_RUNS}"
    if lacking:
        yield f"{lacking} of {len(law.draws)} refits of the bootstrap have no such plan"
    largest = float((6 * law.points["n_params"] * law.points["n_tokens"]).max())
    if found.train_flops > largest:
        yield f"training takes {found.train_flops / largest:.3g} times the FLOPs of the largest run that was fitted"


def read_law(path: Path) -> Fit | Surface:
    """The chinchilla fit in a JSON file, or the surface where it holds no more than `params`; anything else raises
    TasklawsError."""
    try:
        row: Any = json.loads(read_text(path, _FIT_REMEDY))
    except (ValueError, RecursionError) as error:
        raise TasklawsError(f"{path} is no JSON ({error}): {_FIT_REMEDY}") from error
    params = row.get("params") if isinstance(row, dict) else None
    if not isinstance(params, dict):
        raise TasklawsError(f"{path}: this is no fit{_keys(row)}: {_FIT_REMEDY}")
    if "draws" in row:
        try:
            return Fit.from_dict(row)
        except TasklawsError as error:
            raise TasklawsError(f"{path}: {error}") from error
    names = list(Surface.__dataclass_fields__)
    missing = [
        name for name in names if isinstance(params.get(name), bool) or not isinstance(params.get(name), int | float)
    ]
    if missing:
        raise TasklawsError(
            f"{path}: no number {missing[0]} among the params: a plan needs {', '.join(names)}; {_FIT_REMEDY}"
        )
    if row.get("status", Status.CONVERGED) != Status.CONVERGED:
        raise TasklawsError(
            f"{path}: the fit is {row['status']}, and without its points nothing says what they allow: {_FIT_REMEDY}"
        )
    try:
        return Surface(*(float(params[name]) for name in names))
    except (OverflowError, TasklawsError) as error:
        raise TasklawsError(f"{path}: {error}: {_FIT_REMEDY}") from error


def _keys(row: Any) -> str:
    """What a JSON value that is no fit holds instead, in few words."""
    if not isinstance(row, dict):
        return f" (a {type(row).__name__})"
    names = ", ".join(repr(str(name))[:40] for name in list(row)[:4])
    return f" (its keys: {names}{', ...' if len(row) > 4 else ''})" if row else " (no key)"


def _for_budget(surface: Surface, flops: float, served: float) -> Plan:
    """The lowest loss for a budget of training and serving: 6 N D + 2 N served = flops.

    Without serving in closed form: N = G (C / 6)^(beta / (alpha + beta)) with G = (alpha A / (beta B))^(1 / (alpha +
    beta)) (Hoffmann et al. 2022, eq. 4). With it, where alpha A N^-alpha = beta B D^-beta (1 + served / (3 D)), which
    also solves the problem of Sardana et al. 2023 (arXiv 2401.00448, eq. 3)."""
    if not (np.isfinite(flops) and flops > 0):
        raise TasklawsError(f"the budget in FLOPs is {flops}: give a positive number")
    if served == 0:
        both = surface.alpha + surface.beta
        scale = (surface.alpha * surface.A / (surface.beta * surface.B)) ** (1 / both)
        n_params = scale * (flops / 6) ** (surface.beta / both)
        return Plan(surface, n_params, flops / (6 * n_params), 0.0)

    def size(log_tokens: float) -> float:
        return float(flops / (6 * np.exp(log_tokens) + 2 * served))

    def by_size(log_tokens: float) -> float:
        return float(surface.alpha * surface.A * size(log_tokens) ** -surface.alpha)

    log_tokens = _log_tokens(surface, by_size, served, f"{flops:g} FLOPs")
    return Plan(surface, size(log_tokens), float(np.exp(log_tokens)), served)


def _for_loss(surface: Surface, loss: float, served: float) -> Plan:
    """The cheapest training and serving, 6 N D + 2 N served, that reaches a loss (Sardana et al. 2023, eq. 3); one at
    or below the law's floor E raises TasklawsError."""
    if not loss > surface.E:
        raise TasklawsError(f"a loss of {loss} is not above the law's floor E = {surface.E:g}: ask for a higher one")

    def by_size(log_tokens: float) -> float:
        return float(surface.alpha * (loss - surface.E - surface.B * np.exp(-surface.beta * log_tokens)))

    tokens = float(np.exp(_log_tokens(surface, by_size, served, f"a loss of {loss:g}")))
    left = loss - surface.E - surface.B * tokens**-surface.beta  # for A N^-alpha
    return Plan(surface, float((left / surface.A) ** (-1 / surface.alpha)), tokens, served)


def _log_tokens(surface: Surface, by_size: Callable[[float], float], served: float, goal: str) -> float:
    """ln D where the loss falls with ln N, `by_size` at ln D, as it falls with ln D, each by its share of the cost."""

    def excess(log_tokens: float) -> float:
        by_tokens = surface.beta * surface.B * np.exp(-surface.beta * log_tokens)
        return float(by_size(log_tokens) - by_tokens * (1 + served * np.exp(-log_tokens) / 3))

    low, high = _LOG_TOKENS
    try:
        found = excess(low) < 0 < excess(high)
    except (OverflowError, ZeroDivisionError):  # sizes or tokens that no float holds
        found = False
    if not found:
        raise TasklawsError(
            f"no plan for {goal} and {served:g} tokens served: between 1 and e^200 tokens none is the best"
        )
    return float(brentq(excess, low, high, xtol=1e-13, rtol=1e-15))
