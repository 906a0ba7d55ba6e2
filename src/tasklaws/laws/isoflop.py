"""The best size and tokens at each budget of compute, by Hoffmann's three approaches: the envelope of the runs, isoFLOP
profiles, and the fitted surface."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.result import Result, axes_or_new
from tasklaws.frames.csv_files import records
from tasklaws.laws.data import choose, with_compute
from tasklaws.laws.fitting import fit
from tasklaws.laws.polynomials import Profile, common_degree, fit_profile, pooled_spread, redrawn
from tasklaws.laws.result import Fit
from tasklaws.laws.status import LossFunction, Status
from tasklaws.tables import ISOFLOP_BUDGETS, ISOFLOP_FRONTIERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BUDGET_WIDTH = np.log(1.2)  # of the range of ln FLOPs that counts as one budget: digitised ones spread by some 10%
_FEWEST_SIZES = 4  # of a profile; an envelope needs two
_REPLICATES_KEPT = 0.9  # of the redraws, that must have a minimum inside a budget's sizes
APPROACHES = ("envelope", "isoflop", "parametric")


@dataclass(frozen=True, eq=False, repr=False)
class Isoflop(Result):
    """Compute-optimal sizes N* = k C^a and tokens D* = q C^b by three approaches (Hoffmann et al. 2022, arXiv
    2203.15556, sec. 3), C in FLOPs.

    `frontiers` has a row an approach: `envelope` (1: the best run of each budget), `isoflop` (2: the minimum of a
    parabola in ln N for each budget, then least squares in logarithms) and `parametric` (3: the fit of E + A / N^alpha
    + B / D^beta); an approach that the runs do not allow has empty numbers and the reason as `evidence`. `budgets` has
    a row for each budget with several sizes; `left_out` says why one has no minimum. `runs` are the runs used, each
    with the number of its budget (-1: of none). Intervals are of `level`."""

    frontiers: pd.DataFrame
    budgets: pd.DataFrame
    runs: pd.DataFrame
    profiles: dict[int, Profile]
    fit: Fit
    notes: tuple[str, ...]
    level: float

    def optimum(self, flops: float, approach: str = "isoflop") -> tuple[float, float]:
        """N* and D* at a budget; an approach without a frontier raises TasklawsError."""
        rows = self.frontiers[self.frontiers["approach"] == approach]
        if rows.empty:
            raise TasklawsError(f"no approach {approach!r}: choose one of {', '.join(APPROACHES)}")
        row = rows.iloc[0]
        if pd.isna(row["a"]):
            raise TasklawsError(f"approach {approach} has no frontier: {row['evidence']}")
        return float(row["k"] * flops ** row["a"]), float(row["q"] * flops ** row["b"])

    def summary(self) -> str:
        """A line an approach, a line a budget, and what else to know."""
        lines = ["best size N* = k C^a and tokens D* = q C^b at C FLOPs, three ways"]
        largest = float(self.runs["train_flops"].max())
        for row in self.frontiers.to_dict("records"):
            name = f"  {row['approach']:11}"
            if pd.isna(row["a"]):
                lines.append(f"{name} none: {row['evidence']}")
                continue
            n_params, n_tokens = self.optimum(largest, row["approach"])
            a, b = (f"{one} {row[one]:.4f}{_ends(row, one, self.level)}" for one in ("a", "b"))
            lines.append(
                f"{name} {a}, {b}, {n_tokens / n_params:.3g} tokens/param at {largest:.3g} FLOPs; {row['evidence']}"
            )
        lines += ["isoFLOP profiles:"]
        for row in self.budgets.to_dict("records"):
            start = f"  {row['train_flops']:.4g} FLOPs, {row['n_sizes']:.0f} sizes:"
            if pd.isna(row["n_params"]):
                lines.append(f"{start} none: {row['left_out']}")
            else:
                ends = _ends(row, "n_params", self.level, ".3g")
                lines.append(
                    f"{start} N* {row['n_params']:.4g}{ends}, D* {row['n_tokens']:.4g}, loss {row['loss']:.4f}"
                )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, object]:
        """The tables as lists of rows, without empty cells, and the parametric fit as `Fit.to_dict` has it."""
        return {
            "frontiers": records(self.frontiers),
            "budgets": records(self.budgets),
            "parametric": self.fit.to_dict(),
            "notes": list(self.notes),
            "level": self.level,
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw N* against C: the minima with their intervals, the best runs, and the three lines."""
        ax = axes_or_new(ax)
        found = self.budgets.dropna(subset="n_params")
        ends = found[["n_params_low", "n_params_high"]].to_numpy(dtype=float)
        away = np.abs(ends - found[["n_params"]].to_numpy()).T
        ax.errorbar(found["train_flops"], found["n_params"], away, fmt="o", color="C1", label="minima of profiles")
        best = self.runs[self.runs["best"]]
        ax.plot(best["train_flops"], best["n_params"], "x", color="C0", label="best runs")
        span = np.array([self.runs["train_flops"].min(), self.runs["train_flops"].max() * 10])
        for number, row in enumerate(self.frontiers.to_dict("records")):
            if pd.notna(row["a"]):
                ax.plot(span, row["k"] * span ** row["a"], color=f"C{number}", linewidth=1, label=row["approach"])
        ax.set(xscale="log", yscale="log", xlabel="train_flops", ylabel="best n_params")
        ax.legend(fontsize="small")
        return ax

    def figure(self) -> "Figure":
        """All three approaches on one figure: the profiles of `plot_profiles`, and the frontiers of `plot`."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        self.plot_profiles(left)
        self.plot(right)
        return figure

    def plot_profiles(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the loss against the size for each budget: runs, their profiles (whole lines), the fitted surface
        (dashed), and the best runs (crosses)."""
        ax = axes_or_new(ax)
        surface = self.fit.status != Status.FAILED
        for number, (budget, profile) in enumerate(self.profiles.items()):
            runs, color = self.runs[self.runs["budget"] == budget], f"C{number % 10}"
            flops = float(np.exp(np.log(runs["train_flops"]).mean()))
            sizes = np.geomspace(runs["n_params"].min(), runs["n_params"].max(), 100)
            ax.plot(runs["n_params"], runs["loss"], "o", markersize=3, color=color, label=f"{flops:.2g}")
            ax.plot(sizes, profile.loss(np.log(sizes)), color=color, linewidth=1)
            if surface:
                tokens = np.exp(profile.log_tokens(np.log(sizes)))
                ax.plot(
                    sizes, self.fit.predict({"n_params": sizes, "n_tokens": tokens}), "--", color=color, linewidth=1
                )
            best = runs[runs["best"]]
            ax.plot(best["n_params"], best["loss"], "x", color=color)
        ax.set(xscale="log", xlabel="n_params", ylabel="loss")
        if self.profiles:
            ax.legend(fontsize="small", title="FLOPs")
        return ax


