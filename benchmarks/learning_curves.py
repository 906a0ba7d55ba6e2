"""Extrapolating published learning curves: tasklaws against M1-M4, the broken power law and "repeat the last value".

    python benchmarks/learning_curves.py [--table ../shared/ladders/learning_curves.csv.gz]

Ours carries a curve on by many laws, each fitted with several memories, weighted by how well they foretold the curve so
far. A law fitted to a whole curve is drawn to its start, and no one law is the best of all curves. So every law is also
fitted with weights that fade with distance from the curve's end, and all of these methods are put to the test on the
curve itself: it is cut off at earlier ends, and the methods foretell what followed. The forecast is the weighted
median of the methods' forecasts, weights being inverse to the mean squared errors of those backtests (Bates and
Granger 1969, Operational Research Quarterly 20, 451).

Every method sees the points that the authors of the data (Alabdulmohsin et al. 2022) call training, and foretells the
rest. Figures are geometric means over curves of the RMSE of log loss, also for either half of the curves (by a hash
of the curve's name), and arithmetic means by domain.

Laws and memories were chosen on half 0. Of the rules for weights that half 0 could not tell apart, the textbook one was
taken, after both halves had been seen.
"""

import argparse
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.batch import HUBER
from tasklaws.laws.curve import FLOOR
from tasklaws.laws.fitting import fit_many

RIVALS = {"M1": "m1", "M2": "m2", "M3": "m3", "M4": "m4", "broken power law": "broken_power"}
PUBLISHED = pd.DataFrame(  # Alabdulmohsin et al. 2022, over all 92 curves; "last": run on the same
    {
        "NMT": [0.222, 0.030, 0.047, 0.020, 0.0083],
        "LM": [0.0140, 0.0020, 0.0022, 0.0023, 0.0072],
        "BB": [0.0148, 0.0091, 0.0087, 0.0094, 0.0092],
        "IC": [0.125, 0.120, 0.097, 0.095, 0.0999],
    },
    index=["M1", "M2", "M3", "M4", "repeat the last value"],
)


METHOD_LAWS = ("m2", "m3", "m4", "broken_power")
MEMORIES = (np.inf, 2.0, 1.0, 0.5)  # of ln x, over which weights fade by e
_METHODS = tuple(product(METHOD_LAWS, MEMORIES))
ORIGINS = {1: 1.0, 2: 0.5, 3: 0.25}  # cut off at x_max / horizon^k: the weight of what it shows
LEAST_HORIZON = 2.0  # by which factor a backtest looks ahead at least
_LEAST_POINTS = 4  # before an origin
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """The loss foretold `at` each place, and the weight of each method, named "law/memory"."""

    at: Array
    value: Array
    weights: dict[str, float]
    n_backtests: int


@dataclass(frozen=True)
class Cut:
    """A curve up to an origin, and the places after it."""

    curve: int
    x: Array
    loss: Array
    ahead: Array
    truth: Array | None
    weight: float


def extrapolate(observations: pd.DataFrame, at: ArrayLike, axis: str = "n_tokens") -> Extrapolation:
    """Foretell the losses of one curve (columns `axis` and value) `at` larger x.

    Nothing but the curve given is looked at. A curve of fewer than four points, or one of values or places that are
    not positive, raises TasklawsError."""
    return extrapolate_many([observations], [at], axis)[0]


def extrapolate_many(
    curves: Sequence[pd.DataFrame], at: Sequence[ArrayLike], axis: str = "n_tokens"
) -> list[Extrapolation]:
    """`extrapolate` for every curve: the same results, sooner."""
    places = [np.atleast_1d(np.asarray(ends, dtype=float)) for ends in at]
    cuts = [
        cut
        for number, (table, ends) in enumerate(zip(curves, places, strict=True))
        for cut in cuts_of(number, table, ends, axis)
    ]
    forecasts = np.array([foretell(cuts, law, memory, axis) for law, memory in _METHODS], dtype=object).reshape(
        len(_METHODS), len(cuts)
    )
    found = []
    for number, ends in enumerate(places):
        own = [index for index, cut in enumerate(cuts) if cut.curve == number]
        weights, n_backtests = weigh([cuts[index] for index in own], forecasts[:, own])
        logs = np.stack([forecasts[method, own[0]] for method in range(len(_METHODS))])
        named = {f"{law}/{memory:g}": float(w) for (law, memory), w in zip(_METHODS, weights, strict=True)}
        found.append(Extrapolation(ends, np.exp(weighted_median(logs, weights)), named, n_backtests))
    return found


