"""Small and noisy tables of items: our methods beside a plain ridge-regularised one-parameter model.

    python benchmarks/small_items.py [--items DIR] [--draws 40] [--seed 0]

Needs the item tables that are no part of the repository (default: ../shared/items). Each draw takes some items and
models of a set at random, as they are (`binary`) or, for run-level noise (`runs`), with four attempts at each, whose
chance of success is a draw from a Beta of mean .85 where the item was solved and .15 where not (so that attempts at an
item resemble one another, with a correlation of 1/3 beyond that mean). The last third of the models are predicted from
those before them, their mean scores given. The table has the mean log loss of each method, and of the ridge at three
strengths: a normal prior on every ability and difficulty of standard deviation 1 (the default of scikit-learn's
LogisticRegression), 1.8 and 3.2, fitted to the mean scores or, with `runs`, also to every attempt by itself.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from tasklaws.core.arrays import Array
from tasklaws.items.held_out import HeldOutModel, held_out
from tasklaws.items.rolling import Rolling
from tasklaws.items.table import ItemTable, Repeats, read_item_scores
from tasklaws.stats.scores import log_loss

ITEMS = Path(__file__).parent.parent.parent / "shared/items"
SETS = ("metr_th10", "swe_bench_verified")
CUTS = ((83, 9), (40, 6))
NOISES = ("binary", "runs")
ATTEMPTS, SOLVED, STRENGTH = 4, 0.85, 2.0
RIDGES = (1.0, 1.8, 3.2)
ALLOWED = 0.005


def cut(table: ItemTable, n_items: int, n_models: int, noise: str, rng: np.random.Generator) -> ItemTable:
    """Some items and models of a table, each with a score."""
    while True:
        items = np.isin(np.arange(len(table.items)), rng.choice(len(table.items), n_items, replace=False))
        models = np.sort(rng.choice(len(table.models), n_models, replace=False))
        part = table.only(items).take(models)
        asked = np.isfinite(part.scores)
        if asked.any(axis=0).all() and asked.any(axis=1).all() and np.ptp(part.position) > 0:
            return part if noise == "binary" else with_attempts(part, rng)


def with_attempts(table: ItemTable, rng: np.random.Generator) -> ItemTable:
    """The same cells with several attempts each."""
    asked = np.isfinite(table.scores)
    centre = np.where(table.scores >= 0.5, SOLVED, 1 - SOLVED)
    mean = rng.binomial(ATTEMPTS, rng.beta(STRENGTH * centre, STRENGTH * (1 - centre))) / ATTEMPTS
    variance = mean * (1 - mean) * ATTEMPTS / (ATTEMPTS - 1)
    repeats = Repeats(np.where(asked, float(ATTEMPTS), 0.0), np.where(asked, variance, np.nan))
    return replace(table, scores=np.where(asked, mean, np.nan), repeats=repeats)


def ridge_offsets(scores: Array, trials: Array, sd: float) -> Array:
    """(N,) easiness in a one-parameter model of all answers, with N(0, sd^2) on every ability and easiness."""
    n_items, known = len(scores), np.nan_to_num(scores)

    def cost(parameters: Array) -> tuple[float, Array]:
        eta = parameters[:n_items, None] + parameters[n_items:]
        error = trials * (expit(eta) - known)
        loss = (trials * (np.logaddexp(0, eta) - known * eta)).sum() + parameters @ parameters / (2 * sd**2)
        return float(loss), np.concatenate([error.sum(axis=1), error.sum(axis=0)]) + parameters / sd**2

    return np.asarray(minimize(cost, np.zeros(sum(scores.shape)), jac=True, method="L-BFGS-B").x[:n_items])


def ridges(target: HeldOutModel) -> dict[str, float]:
    """The log loss of every ridge on a held-out model."""
    table = target.earlier
    asked = np.isfinite(table.scores)
    answers = {"means": asked.astype(float)}
    if table.repeats is not None:
        answers["runs"] = table.repeats.counts
    return {
        f"ridge {sd:g} on {name}": log_loss(target.scores, target.given(ridge_offsets(table.scores, trials, sd)))
        for name, trials in answers.items()
        for sd in RIDGES
    }


def losses(table: ItemTable) -> list[dict[str, float]]:
    """Method -> log loss, for each of the last third of the models."""
    rolling, found = Rolling(table), []
    for index in held_out(table, len(table.models) // 3, records=False):
        target, averaged = rolling.averaged(index)
        ours = {name: target.given(method.offsets(*target.place)) for name, method in averaged.items()}
        found.append(ridges(target) | {name: log_loss(target.scores, given) for name, given in ours.items()})
    return found


def rows(items: Path, draws: int, seed: int) -> Iterator[str]:
    for name in SETS:
        table = read_item_scores(items / f"{name}.csv.gz")
        for at, (n_items, n_models) in enumerate(CUTS):
            for noise in NOISES:
                found = []
                for draw in range(draws):
                    rng = np.random.default_rng([seed, draw, at, NOISES.index(noise)])
                    found += losses(cut(table, n_items, n_models, noise, rng))
                mean = {method: float(np.mean([each[method] for each in found])) for method in found[0]}
                best = min(value for method, value in mean.items() if method.startswith("ridge"))
                yield f"\n{name}, {n_items} items x {n_models} models, {noise}, {draws} draws"
                for method, value in mean.items():
                    excess = np.array([each[method] - min(each[m] for m in mean if mean[m] == best) for each in found])
                    error = excess.std() / np.sqrt(len(excess))
                    late = " worse" if value > best + ALLOWED and not method.startswith("ridge") else ""
                    yield f"  {method:20s} {value:.4f}  above the best ridge {value - best:+.4f} (se {error:.4f}){late}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, default=ITEMS, metavar="DIR")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for line in rows(arguments.items, arguments.draws, arguments.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
