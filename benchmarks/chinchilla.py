"""Fitting Hoffmann's law to Chinchilla's points: tasklaws against SciPy's optimisers; bootstrap speed; published
numbers.

    python benchmarks/chinchilla.py [--shared ../shared] [--starts N] [--replicates N]

All optimisers minimise the same objective, the sum of Huber(1e-3) on log loss, from the same starts: every k-th point
of the grid of Hoffmann et al. 2022 (appendix D.3), N in all. tasklaws takes no start: it makes its own grid. The
bootstrap is timed in CPU seconds (both cores' together) against L-BFGS-B on a sample of the same replicates."""

import argparse
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize

from tasklaws.laws.batch import HUBER, Batch, Problem
from tasklaws.laws.data import points_to_fit
from tasklaws.laws.fitting import basins, fit, refit, resample
from tasklaws.laws.forms import LAWS
from tasklaws.laws.optimise import search
from tasklaws.tabular.points import read_curves

# ln A, ln B, ln E, alpha, beta: Hoffmann et al. 2022, appendix D.3
GRID = np.array(
    list(
        product(
            range(0, 30, 5), range(0, 30, 5), np.arange(-1, 1.5, 0.5), np.arange(0, 2.5, 0.5), np.arange(0, 2.5, 0.5)
        )
    )
)
# Its stubs know neither the options' types nor jac=True with a lambda.
minimize: Any = optimize.minimize
least_squares: Any = optimize.least_squares
TIGHT: dict[str, Any] = {"maxiter": 5000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-9}
SAMPLE = 8  # replicates that SciPy refits
SAME = 1e-6  # relative: objectives this close are the same


class Surface:
    """The objective as anyone would write it, with its gradient."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.log_n, self.log_d, self.log_l = (
            np.log(table[name]).to_numpy() for name in ("n_params", "n_tokens", "value")
        )
        self.weight = np.ones(len(table))

    def residuals(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logs = np.array([z[0] - z[3] * self.log_n, z[1] - z[4] * self.log_d, np.full_like(self.log_n, z[2])])
        top = logs.max(axis=0)
        parts = np.exp(logs - top)
        return top + np.log(parts.sum(axis=0)) - self.log_l, parts / parts.sum(axis=0)

    def __call__(self, z: np.ndarray) -> float:
        r = self.residuals(z)[0]
        size = np.abs(r)
        return float((self.weight * np.where(size <= HUBER, r**2 / 2, HUBER * (size - HUBER / 2))).sum())

    def scaled(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """Times 1000, as L-BFGS stops early where numbers are small; with gradient."""
        r, share = self.residuals(z)
        pull = 1e3 * self.weight * np.clip(r, -HUBER, HUBER) * share
        slope = [pull[0].sum(), pull[1].sum(), pull[2].sum(), -pull[0] @ self.log_n, -pull[1] @ self.log_d]
        return 1e3 * self(z), np.array(slope)

    def l_bfgs(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(minimize(self.scaled, z, jac=True, method="L-BFGS-B", options=TIGHT).x)


def optimisers(surface: Surface) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    simplex = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-10, "fatol": 1e-14, "adaptive": True}
    return {
        "L-BFGS-B, defaults, no gradient": lambda z: minimize(surface, z, method="L-BFGS-B").x,
        "L-BFGS-B, tight, gradient": lambda z: surface.l_bfgs(z),
        "BFGS, gradient": lambda z: minimize(surface.scaled, z, jac=True, method="BFGS", options={"gtol": 1e-9}).x,
        "Nelder-Mead": lambda z: minimize(surface, z, method="Nelder-Mead", options=simplex).x,
        "least_squares, huber": lambda z: (
            least_squares(
                lambda y: np.clip(surface.residuals(y)[0], -1e6, 1e6),
                z,
                loss="huber",
                f_scale=HUBER,
                xtol=1e-14,
                ftol=1e-14,
                gtol=1e-14,
            ).x
        ),
    }


def compare(table: pd.DataFrame, n_starts: int) -> float:
    """Print objectives; the share of starts from which tight L-BFGS-B finds the lowest."""
    surface = Surface(table)
    clock = time.perf_counter()
    ours = fit(table, "chinchilla", replicates=0)
    names = {name: f"{ours.params[name]:.5g}" for name in ("E", "A", "B", "alpha", "beta")}
    print(f"tasklaws: objective {ours.objective:.12g}, {time.perf_counter() - clock:.2f} s, {ours.status}, {names}")
    starts = GRID[:: max(1, len(GRID) // n_starts)]
    share = 0.0
    print(
        f"{f'from {len(starts)} starts':34}{'best - ours':>13}{'median - ours':>15}{'starts at the best':>20}{'s':>8}"
    )
    for name, optimiser in optimisers(surface).items():
        own = starts[:: 10 if name in ("Nelder-Mead", "least_squares, huber") else 1]
        clock = time.perf_counter()
        found = np.array([surface(optimiser(start)) for start in own])
        found = np.nan_to_num(found, nan=np.inf)
        at_best = float((found <= ours.objective * (1 + SAME)).mean())
        share = at_best if name == "L-BFGS-B, tight, gradient" else share
        print(
            f"{name:34}{found.min() - ours.objective:13.2e}{np.median(found) - ours.objective:15.2e}{at_best:20.0%}"
            f"{time.perf_counter() - clock:8.1f}"
        )
    return share


def time_bootstrap(table: pd.DataFrame, replicates: int, share: float) -> None:
    law = LAWS["chinchilla"]
    curve = points_to_fit(table, law)
    batch = Batch.of(law, [curve])
    theta, objective, _ = search(batch, np.ones(batch.target.shape))
    value, weight = resample(curve, replicates, seed=0)
    start = basins(theta[0], objective[0])[:1]
    problem = Problem(batch, np.zeros(replicates, dtype=np.intp), value / batch.level[0], weight)
    cpu, clock = time.process_time(), time.perf_counter()
    _, ours, _ = refit(problem, np.tile(start, (replicates, 1)))
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    print(f"\n{replicates} bootstrap refits: {clock:.2f} s, {cpu:.2f} CPU s (goal: 20 s)")
    e, a, b, alpha, beta = batch.natural(theta[0, 0], 0)[0]
    warm = np.array([np.log(a), np.log(b), np.log(e), alpha, beta])
    surface = Surface(table)
    n_needed = int(np.ceil(np.log(0.01) / np.log(1 - share))) if 0 < share < 1 else 1
    rng = np.random.default_rng(0)
    without = {**TIGHT, "maxfun": 100_000}
    ways: dict[str, Callable[[], list[float]]] = {
        "one warm start, defaults, no gradient": lambda: [surface(minimize(surface, warm, method="L-BFGS-B").x)],
        "one warm start, tight, no gradient": lambda: [
            surface(minimize(lambda z: 1e3 * surface(z), warm, method="L-BFGS-B", options=without).x)
        ],
        "one warm start, tight, gradient": lambda: [surface(surface.l_bfgs(warm))],
        f"{n_needed} starts of the grid, tight, gradient": lambda: [
            surface(surface.l_bfgs(z)) for z in GRID[rng.choice(len(GRID), n_needed, replace=False)]
        ],
    }
    print(f"L-BFGS-B on {SAMPLE} of them, CPU{'':15}ms each    ratio   worst objective, relative to ours")
    for name, way in ways.items():
        start_cpu = time.process_time()
        found = []
        for row in range(SAMPLE):
            surface.weight = weight[row]
            found.append(min(way()))
        each = (time.process_time() - start_cpu) / SAMPLE
        worst = float((np.array(found) / ours[:SAMPLE] - 1).max())
        print(f"{name:44}{1e3 * each:9.1f}{each * replicates / cpu:9.1f}   {worst:+.1e}")
    print(f"({n_needed} starts: one starts in the right basin with 99%, as {share:.0%} of the grid do)")


def recover() -> None:
    """Surfaces without noise, known parameters."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(20):
        truth = np.array(
            [rng.uniform(1, 2.5), 10 ** rng.uniform(1.5, 4), 10 ** rng.uniform(1.5, 4), *rng.uniform(0.2, 0.6, 2)]
        )
        n, d = (10 ** rng.uniform(*ends, 60) for ends in ((7, 10), (9, 12)))
        table = pd.DataFrame({"n_params": n, "n_tokens": d, "metric": "loss"})
        e, a, b, alpha, beta = truth
        table["value"] = e + a * n**-alpha + b * d**-beta
        found = fit(table, "chinchilla", replicates=0)
        worst = max(worst, float(np.abs(np.array(list(found.params.values())) / truth - 1).max()))
    print(f"\n20 synthetic surfaces: largest relative error of a parameter {worst:.1e} (goal: 1e-6)")