def cuts_of(number: int, table: pd.DataFrame, ends: Array, axis: str) -> list[Cut]:
    """The whole curve, to be carried on to `ends`, and its backtests."""
    if axis not in table or "value" not in table:
        raise TasklawsError(f"a curve needs the columns {axis} and value, not {', '.join(map(str, table.columns))}")
    table = table.sort_values(axis, kind="stable")
    x, loss = table[axis].to_numpy(dtype=float), table["value"].to_numpy(dtype=float)
    for name, values in ((axis, x), ("value", loss), ("at", ends)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise TasklawsError(f"{name} is {values[~(values > 0)][:1].tolist()}: give positive numbers")
    if len(x) < _LEAST_POINTS:
        raise TasklawsError(f"{len(x)} points are no curve: give {_LEAST_POINTS} or more")
    last = float(x[-1])
    horizon = max(float(ends.max()) / last, LEAST_HORIZON)
    found = [Cut(number, x, loss, ends, None, 1.0)]
    for power, weight in ORIGINS.items():
        origin = last / horizon**power
        before, after = x <= origin, (x > origin) & (x <= origin * horizon * (1 + 1e-9))
        if before.sum() >= _LEAST_POINTS and after.any():
            found.append(Cut(number, x[before], loss[before], x[after], loss[after], weight))
    return found


def foretell(cuts: list[Cut], law: str, memory: float, axis: str) -> list[Array]:
    """One method's log losses ahead of every cut."""
    tables = []
    for cut in cuts:
        fading = np.exp((np.log(cut.x) - np.log(cut.x[-1])) / memory)
        table = {axis: cut.x, "value": cut.loss, "metric": "loss", "weight": np.maximum(fading, LEAST_WEIGHT)}
        tables.append(pd.DataFrame(table))
    fits = fit_many(tables, law, axis=axis, replicates=0)
    return [np.log(np.maximum(one.predict(cut.ahead), FLOOR)) for one, cut in zip(fits, cuts, strict=True)]


def weigh(cuts: list[Cut], forecasts: NDArray[np.object_]) -> tuple[Array, int]:
    """Each method's weight, and the number of backtests behind it: all alike where there was none."""
    score, total = np.zeros(len(forecasts)), 0.0
    for index, cut in enumerate(cuts):
        if cut.truth is not None:
            errors = [np.sqrt(np.mean((logs - np.log(cut.truth)) ** 2)) for logs in forecasts[:, index]]
            score += cut.weight * np.log(np.array(errors) + HUBER)
            total += cut.weight
    score = score / total if total else score
    weights = np.exp(-2 * (score - score.min()))  # inverse squares
    return np.asarray(weights / weights.sum()), len(cuts) - 1


def weighted_median(values: Array, weights: Array) -> Array:
    """The value, at each place, where half of the weight is reached; values have shape (methods, places)."""
    order = np.argsort(values, axis=0, kind="stable")
    reached = np.cumsum(weights[order], axis=0)
    middle = (reached < 0.5 * reached[-1]).sum(axis=0)
    chosen = np.take_along_axis(order, middle[None], axis=0)
    return np.asarray(np.take_along_axis(values, chosen, axis=0)[0])


def half(curve: str) -> int:
    # "fold:", because the table itself holds the curves that a hash of the bare name chose.
    return int(hashlib.sha256(f"fold:{curve}".encode()).hexdigest(), 16) % 2


def errors(table: pd.DataFrame) -> pd.DataFrame:
    """RMSE of log loss by curve and method."""
    table = table.rename(columns={"n_examples": "n_tokens", "loss": "value"}).assign(metric="loss")
    names = sorted(table["curve"].unique())
    seen, hidden = [], []
    for name in names:
        curve = table[table["curve"] == name].sort_values("n_tokens", kind="stable")
        seen.append(curve.loc[curve["is_train"] == 1, ["n_tokens", "value", "metric"]])
        hidden.append(curve[curve["is_train"] == 0])
    ends = [curve["n_tokens"].to_numpy(dtype=float) for curve in hidden]
    forecasts: dict[str, list[np.ndarray]] = {}
    start = time.perf_counter()
    forecasts["tasklaws"] = [found.value for found in extrapolate_many(seen, ends)]
    print(f"tasklaws: {time.perf_counter() - start:.0f} s for {len(names)} curves")
    for label, law in RIVALS.items():
        fits = fit_many(seen, law, axis="n_tokens", replicates=0)
        forecasts[label] = [one.predict(x) for one, x in zip(fits, ends, strict=True)]
    forecasts["repeat the last value"] = [
        np.full(len(x), curve["value"].iloc[-1]) for curve, x in zip(seen, ends, strict=True)
    ]
    found = {
        label: [
            np.sqrt(np.mean((np.log(np.maximum(ours, 1e-6)) - np.log(curve["value"])) ** 2))
            for ours, curve in zip(values, hidden, strict=True)
        ]
        for label, values in forecasts.items()
    }
    return pd.DataFrame(found, index=pd.Index(names, name="curve"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=Path("../shared/ladders/learning_curves.csv.gz"))
    found = errors(pd.read_csv(parser.parse_args().table))
    logs = found.map(np.log)
    halves = np.array([half(str(name)) for name in found.index])
    domain = found.index.str.split("|").str[0]
    summary = pd.DataFrame({"all": np.exp(logs.mean())})
    summary["ratio"] = np.exp((logs - logs[["tasklaws"]].to_numpy()).mean())
    for number in (0, 1):
        summary[f"half {number}"] = np.exp(logs[halves == number].mean())
    summary["curves where tasklaws is better"] = [int((found[label] > found["tasklaws"]).sum()) for label in found]
    print(f"\ngeometric mean of the RMSE of log loss, {len(found)} curves ({(halves == 0).sum()} in half 0)")
    print(summary.round(5).to_string())
    print("\narithmetic mean by domain")
    print(found.groupby(domain).mean().T.round(4).to_string())
    print("\nas published, over all 92 curves, by domain")
    print(PUBLISHED.to_string())


if __name__ == "__main__":
    main()
