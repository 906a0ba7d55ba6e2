"""The forms: value as a function of u = ln(x / x_ref), with gradient, bounds and where to start.

A search runs in coordinates that keep every parameter inside a box; `natural` turns them into the parameters
of the formula. All of it is vectorised over a leading axis of searches."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from tasklaws.laws.curve import LOSS_FLOOR, Array, Curve, Kind


@dataclass(frozen=True)
class Frame:
    """What is settled before the search: kind of metric, chance, ln x_ref, the range of u, the largest
    value."""

    kind: Kind
    chance: float | None
    centre: float
    first: float
    last: float
    top: float

    @classmethod
    def of(cls, curve: Curve) -> "Frame":
        log_x = np.log(np.unique(curve.x))
        centre = float(log_x.mean())
        top = 1.0 if curve.kind == "accuracy" else float(max(curve.value.max(), LOSS_FLOOR))
        return cls(curve.kind, curve.chance, centre, float(log_x[0]) - centre, float(log_x[-1]) - centre, top)

    @property
    def worst_error(self) -> float:
        """The error of a guess."""
        return 1.0 - (self.chance or 0.0)


class Law(ABC):
    """One functional form. `coordinates` names what the search moves, `edges` those where (name, 0 lower or 1
    upper) the formula itself ends, so that lying there is no sign of a search cut short."""

    name: ClassVar[str]
    formula: ClassVar[str]
    citation: ClassVar[str]
    coordinates: ClassVar[tuple[str, ...]]
    edges: ClassVar[frozenset[tuple[str, int]]] = frozenset()

    @abstractmethod
    def bounds(self, frame: Frame) -> Array:
        """Lower and upper bounds, shape (2, p); equal ones fix a coordinate."""

    @abstractmethod
    def value(self, theta: Array, u: Array, frame: Frame) -> tuple[Array, Array]:
        """Values (m, n) and their gradient (m, n, p) of m searches at n points."""

    @abstractmethod
    def starts(self, curve: Curve, frame: Frame) -> Array:
        """Where searches begin, shape (s, p)."""

    def scatter(self, theta: Array, u: Array, rng: np.random.Generator) -> Array:
        """Bootstrap draws with what the points leave open drawn at random."""
        return theta

    @abstractmethod
    def natural(self, theta: Array, frame: Frame) -> dict[str, Array]:
        """The formula's parameters of m searches."""

    @abstractmethod
    def units(self, x: str, frame: Frame) -> dict[str, str]:
        """The unit of each of the formula's parameters."""


def grid(*axes: list[float]) -> Array:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1).astype(float)


class Power(Law):
    """Loss, or error = 1 - accuracy, falls as a power of x to a floor; an error never exceeds that of a
    guess."""

    name = "power"
    formula = "loss = E + A x^-a; accuracy = 1 - min(E + A x^-a, 1 - chance)"
    citation = "Kaplan et al. 2020, arXiv 2001.08361; floor E: Hoffmann et al. 2022, arXiv 2203.15556"
    coordinates = ("E", "ln B", "a")
    edges = frozenset({("E", 0), ("E", 1), ("a", 0)})

    def bounds(self, frame: Frame) -> Array:
        top = frame.top if frame.kind == "loss" else frame.worst_error
        return np.array([[0.0, np.log(top) - 15, 0.0], [top, np.log(top) + 15, 4.0]])

    def value(self, theta: Array, u: Array, frame: Frame) -> tuple[Array, Array]:
        floor, log_scale, exponent = (theta[:, [index]] for index in range(3))
        part = np.exp(log_scale - exponent * u)
        gradient = np.stack([np.ones_like(part), part, -u * part], axis=-1)
        if frame.kind == "loss":
            return floor + part, gradient
        below_guess = floor + part < frame.worst_error
        return 1 - np.where(below_guess, floor + part, frame.worst_error), -gradient * below_guess[..., None]

    def starts(self, curve: Curve, frame: Frame) -> Array:
        best = curve.value.min() if curve.kind == "loss" else 1 - curve.value.max()
        top = self.bounds(frame)[1, 0]
        points = grid([0.0, 0.9 * best], [-3.0, -1.0, 0.0, 2.0], [0.05, 0.3, 1.0, 2.5])
        points[:, 1] += np.log(top)
        return points

    def natural(self, theta: Array, frame: Frame) -> dict[str, Array]:
        floor, log_scale, exponent = theta.T
        return {"E": floor, "A": np.exp(log_scale + exponent * frame.centre), "a": exponent}

    def units(self, x: str, frame: Frame) -> dict[str, str]:
        unit = "loss" if frame.kind == "loss" else "error"
        return {"E": unit, "A": f"{unit} at {x} = 1", "a": "1"}