def isoflop(
    observations: pd.DataFrame,
    *,
    task: str | None = None,
    metric: str | None = None,
    best_run: bool = False,
    loss_function: LossFunction = "huber",
    seed: int = 0,
    replicates: int = 200,
    level: float = 0.9,
) -> Isoflop:
    """The compute-optimal sizes and tokens of the runs of one `task` and `metric`, a loss, by Hoffmann's approaches 1
    to 3.

    Runs within 20% of compute are one budget, the ranges with the most sizes first; FLOPs, or n_tokens, are worked out
    by C = 6 N D where they are missing. Runs that the parametric fit names as outliers worse than it count nowhere. A
    profile is a parabola in ln N (in ln C too, where a budget's runs differ in it); if the budgets together show that
    this is not all (F test at 1%), a polynomial of a higher degree, as parabolas put N* off where ranges are wide or
    alpha is not beta (arXiv 2603.22339). Its minimum counts if it lies inside the sizes. Intervals come from redraws
    with the profiles' pooled noise, wider where the minima scatter by more than that about the line; of the envelope
    from a bootstrap of its budgets, each best size lying anywhere half the way to its neighbours; of the parametric
    approach from that of the fit. `best_run`, `loss_function`, `seed`, `replicates`: as of `fit`. Scores, a metric of
    which more is better, several ladders, and runs that no approach can use raise TasklawsError. Source: Hoffmann et
    al. 2022, arXiv 2203.15556, sec. 3.1 to 3.3.

    >>> sizes, flops = np.meshgrid(np.geomspace(1e8, 1e10, 7), [1e19, 1e20, 1e21])
    >>> sizes = (sizes * np.sqrt(flops / 1e20)).ravel()
    >>> tokens = flops.ravel() / (6 * sizes)
    >>> value = 1.8 + 480 * sizes**-0.35 + 2100 * tokens**-0.37
    >>> runs = pd.DataFrame({"n_params": sizes, "n_tokens": tokens, "metric": "loss", "value": value})
    >>> isoflop(runs, replicates=20).frontiers[["approach", "a"]].round(2).to_numpy().tolist()[1:]
    [['isoflop', 0.51], ['parametric', 0.51]]
    """
    parametric = fit(
        observations,
        "chinchilla",
        task=task,
        metric=metric,
        best_run=best_run,
        loss_function=loss_function,
        seed=seed,
        replicates=replicates,
        level=level,
    )
    if parametric.kind == "accuracy" or parametric.better == "up":
        raise TasklawsError("isoFLOP profiles are of losses, of which less is better: choose a loss by its metric")
    if len(parametric.ladders) > 1:
        raise TasklawsError(
            f"isoFLOP profiles are of one ladder, not of {', '.join(parametric.ladders)}: take them apart"
        )
    flops = with_compute(choose(observations, task, metric))["train_flops"].to_numpy(dtype=float)
    points = parametric.points
    runs = points[~parametric.failed].rename(columns={"value": "loss"}).drop(columns=["fitted", "residual", "outlier"])
    runs = runs.assign(train_flops=flops[runs["row"]]).reset_index(drop=True)
    runs["budget"] = budgets_of(np.log(runs["train_flops"].to_numpy()), runs["n_params"].to_numpy())
    runs["best"] = best_runs(runs)
    rng = np.random.default_rng(seed)
    budgets, profiles, minima = _profiles(runs, rng, replicates, level)
    rows = [
        _envelope(runs, rng, replicates, level),
        _by_minima(budgets, minima, level),
        _parametric(parametric),
    ]
    frontiers = ISOFLOP_FRONTIERS.frame([{"approach": name, **row} for name, row in zip(APPROACHES, rows, strict=True)])
    if frontiers["a"].isna().all():
        reasons = "; ".join(f"{name}: {why}" for name, why in zip(APPROACHES, frontiers["evidence"], strict=True))
        raise TasklawsError(
            f"no approach finds a frontier ({reasons}): give runs of several sizes at several budgets, the best inside"
        )
    notes = [*parametric.notes, *_notes(runs, int(parametric.failed.sum()), frontiers)]
    return Isoflop(frontiers, budgets, runs, profiles, parametric, tuple(notes), level)


