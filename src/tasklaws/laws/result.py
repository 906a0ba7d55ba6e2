"""A Fit: what a law says, how sure it is, and whether to believe it."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit

from tasklaws.errors import TasklawsError
from tasklaws.laws.curve import LOSS_FLOOR, Array, link_accuracy
from tasklaws.laws.forms import ALL_LAWS, Frame, Law

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Status = Literal["converged", "bound_hit", "unidentified", "failed"]
LEAST_SPREAD = 1e-3  # of a loss, relative: no forecast claims to be surer
SAMPLES = 4000  # draws behind a predictive interval


@dataclass(frozen=True)
class Noise:
    """What a new rung may add to the law, as standard deviations on the link scale: by the rung and by the
    seed; and the items that an accuracy averages. `rung` is None where no two rungs exist to learn it
    from."""

    rung: float | None
    seed: float
    n_items: float


@dataclass(frozen=True)
class Rival:
    """Another law of the same curve, and how likely it is to be the better one (the rest being the Fit's own)."""

    law: str
    theta: tuple[float, ...]
    weight: float


@dataclass(frozen=True, eq=False)
class Fit:
    """One law fitted to one curve. `theta` and `draws` (bootstrap replicates by coordinate) are search
    coordinates.

    `reason` says why the status is not `converged`; `at_bounds` names coordinates on the edge of their box,
    natural edges such as E = 0 included. `rivals` share the forecast's uncertainty, not its value. `inflation` widens
    intervals to what a backtest saw."""

    law: str
    x: str
    frame: Frame
    theta: tuple[float, ...]
    draws: Array
    status: Status
    reason: str
    at_bounds: tuple[str, ...]
    n_points: int
    n_rungs: int
    objective: float
    noise: Noise
    level: float
    rivals: tuple[Rival, ...] = ()
    inflation: float = 1.0

    def __post_init__(self) -> None:
        self.draws.flags.writeable = False

    @property
    def form(self) -> Law:
        return ALL_LAWS[self.law]

    @property
    def units(self) -> dict[str, str]:
        return self.form.units(self.x, self.frame)

    @cached_property
    def params(self) -> dict[str, float]:
        natural = self.form.natural(np.array([self.theta]), self.frame)
        return {name: float(values[0]) for name, values in natural.items()}

    @cached_property
    def stderr(self) -> dict[str, float]:
        """Standard deviation of each parameter over the bootstrap; empty without one."""
        if not len(self.draws):
            return {}
        return {name: float(values.std()) for name, values in self.form.natural(self.draws, self.frame).items()}

    @cached_property
    def interval(self) -> dict[str, tuple[float, float]]:
        """Bootstrap percentile interval of each parameter, never without the estimate; empty without a
        bootstrap."""
        if not len(self.draws):
            return {}
        tails = [(1 - self.level) / 2, (1 + self.level) / 2]
        found = {}
        for name, values in self.form.natural(self.draws, self.frame).items():
            low, high = np.quantile(values, tails)
            found[name] = (min(float(low), self.params[name]), max(float(high), self.params[name]))
        return found

    def predict(self, x: float | Array) -> Array:
        """The law's value at `x`; an x that is not positive and finite raises TasklawsError."""
        return np.asarray(self.curves(np.array([self.theta]), x)[0])

    def curves(self, theta: Array, x: float | Array) -> Array:
        points = np.atleast_1d(np.asarray(x, dtype=float))
        if not (np.isfinite(points) & (points > 0)).all():
            raise TasklawsError(f"cannot predict at {self.x} {points.tolist()}: give positive sizes")
        return self.form.value(theta, np.log(points) - self.frame.centre, self.frame)[0]

    def spread(self, x: float, n_seeds: int) -> float | None:
        """Standard deviation, on the link scale and before `inflation`, of the mean over `n_seeds` seeds of a new
        rung's mean over items around the prediction; None where the noise is unknown.

        Parameters vary by the bootstrap, the law by its rivals; rung, seed and the items' answers add their noise.
        """
        if self.noise.rung is None or not len(self.draws):
            return None
        middle = self._link(self.predict(x))
        by_draw = float(np.mean((self._link(self.curves(self.draws, x)[:, 0]) - middle) ** 2))
        by_law = sum(rival.weight * shift**2 for rival, shift in zip(self.rivals, self._shifts(x), strict=True))
        by_model = self.noise.rung**2 + self.noise.seed**2 / n_seeds
        return float(np.sqrt(by_draw + by_law + by_model + self._answers(float(middle[0])) / n_seeds))

    def _shifts(self, x: float) -> Array:
        """How far each rival's prediction lies from this one's, on the link scale."""
        here = self._link(self.predict(x))[0]
        u = np.array([np.log(x) - self.frame.centre])
        values = [ALL_LAWS[rival.law].value(np.array([rival.theta]), u, self.frame)[0][0, 0] for rival in self.rivals]
        return np.asarray(self._link(np.array(values)) - here)

    def _answers(self, middle: float) -> float:
        """Variance on the link scale that one seed's answers add."""
        if self.frame.kind == "loss":
            return LEAST_SPREAD**2
        inside = float(expit(middle))
        return 1 / (self.noise.n_items * inside * (1 - inside))

    def predictive(self, x: float, n_seeds: int, rng: np.random.Generator) -> Array | None:
        """Draws of what `spread` is the width of, on the metric's scale; None where the noise is unknown.

        `inflation` f adds normal noise that makes the width f times what it was; answers of an accuracy's items are
        a binomial draw.
        """
        width = self.spread(x, n_seeds)
        if width is None or self.noise.rung is None:
            return None
        loss = self.frame.kind == "loss"
        rows = np.arange(SAMPLES) % len(self.draws)
        variance = self.noise.rung**2 + self.noise.seed**2 / n_seeds + (self.inflation**2 - 1) * width**2
        variance += LEAST_SPREAD**2 if loss else 0.0
        linked = self._link(self.curves(self.draws, x)[:, 0])[rows]
        weights = [rival.weight for rival in self.rivals]
        shifts = np.append(self._shifts(x), 0.0)
        linked += rng.choice(shifts, SAMPLES, p=[*weights, 1 - sum(weights)])
        linked += np.sqrt(variance) * rng.standard_normal(SAMPLES)
        if loss:
            return np.asarray(np.exp(linked))
        trials = round(self.noise.n_items) * n_seeds
        return np.asarray(rng.binomial(trials, expit(linked), SAMPLES) / trials)

    def predict_interval(self, x: float, n_seeds: int, rng: np.random.Generator) -> tuple[float, float] | None:
        """The interval (of `level`) that should hold the new rung's mean, the prediction included."""
        draws = self.predictive(x, n_seeds, rng)
        if draws is None:
            return None
        low, high = np.quantile(draws, [(1 - self.level) / 2, (1 + self.level) / 2])
        value = float(self.predict(x)[0])
        return min(float(low), value), max(float(high), value)

    def _link(self, value: Array) -> Array:
        if self.frame.kind == "loss":
            return np.log(np.maximum(value, LOSS_FLOOR))
        return link_accuracy(value, self.noise.n_items)

    def summary(self) -> str:
        """A report for a person: formula, parameters with intervals, and what is wrong, if anything is."""
        lines = [
            f"{self.law}: {self.form.formula}",
            f"status {self.status}" + (f": {self.reason}" * bool(self.reason)),
        ]
        for name, value in self.params.items():
            line = f"  {name} = {value:.4g} {self.units[name]}"
            if name in self.interval:
                low, high = self.interval[name]
                line += f" (stderr {self.stderr[name]:.2g}, {self.level:.0%} {low:.4g} to {high:.4g})"
            lines.append(line)
        lines += [f"  on an edge: {edge}" for edge in self.at_bounds]
        lines.append(f"{self.n_points} points on {self.n_rungs} rungs, objective {self.objective:.6g}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads it back. Draws are text, one coordinate a string, six
        digits."""
        return {
            "law": self.law,
            "x": self.x,
            "params": self.params,
            "units": self.units,
            "stderr": self.stderr,
            "interval": {name: list(ends) for name, ends in self.interval.items()},
            "status": self.status,
            "reason": self.reason,
            "at_bounds": list(self.at_bounds),
            "n_points": self.n_points,
            "n_rungs": self.n_rungs,
            "objective": self.objective,
            "level": self.level,
            "inflation": self.inflation,
            "rivals": [asdict(rival) for rival in self.rivals],
            "noise": {name: value for name, value in asdict(self.noise).items() if value is not None},
            "frame": {name: value for name, value in asdict(self.frame).items() if value is not None},
            "theta": list(self.theta),
            "draws": {
                name: " ".join(f"{value:.6g}" for value in column)
                for name, column in zip(self.form.coordinates, self.draws.T, strict=True)
            },
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Fit":
        """Read `to_dict` back; a missing or malformed part raises TasklawsError."""
        try:
            draws = row.get("draws", {})  # by name: JSON has sorted them
            columns = [draws.get(name, "").split() for name in ALL_LAWS[row["law"]].coordinates]
            own = ("law", "x", "status", "reason", "n_points", "n_rungs", "objective", "level", "inflation")
            return cls(
                **{name: row[name] for name in own},
                frame=Frame(**{"chance": None, **row["frame"]}),
                noise=Noise(**{"rung": None, **row["noise"]}),
                theta=tuple(row["theta"]),
                draws=np.array(columns, dtype=float).T,
                at_bounds=tuple(row["at_bounds"]),
                rivals=tuple(Rival(one["law"], tuple(one["theta"]), one["weight"]) for one in row["rivals"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TasklawsError(f"malformed fit ({error!r}): run `dvc repro fit`") from error

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the law with its parameters' interval over twice the fitted range of log x."""
        import matplotlib.pyplot as plt

        if ax is None:
            ax = plt.subplots()[1]
        width = max(self.frame.last - self.frame.first, 1.0)
        x = np.exp(self.frame.centre + np.linspace(self.frame.first, self.frame.last + width, 200))
        (line,) = ax.plot(x, self.predict(x), label=f"{self.law} ({self.status})")
        if len(self.draws):
            tails = [(1 - self.level) / 2, (1 + self.level) / 2]
            low, high = np.quantile(self.curves(self.draws, x), tails, axis=0)
            ax.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        ax.set_xscale("log")
        ax.set_xlabel(self.x)
        return ax