class Rise(Law):
    """Forms that go from `start` to `end` as a share s(u) rises from 0 to 1; `gain` is the part of the way to
    a perfect score (accuracy 1, loss 0) that `end` lies beyond `start`, so no form gets worse with x."""

    edges = frozenset({("start", 0), ("start", 1), ("gain", 0), ("gain", 1)})

    def bounds(self, frame: Frame) -> Array:
        if frame.kind == "loss":
            return np.array([[LOSS_FLOOR, 0.0], [3 * frame.top, 1.0]])
        return np.array([[0.0, 0.0], [1.0, 1.0]])

    def level(self, theta: Array, share: Array, frame: Frame) -> tuple[Array, Array, Array]:
        """Value, its gradient by start and gain, and by s."""
        start, gain = theta[:, [0]], theta[:, [1]]
        reach = (1.0 if frame.kind == "accuracy" else 0.0) - start
        by_level = np.stack([1 - gain * share, reach * share], axis=-1)
        return start + reach * gain * share, by_level, reach * gain

    def ends(self, theta: Array, frame: Frame) -> tuple[Array, Array]:
        start, gain = theta[:, 0], theta[:, 1]
        return start, start + ((1.0 if frame.kind == "accuracy" else 0.0) - start) * gain


def rise_starts(curve: Curve) -> tuple[float, list[float]]:
    """The worst value seen, and gains that lead from it to the best value and half-way on to perfection."""
    worst, best = (curve.value.max(), curve.value.min()) if curve.kind == "loss" else (
        curve.value.min(), curve.value.max()
    )  # fmt: skip
    perfect = 0.0 if curve.kind == "loss" else 1.0
    gain = (best - worst) / (perfect - worst) if worst != perfect else 0.0
    return float(worst), [float(gain), float(1 + gain) / 2]


class Logistic(Rise):
    name = "logistic"
    formula = "value = start + (end - start) / (1 + exp(-k (ln x - m))); start is chance where there is one"
    citation = "second step of Bhagia et al. 2024, arXiv 2412.04403"
    coordinates = ("start", "gain", "ln k", "m")

    def bounds(self, frame: Frame) -> Array:
        bounds = super().bounds(frame)
        if frame.chance is not None:
            bounds[:, 0] = frame.chance
        rest = [[np.log(0.05), frame.first - 7.0], [np.log(20.0), frame.last + 7.0]]
        return np.concatenate([bounds, np.array(rest)], axis=1)

    def value(self, theta: Array, u: Array, frame: Frame) -> tuple[Array, Array]:
        slope, middle = np.exp(theta[:, [2]]), theta[:, [3]]
        share = expit(slope * (u - middle))
        value, by_level, by_share = self.level(theta, share, frame)
        steep = by_share * share * (1 - share) * slope
        rest = np.stack([steep * (u - middle), -steep], axis=-1)
        return value, np.concatenate([by_level, rest], axis=-1)

    def starts(self, curve: Curve, frame: Frame) -> Array:
        worst, gains = rise_starts(curve)
        start = worst if frame.chance is None else frame.chance
        middles = [frame.first, 0.0, frame.last, frame.last + 2.0]
        return grid([start], gains, [np.log(0.5), np.log(1.5), np.log(5.0)], middles)

    def natural(self, theta: Array, frame: Frame) -> dict[str, Array]:
        start, end = self.ends(theta, frame)
        return {"start": start, "end": end, "k": np.exp(theta[:, 2]), "m": theta[:, 3] + frame.centre}

    def units(self, x: str, frame: Frame) -> dict[str, str]:
        return {"start": frame.kind, "end": frame.kind, "k": f"1 / ln {x}", "m": f"ln {x}"}