def budgets_of(log_flops: Array, sizes: Array) -> NDArray[np.intp]:
    """The number of each run's budget, in order of compute, -1 where no other size has about its compute: of the ranges
    of _BUDGET_WIDTH in ln FLOPs that with the most sizes is one, then that of the rest, and so on."""
    found = np.full(len(sizes), -1, dtype=np.intp)
    ranges: list[NDArray[np.intp]] = []
    left = np.argsort(log_flops, kind="stable")
    codes = np.unique(sizes, return_inverse=True)[1]
    while len(left):
        at = log_flops[left]
        ends = np.searchsorted(at, at + _BUDGET_WIDTH, side="right")
        counts = _distinct(codes[left], ends)
        start = int(np.argmax(counts))
        if counts[start] < 2:
            break
        ranges.append(left[start : ends[start]])
        left = np.delete(left, slice(start, ends[start]))
    for number, rows in enumerate(sorted(ranges, key=lambda rows: float(log_flops[rows].mean()))):
        found[rows] = number
    return found


def _distinct(codes: NDArray[np.intp], ends: NDArray[np.intp]) -> list[int]:
    """How many different codes each range has that begins at 0, 1, 2 ... and ends before `ends`, which never falls."""
    seen = [0] * (int(codes.max()) + 1)
    inside, end, found = 0, 0, []
    values = codes.tolist()
    for start, stop in enumerate(ends.tolist()):
        for code in values[end:stop]:
            inside += seen[code] == 0
            seen[code] += 1
        end = stop
        found.append(inside)
        seen[values[start]] -= 1
        inside -= seen[values[start]] == 0
    return found


def _by_budget(runs: pd.DataFrame) -> dict[int, pd.DataFrame]:
    return {number: runs[runs["budget"] == number] for number in range(int(runs["budget"].max()) + 1)}


def best_runs(runs: pd.DataFrame) -> NDArray[np.bool_]:
    """Which runs have the lowest loss of their budget, and a lower one than any cheaper budget's."""
    best = np.zeros(len(runs), dtype=bool)
    lowest = np.inf
    for own in _by_budget(runs).values():
        place = int(own["loss"].to_numpy().argmin())
        loss = float(own["loss"].iloc[place])
        if loss < lowest:
            best[own.index[place]], lowest = True, loss
    return best