def gadre(path: Path) -> None:
    """Gadre et al. 2024: five small models foretell the loss and the average error of larger ones (RedPajama)."""
    table = pd.read_csv(path)
    table = table[table["ladder"] == "gadre-rpj"]
    loss = table[table["task"] == "c4_val"].assign(metric="loss")
    ratio = (loss["n_tokens"] / loss["n_params"]).round()
    tiny = loss["n_params"] < 2e7
    small = loss[(loss["n_params"] < 5e8) & (ratio == 20) | tiny & (ratio == 320)]
    found = fit(small, "over_training", replicates=0)
    scores = table[(table["task"] == "avg_subset") & (table["metric"] == "acc")].set_index("model")["value"]
    with_loss = loss.assign(loss=loss["value"], value=loss["model"].map(scores), metric="acc")
    billion = (loss["n_params"] > 1e9) & (loss["n_params"] < 2e9) & (ratio == 20)
    by_loss = fit(with_loss[with_loss["model"].isin(small["model"]) | billion], "error_from_loss", replicates=0)
    print(f"\nGadre et al. 2024, RedPajama, fitted to {len(small)} models: loss on C4, then the average error of tasks")
    for model in loss.loc[loss["n_params"] > 1e9, "model"]:
        row = loss[loss["model"] == model]
        predicted = float(found.predict(row)[0])
        true = float(row["value"].iloc[0])
        error, seen = 1 - float(by_loss.predict({"loss": predicted})[0]), 1 - float(scores[model])
        print(
            f"{model:20} loss {predicted:.4f}, true {true:.4f}: {abs(predicted / true - 1):.2%}; "
            f"error {error:.4f}, true {seen:.4f}: {abs(error / seen - 1):.2%}"
        )
    print("published, at 6.9B: loss 0.73%, average error of 17 tasks 0.05%")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--starts", type=int, default=500, help="of the grid's 4500 (default %(default)s)")
    parser.add_argument("--replicates", type=int, default=1000)
    arguments = parser.parse_args()
    ladders = arguments.shared / "ladders"
    table = read_curves(ladders / "chinchilla_points.csv")
    share = compare(table, arguments.starts)
    time_bootstrap(table, arguments.replicates, share)
    recover()
    gadre(ladders / "gadre.csv.gz")


if __name__ == "__main__":
    main()
