"""A Fit: what a law says, how sure it is, and whether to believe it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.result import Result, axes_or_new
from tasklaws.frames.csv_files import records
from tasklaws.frames.shown import drawn
from tasklaws.laws.batch import HUBER, UNDERTUNED
from tasklaws.laws.curve import Better, Kind
from tasklaws.laws.forms import LAWS
from tasklaws.laws.law import Law
from tasklaws.laws.status import LossFunction, Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

At = ArrayLike | Mapping[str, ArrayLike] | pd.DataFrame  # a law's inputs by name, or the numbers of its one input
_CURVE_BEYOND = 0.5  # the curve goes on past the largest point by this share of the range of log x
_PLAIN = ("kind", "reason", "objective", "overdispersion", "level")  # of a Fit, plain in its JSON too
_SHOWN = 20  # outliers that the report names
_TIED = 0.95  # a rank correlation from which on the report names two parameters together


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Result):
    """One law fitted to one task and metric, on one ladder or several that share exponents.

    `theta` (ladders, p) and bootstrap `draws` (replicates, ladders, p) are the formula's parameters in the units of the
    table. `metric` and `task` are what was fitted, where the table names them. `reason` says why the status is not
    `converged`; `at_bounds` names coordinates on the edge of their box, natural edges such as E = 0 included. `points`
    has a row for each point used (row of the table, model and weight where there are any, inputs, value, fitted,
    residual: ln(value / fitted) of a loss, value - fitted of an accuracy, and whether it is an outlier), `left_out` the
    reason for every other row. `notes` say what was worked out or assumed; `objective` is the sum of Huber(1e-3) on log
    loss (or of another `loss_function`) without the outliers left out, or half the binomial deviance. `overdispersion`
    is the correlation between items (beta-binomial)."""

    law: Law
    kind: Kind
    chance: float | None
    ladders: tuple[str, ...]
    theta: Array
    draws: Array
    status: Status
    reason: str
    at_bounds: tuple[str, ...]
    points: pd.DataFrame
    left_out: dict[int, str]
    objective: float
    overdispersion: float
    level: float
    metric: str | None = None
    task: str | None = None
    better: Better | None = None
    loss_function: LossFunction = "huber"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.theta.flags.writeable = False
        self.draws.flags.writeable = False

    @property
    def n_points(self) -> int:
        return len(self.points)

    @cached_property
    def outliers(self) -> pd.DataFrame:
        """The points of a loss that are no part of the others' scatter (`laws.outliers`), farthest first: the fit
        and its status leave out those that are worse than the law. Of an accuracy there are none."""
        far = self.points[self.points["outlier"]].drop(columns="outlier")
        return far.sort_values("residual", key=abs, ascending=False, kind="stable")

    @cached_property
    def failed(self) -> pd.Series:
        """Which points the fit leaves out: outliers that are worse than the law."""
        worse = {"down": 1.0, "up": -1.0, None: 0.0}[self.better]
        return self.points["outlier"] & (self.points["residual"] * worse > 0)

    @property
    def trend(self) -> str | None:
        """Whether the law of one input `rises` or `falls` from the smallest point to the largest; None of another law
        or of several ladders, and where it does neither."""
        if len(self.law.inputs) > 1 or len(self.ladders) > 1:
            return None
        axis = self.points[self.law.inputs[0]]
        first, last = self.predict([axis.min(), axis.max()])
        return None if first == last else "rises" if last > first else "falls"

    @cached_property
    def _columns(self) -> dict[str, tuple[int, int]]:
        return named_columns(self.law, self.ladders)

    @cached_property
    def params(self) -> dict[str, float]:
        return {name: float(self.theta[place]) for name, place in self._columns.items()}

    @property
    def units(self) -> dict[str, str]:
        return {name: self.law.parameters[index].unit for name, (_, index) in self._columns.items()}

    @cached_property
    def draws_by_name(self) -> dict[str, Array]:
        """The bootstrap refits of each parameter."""
        return {name: self.draws[:, ladder, index] for name, (ladder, index) in self._columns.items()}

    @cached_property
    def stderr(self) -> dict[str, float | None]:
        """Standard deviation of each parameter over the bootstrap, None where no refit moves it: it is given, on its
        bound, or left where the search began. Empty without a bootstrap."""
        return {name: _spread(draws) for name, draws in self.draws_by_name.items() if len(draws) > 1}

    @cached_property
    def interval(self) -> dict[str, tuple[float, float]]:
        """Bootstrap percentile interval of each parameter, never without the estimate; empty without a bootstrap."""
        if len(self.draws) < 2:
            return {}
        ends = {
            name: np.quantile(draws, interval_ends(self.level)).tolist() for name, draws in self.draws_by_name.items()
        }
        return {name: (min(low, self.params[name]), max(high, self.params[name])) for name, (low, high) in ends.items()}

    @cached_property
    def correlations(self) -> pd.DataFrame:
        """Rank correlations of the parameters over the bootstrap, which no unit and no skew distorts; 0 with a
        parameter that never moves; empty without a bootstrap."""
        ranks = pd.DataFrame(self.draws_by_name if len(self.draws) > 1 else {}).rank()
        found = ranks.corr().fillna(0.0)
        for name in found:
            found.loc[name, name] = 1.0
        return found

    def predict(self, points: At, ladder: str | None = None) -> Array:
        """The law's value at `points`: a table or mapping with the law's inputs, or the numbers alone where it has
        one input.

        A fit of several ladders needs to be told which. Inputs that are missing or not positive raise
        TasklawsError."""
        return np.asarray(self._curves(self.theta[None], points, ladder)[0])

    def predict_interval(self, points: At, ladder: str | None = None) -> tuple[Array, Array]:
        """The interval (of `level`) of the law's value: of the curve, not of a new rung, which adds noise of its
        own."""
        if len(self.draws) < 2:
            raise TasklawsError("a fit without bootstrap replicates has no intervals: fit with replicates")
        low, high = np.quantile(self._curves(self.draws, points, ladder), interval_ends(self.level), axis=0)
        return low, high

    def _curves(self, theta: Array, points: Any, ladder: str | None) -> Array:
        if ladder is None and len(self.ladders) > 1:
            raise TasklawsError(f"the fit has several ladders: name one of {', '.join(self.ladders)}")
        if ladder is not None and ladder not in self.ladders:
            raise TasklawsError(f"no ladder {ladder!r} in the fit: name one of {', '.join(self.ladders)}")
        number = 0 if ladder is None else self.ladders.index(ladder)
        value, _ = self.law.value(theta[:, [number]], self._inputs(points))
        if self.kind == "loss":
            return value
        if self.law.gives == "loss":
            return np.asarray(1 - np.minimum(value, 1 - (self.chance or 0.0)))
        return np.clip(value, 0.0, 1.0)

    def _inputs(self, points: Any) -> dict[str, Array]:
        if not isinstance(points, Mapping | pd.DataFrame):
            points = {self.law.inputs[0]: points} if len(self.law.inputs) == 1 else {}
        found = {}
        for name in self.law.inputs:
            if name not in points:
                raise TasklawsError(f"cannot predict without {name}: law {self.law.name} needs {self.law.inputs}")
            values = np.atleast_1d(np.asarray(points[name], dtype=float))
            if not (np.isfinite(values) & (values > 0)).all():
                wrong = values[~(np.isfinite(values) & (values > 0))][:3].tolist()
                raise TasklawsError(f"cannot predict at {name} {wrong}: give positive ones")
            found[name] = values
        return found

    def summary(self) -> str:
        """A report for a person: formula, parameters with intervals, and what is wrong, if anything is."""
        lines = [
            f"{self.law.name} in {', '.join(self.law.inputs)}: {self.law.formula}",
            self.law.citation,
            f"status {self.status}" + f": {self.reason}" * bool(self.reason),
        ]
        for name, value in self.params.items():
            line = f"  {name} = {value:.6g} {self.units[name]}"
            if (stderr := self.stderr.get(name)) is not None:
                low, high = self.interval[name]
                line += f" (stderr {stderr:.2g}, {self.level:.0%} {low:.4g} to {high:.4g})"
            elif name in self.stderr:
                line += " (no stderr: every refit of the bootstrap has this value)"
            lines.append(line)
        lines += [f"  on an edge: {edge}" for edge in self.at_bounds]
        for (i, first), (j, second) in combinations(enumerate(self.correlations), 2):
            together = float(self.correlations.to_numpy()[i, j])
            if abs(together) > _TIED:
                lines.append(f"  {first} and {second} go together: rank correlation {together:.3f}")
        if self.trend is not None:
            lines.append(f"the value {self.trend} with {self.law.inputs[0]}")
        lines.append(f"{self.n_points} points, objective {self.objective:.8g}")
        lines += [f"outlier: {line}" for line in self._outlier_lines()]
        if self.overdispersion > 0:
            lines.append(f"overdispersion {self.overdispersion:.2g} (correlation between items)")
        reasons = pd.Series(list(self.left_out.values()), dtype=object).value_counts()
        lines += [f"{count} rows left out: {reason}" for reason, count in reasons.items()]
        lines += [f"note: {note}" for note in self.notes]
        lines += ["what a law must state (arXiv 2502.18969):"]
        lines += [f"  {about}: {said}" for about, said in self.checklist().items()]
        return "\n".join(lines)

    def _outlier_lines(self) -> list[str]:
        lines = []
        shown = self.outliers.head(_SHOWN)
        for (_, point), failed in zip(shown.iterrows(), self.failed[shown.index], strict=True):
            name = f"model {point['model']}, " if "model" in point else ""
            at = ", ".join(f"{axis} {point[axis]:.4g}" for axis in self.law.inputs)
            lines.append(
                f"{name}{at}: {point['value']:.6g}, the law says {point['fitted']:.6g} "
                f"(ln ratio {point['residual']:+.3g}{', left out' * bool(failed)})"
            )
        if len(self.outliers) > _SHOWN:
            lines.append(f"and {len(self.outliers) - _SHOWN} more (--json has all)")
        return lines

    def checklist(self) -> dict[str, str]:
        """What a scaling law has to state to be checked and repeated, filled in as far as the fit knows it; `not known`
        names what else to state ((Mis)Fitting, Li et al. 2025, arXiv 2502.18969)."""
        points, axes = self.points, self.law.inputs
        models = f" of {points['model'].nunique()} models" if "model" in points else ""
        ranges = [f"{axis} {points[axis].min():.4g} to {points[axis].max():.4g}" for axis in axes]
        spans = [f"x{points[axis].max() / points[axis].min():.4g}" for axis in axes]
        n_starts = prod(len(parameter.starts) for parameter in self.law.parameters if not parameter.linear)
        return {
            "form": f"{self.law.name}: {self.law.formula} ({self.law.citation})",
            "fitted": f"{self.metric or self.kind}" + f" of {self.task}" * (self.task is not None),
            "inputs": ", ".join(axes)
            + " as in the table; n_params is meant without embeddings, which it does not show",
            "points": f"{len(points)}{models} on {len(self.ladders)} ladder(s)",
            "range": ", ".join(f"{one} ({span})" for one, span in zip(ranges, spans, strict=True)),
            "extrapolation": "the factor beyond the largest point: "
            + ", ".join(f"{axis} / {points[axis].max():.4g}" for axis in axes),
            "objective": self._objective_in_words(),
            "weights": "of the table's column weight" if "weight" in points else "all 1",
            "optimiser": f"the best of {n_starts} starts, linear parameters solved for in each: 8 searched by "
            "Levenberg-Marquardt, 3 on by Newton",
            "uncertainty": f"{len(self.draws)} refits, models reweighted (Bayesian bootstrap), values redrawn within "
            "their sampling noise",
            "left out": f"{len(self.left_out)} rows before the fit, then {self.failed.sum()} of "
            f"{len(self.outliers)} outliers",
            "status": str(self.status) + f": {self.reason}" * bool(self.reason),
            "not known": "architecture, data and tokenizer, learning-rate schedule, batch size and their tuning, how "
            "compute was counted: state them beside the law",
        }

    def _objective_in_words(self) -> str:
        if self.kind == "accuracy":
            return "half the binomial deviance, with overdispersion where n_items differ"
        if self.loss_function == "squares":
            return "half the sum of squares of the logarithm"
        side = f", points on the worse side of the law counting {UNDERTUNED:g}" * (self.loss_function == "one_sided")
        return f"sum of Huber({HUBER:g}) on the logarithm{side}"

    @property
    def misfit(self) -> float:
        """The root mean square of the residuals: of a loss those of its logarithm, about relative ones."""
        return float(np.sqrt(np.mean(self.points["residual"] ** 2)))

    def to_dict(self, whole: bool = True) -> dict[str, object]:
        """Plain JSON types; `from_dict` reads it back. Draws are text, one parameter a string. A parameter without a
        standard error has no interval either. Not `whole`, it is as fits.json keeps it: without points, draws and
        correlations, and cannot be read back as a Fit."""
        as_they_are = ("params", "units", "stderr", "n_points", "misfit", "status", *_PLAIN)
        found: dict[str, object] = {
            "law": self.law.name,
            "inputs": list(self.law.inputs),
            "ladders": list(self.ladders),
            "interval": {name: None if self.stderr[name] is None else [*ends] for name, ends in self.interval.items()},
            "at_bounds": list(self.at_bounds),
            **{name: getattr(self, name) for name in as_they_are},
        }
        if self.chance is not None:
            found["chance"] = self.chance
        if not whole:
            return found
        return found | {
            "metric": self.metric,
            "task": self.task,
            "better": self.better,
            "loss_function": self.loss_function,
            "notes": list(self.notes),
            "trend": self.trend,
            "outliers": records(self.outliers),
            "checklist": self.checklist(),
            "correlations": self.correlations.to_dict(),
            "points": {str(name): self.points[name].tolist() for name in self.points},
            "left_out": {str(row): reason for row, reason in self.left_out.items()},
            "draws": {name: " ".join(map(repr, draws.tolist())) for name, draws in self.draws_by_name.items()},
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Read `to_dict` back; a missing or malformed part raises TasklawsError."""
        try:
            law = LAWS[row["law"]]
            law = law.on(row["inputs"][0]) if law.one_axis else law
            ladders = tuple(row["ladders"])
            points = row["points"]
            replicates = {name: np.array(text.split(), dtype=float) for name, text in row["draws"].items()}
            theta = np.empty((len(ladders), len(law.parameters)))
            draws = np.empty((len(next(iter(replicates.values()))), *theta.shape))
            for name, (ladder, index) in named_columns(law, ladders).items():
                at = slice(None) if law.parameters[index].shared else slice(ladder, ladder + 1)
                theta[at, index] = row["params"][name]
                draws[:, at, index] = replicates[name][:, None]
            return cls(
                law=law,
                theta=theta,
                draws=draws,
                chance=row.get("chance"),
                ladders=ladders,
                status=Status(row["status"]),
                at_bounds=tuple(row["at_bounds"]),
                points=pd.DataFrame({**points, "outlier": points.get("outlier", False)}),  # earlier versions lack it
                left_out={int(label): reason for label, reason in row["left_out"].items()},
                metric=row.get("metric"),
                task=row.get("task"),
                better=row.get("better"),
                loss_function=row.get("loss_function", "huber"),
                notes=tuple(row.get("notes", ())),
                **{name: row[name] for name in _PLAIN},
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
            raise TasklawsError(
                f"malformed fit ({repr(error)[:200]}): write it anew with `tasklaws fit --json`"
            ) from error

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the points and, for a law of one input, the curve with the interval of its parameters."""
        ax = axes_or_new(ax)
        single = len(self.law.inputs) == 1
        axis = self.law.inputs[0] if single else "fitted"
        for number, ladder in enumerate(self.ladders):
            points, color = self.points[self.points["ladder"] == ladder], f"C{number}"
            ax.plot(points[axis], points["value"], "o", label=drawn(ladder or "points"), color=color, markersize=3)
            if single:
                self._plot_curve(ax, ladder, color)
        if not single:
            ends = [self.points["value"].min(), self.points["value"].max()]
            ax.plot(ends, ends, color="0.5", linewidth=1)
        ax.set_xlabel(axis if single else f"fitted by {self.law.name}")
        ax.set_ylabel(self.kind)
        ax.set_title(f"{self.law.name}: {self.law.formula}\n{self.status} {self.reason}", fontsize="small")
        ax.legend(fontsize="small")
        return ax

    def _plot_curve(self, ax: "Axes", ladder: str, color: str) -> None:
        axis = self.law.inputs[0]
        low, high = self.points[axis].min(), self.points[axis].max()
        straight = axis == "loss"
        if straight:
            x = np.linspace(max(low - _CURVE_BEYOND * (high - low), low / 2), high, 200)
        else:
            ax.set_xscale("log")
            x = np.geomspace(low, high * max((high / low) ** _CURVE_BEYOND, 2.0), 200)
        ax.plot(x, self.predict(x, ladder), color=color, linewidth=1)
        if len(self.draws) > 1:
            ax.fill_between(x, *self.predict_interval(x, ladder), color=color, alpha=0.2, linewidth=0)


def _spread(draws: Array) -> float | None:
    """The standard deviation, of numbers whose squares may be too large for a float; None where all are the same."""
    if (draws == draws[0]).all():
        return None
    size = float(np.abs(draws).max()) or 1.0
    return size * float((draws / size).std(ddof=1))


def interval_ends(level: float) -> tuple[float, float]:
    """The quantiles at which an interval of a level ends."""
    return (1 - level) / 2, (1 + level) / 2


def named_columns(law: Law, ladders: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """The ladder and the parameter that each name stands for: of several ladders, those not shared are
    `name[ladder]`."""
    found = {}
    for index, parameter in enumerate(law.parameters):
        single = parameter.shared or len(ladders) == 1
        for number, ladder in enumerate(ladders[:1] if single else ladders):
            found[parameter.name if single else f"{parameter.name}[{ladder}]"] = (number, index)
    return found