def _profiles(
    runs: pd.DataFrame, rng: np.random.Generator, replicates: int, level: float
) -> tuple[pd.DataFrame, dict[int, Profile], dict[int, Array]]:
    """The budgets' table, their profiles, and the redrawn ln N* and ln D* (replicates, 2) of those with a minimum."""
    parts = _by_budget(runs)
    whole = {budget: own for budget, own in parts.items() if own["n_params"].nunique() >= _FEWEST_SIZES}
    degree = common_degree(list(whole.values()))
    profiles = {budget: fit_profile(own, degree) for budget, own in whole.items()}
    spread, degrees = pooled_spread(profiles.values())
    rows: list[dict[str, object]] = []
    minima: dict[int, Array] = {}
    for budget, own in parts.items():
        row: dict[str, object] = {"train_flops": np.exp(np.log(own["train_flops"]).mean()), "n_runs": len(own)}
        row |= {"n_sizes": own["n_params"].nunique(), "left_out": ""}
        rows.append(row)
        if budget not in profiles:
            row["left_out"] = f"{row['n_sizes']} sizes, {_FEWEST_SIZES} are needed"
            continue
        profile = profiles[budget]
        if profile.end:
            row["left_out"] = f"the loss still falls towards the {profile.end} size: no minimum inside"
            continue
        draws = redrawn(profile, spread, degrees, rng, replicates)
        inside = np.asarray(np.isfinite(draws).all(axis=1))
        if len(draws) and inside.mean() < _REPLICATES_KEPT:
            row["left_out"] = (
                f"the minimum may lie outside the sizes: it does in {1 - inside.mean():.0%} of the redraws"
            )
            continue
        minima[budget] = np.where(inside[:, None], draws, profile.minimum[None])
        row |= dict(zip(("n_params", "n_tokens"), np.exp(profile.minimum).tolist(), strict=True))
        row["loss"] = float(profile.loss(profile.minimum[:1])[0])
        if inside.sum() > 1:
            low, high = np.exp(np.quantile(draws[inside], _tails(level), axis=0))
            row |= {"n_params_low": low[0], "n_params_high": high[0], "n_tokens_low": low[1], "n_tokens_high": high[1]}
    return ISOFLOP_BUDGETS.frame(rows), profiles, minima


def _by_minima(budgets: pd.DataFrame, minima: dict[int, Array], level: float) -> dict[str, object]:
    """The frontier through the minima, by least squares in logarithms."""
    found = budgets.loc[list(minima)]
    if len(found) < 2:
        return {"n_points": len(found), "evidence": f"{len(found)} budget(s) with a minimum inside, 2 are needed"}
    log_flops = np.log(found["train_flops"].to_numpy(dtype=float))
    draws = np.stack(list(minima.values()), axis=2)  # (replicates, 2, budgets)
    row: dict[str, object] = {"n_points": len(found), "evidence": f"minima of {len(found)} profiles"}
    for place, (exponent, scale, name) in enumerate((("a", "k", "n_params"), ("b", "q", "n_tokens"))):
        y = np.log(found[name].to_numpy(dtype=float))
        slope, start = np.polyfit(log_flops, y, 1)
        row |= {exponent: float(slope), scale: float(np.exp(start))}
        if len(draws) > 1 and np.isfinite(draws).all():
            wider = _scatter_beyond_noise(log_flops, y, draws[:, place])
            slopes = slope + wider * (np.polyfit(log_flops, draws[:, place].T, 1)[0] - slope)
            row |= _interval(exponent, float(slope), slopes, level)
    return row


def _scatter_beyond_noise(x: Array, y: Array, draws: Array) -> float:
    """How many times as far as their redraws (replicates, n) say the minima scatter about their line; at least 1."""
    if len(x) < 3:
        return 1.0
    design = np.stack([np.ones_like(x), x - x.mean()], axis=1)
    kept = 1 - np.einsum("ij,jk,ik->i", design, np.linalg.inv(design.T @ design), design)
    expected = float((draws.var(axis=0, ddof=1) * kept).sum())
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    return float(np.sqrt(max(1.0, (residual**2).sum() / expected))) if expected > 0 else 1.0