class LogisticFull(Logistic):
    """Few rungs can hardly tell a low ceiling from a slow rise; this is the logistic that bets on the latter."""

    name = "logistic_full"
    formula = "the logistic with end = a perfect score (accuracy 1, loss 0)"

    def bounds(self, frame: Frame) -> Array:
        bounds = super().bounds(frame)
        bounds[:, 1] = 1.0
        return bounds


class Step(Rise):
    name = "step"
    formula = "value = low where x < threshold, high where x > threshold"
    citation = "the claim that who can do one n can do all; discontinuity: Wei et al. 2022, arXiv 2206.07682"
    coordinates = ("start", "gain", "threshold")

    def bounds(self, frame: Frame) -> Array:
        return np.concatenate([super().bounds(frame), np.array([[frame.first], [frame.last]])], axis=1)

    def value(self, theta: Array, u: Array, frame: Frame) -> tuple[Array, Array]:
        share = (u > theta[:, [2]]).astype(float)
        value, by_level, _ = self.level(theta, share, frame)
        return value, np.concatenate([by_level, np.zeros_like(value)[..., None]], axis=-1)

    def starts(self, curve: Curve, frame: Frame) -> Array:
        worst, gains = rise_starts(curve)
        log_x = np.log(np.unique(curve.x)) - frame.centre
        gaps = (log_x[1:] + log_x[:-1]) / 2
        return grid([worst], gains[:1], gaps.tolist() or [0.0])

    def gap(self, threshold: Array, u: Array) -> tuple[Array, Array]:
        """The rungs on either side of a threshold: anywhere between them it fits equally well."""
        rungs = np.unique(u)
        above = np.clip(np.searchsorted(rungs, threshold), 1, len(rungs) - 1)
        return rungs[above - 1], rungs[above]

    def scatter(self, theta: Array, u: Array, rng: np.random.Generator) -> Array:
        low, high = self.gap(theta[:, 2], u)
        return np.column_stack([theta[:, :2], rng.uniform(low, high)])

    def natural(self, theta: Array, frame: Frame) -> dict[str, Array]:
        low, high = self.ends(theta, frame)
        return {"low": low, "high": high, "threshold": np.exp(theta[:, 2] + frame.centre)}

    def units(self, x: str, frame: Frame) -> dict[str, str]:
        return {"low": frame.kind, "high": frame.kind, "threshold": x}


class Constant(Law):
    """The null law: x does not matter."""

    name = "constant"
    formula = "value = level"
    citation = "none: the null hypothesis"
    coordinates = ("level",)
    edges = frozenset({("level", 0), ("level", 1)})

    def bounds(self, frame: Frame) -> Array:
        return np.array([[LOSS_FLOOR if frame.kind == "loss" else 0.0], [frame.top]])

    def value(self, theta: Array, u: Array, frame: Frame) -> tuple[Array, Array]:
        value = theta[:, [0]] + np.zeros_like(u)
        return value, np.ones_like(value)[..., None]

    def starts(self, curve: Curve, frame: Frame) -> Array:
        return np.array([[curve.value.mean()]])

    def natural(self, theta: Array, frame: Frame) -> dict[str, Array]:
        return {"level": theta[:, 0]}

    def units(self, x: str, frame: Frame) -> dict[str, str]:
        return {"level": frame.kind}


class RepeatLast(Constant):
    """The constant law of the largest fit rung alone: what is forecast where no law may be."""

    name = "repeat_last"
    formula = "value = mean over seeds of the largest fit rung"


LAWS: dict[str, Law] = {law.name: law for law in (Power(), Logistic(), LogisticFull(), Step())}
ALL_LAWS: dict[str, Law] = {**LAWS, **{law.name: law for law in (Constant(), RepeatLast())}}