def _envelope(runs: pd.DataFrame, rng: np.random.Generator, replicates: int, level: float) -> dict[str, object]:
    """The frontier through the best runs, by least squares in logarithms."""
    best = runs[runs["best"]]
    steps = np.array(
        [_half_steps(runs[runs["budget"] == row["budget"]], row["n_params"]) for _, row in best.iterrows()]
    ).reshape(-1, 2)
    inside = ~np.isnan(steps).any(axis=1)
    at_end = f", {int((~inside).sum())} at the end of its sizes left out" * (not inside.all())
    best, steps = best[inside], steps[inside]
    if len(best) < 2:
        return {
            "n_points": len(best),
            "evidence": f"{len(best)} budget(s) with a best run inside, 2 are needed{at_end}",
        }
    said = f"best runs of {len(best)} budgets{at_end}"
    row: dict[str, object] = {"n_points": len(best), "evidence": said}
    x = np.log(best["train_flops"].to_numpy(dtype=float))
    weight = rng.exponential(size=(replicates, len(best)))
    between = rng.uniform(-steps[:, 0], steps[:, 1], weight.shape)
    for exponent, scale, name, sign in (("a", "k", "n_params", 1), ("b", "q", "n_tokens", -1)):
        y = np.log(best[name].to_numpy(dtype=float))
        slope, start = np.polyfit(x, y, 1)
        row |= {exponent: float(slope), scale: float(np.exp(start))}
        if replicates > 1 and len(best) > 2:
            row |= _interval(exponent, float(slope), _weighted_slopes(x, y + sign * between, weight), level)
    return row


def _half_steps(own: pd.DataFrame, size: float) -> tuple[float, float]:
    """Half the way in ln N from a size to the next smaller and the next larger one of its budget; NaN where there is
    none: the best size of all may lie anywhere between."""
    away = np.log(np.unique(own["n_params"]) / size)
    below, above = away[away < 0], away[away > 0]
    return (float(-below.max() / 2) if len(below) else np.nan, float(above.min() / 2) if len(above) else np.nan)


def _weighted_slopes(x: Array, y: Array, weight: Array) -> Array:
    """Slopes of `y` (replicates, n) in `x` (n), weighted alike."""
    share = weight / weight.sum(axis=1, keepdims=True)
    away = x - (share @ x)[:, None]
    slopes: Array = (share * away * y).sum(axis=1) / (share * away**2).sum(axis=1)
    return slopes


def _parametric(found: Fit) -> dict[str, object]:
    """The frontier of the fitted surface: N* = G (C / 6)^a, a = beta / (alpha + beta), and D* = C / (6 N*)."""
    if found.status != Status.CONVERGED:
        return {"n_points": found.n_points, "evidence": f"the fit is {found.status}: {found.reason}"}
    _, size, data, alpha, beta = found.params.values()
    a = beta / (alpha + beta)
    k = (alpha * size / (beta * data)) ** (1 / (alpha + beta)) / 6**a
    row: dict[str, object] = {"n_points": found.n_points, "evidence": f"surface through {found.n_points} runs"}
    row |= {"a": a, "k": k, "b": 1 - a, "q": 1 / (6 * k)}
    if len(found.draws) > 1:
        alphas, betas = found.draws[:, 0, 3], found.draws[:, 0, 4]
        draws = betas / np.maximum(alphas + betas, 1e-12)
        row |= _interval("a", a, draws, found.level) | _interval("b", 1 - a, 1 - draws, found.level)
    return row


def _notes(runs: pd.DataFrame, n_failed: int, frontiers: pd.DataFrame) -> list[str]:
    notes = [f"{n_failed} runs left out as outliers of the parametric fit (`parametric`)"] if n_failed else []
    alone = int((runs["budget"] < 0).sum())
    notes += [f"{alone} of {len(runs)} runs have no other size within 20% of their compute"] if alone else []
    worse = int(runs["budget"].max()) + 1 - int(runs["best"].sum())
    notes += [f"the best run of {worse} budget(s) is no better than that of a cheaper one"] if worse else []
    known = frontiers.dropna(subset=["a", "a_low"])
    for first, second in ((0, 1), (0, 2), (1, 2)):
        if {first, second} <= set(known.index):
            one, other = known.loc[first], known.loc[second]
            if one["a_high"] < other["a_low"] or other["a_high"] < one["a_low"]:
                notes.append(
                    f"{one['approach']} and {other['approach']} disagree on a: {one['a']:.3f} and {other['a']:.3f}"
                )
    return notes


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _interval(name: str, estimate: float, draws: Array, level: float) -> dict[str, float]:
    low, high = np.quantile(draws, _tails(level))
    return {f"{name}_low": min(float(low), estimate), f"{name}_high": max(float(high), estimate)}


def _ends(row: Mapping[Any, Any], name: str, level: float, form: str = ".4f") -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if pd.isna(low) else f" ({level:.0%} {low:{form}} to {high:{form}})"
