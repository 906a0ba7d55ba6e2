"""Who will solve what: `tasklaws difficulty` beside the best figures known before it, and how long it takes.

    python benchmarks/difficulty.py [--items DIR]

Needs the item tables that are no part of the repository (default: ../shared/items). For each set: log loss with the
held-out models' means given, the same averaged over the posterior of the difficulties instead of at its mode, with the
ability forecast too, and the error of that forecast. Before that, how long large tables take.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from tasklaws.items.ability import Levels
from tasklaws.items.held_out import held_out
from tasklaws.items.methods import ATTENUATION, ITEM_METHODS, FittedMethod
from tasklaws.items.predictions import predict_items, summarise
from tasklaws.items.rolling import Rolling, predict
from tasklaws.items.table import ItemTable, read_item_scores
from tasklaws.stats.scores import log_loss

ITEMS = Path(__file__).parent.parent.parent / "shared/items"


@dataclass(frozen=True)
class Known:
    """A set, how it is held out, and the full log loss (the mean given) that was known and is wanted."""

    name: str
    last: int
    records: bool
    known: float
    wanted: float


SETS = (
    Known("metr_th10", 6, False, 0.166, 0.160),
    Known("metr_th10 without one-minute families", 6, False, 0.262, 0.255),
    Known("swe_bench_verified", 11, True, 0.312, 0.305),
    Known("swe_bench_verified", 12, True, 0.327, 0.305),
)


def load(items: Path, name: str) -> ItemTable:
    """A set by name, without the families whose tasks all take people under a minute where the name says so."""
    table = read_item_scores(items / f"{name.split()[0]}.csv.gz")
    if " " not in name:
        return table
    longest = table.items.groupby("family")["human_minutes"].transform("max").to_numpy()
    kept = longest >= 1
    return table.only(kept)


def averaged_over_posterior(table: ItemTable, index: int) -> float:
    """The full method's log loss on one held-out model, each offset shrunk by its posterior variance."""
    earlier = table.take(np.flatnonzero(table.position < table.position[index]))
    levels, method = Levels.of(earlier), ITEM_METHODS["full"]
    asked = np.flatnonzero(~np.isnan(table.scores[:, index]))
    scores = table.scores[asked, index]
    level = levels.given_mean(float(scores.mean()), asked, table.chance)
    fitted = FittedMethod.to(earlier, levels, method, method.explanation(table))
    where = level, float(table.position[index])
    shrink = np.sqrt(1 + ATTENUATION * fitted.offsets_stderr(*where)[asked] ** 2)
    offsets = fitted.offsets(*where)[asked]
    ability = brentq(lambda ability: expit((ability + offsets) / shrink).mean() - scores.mean(), -200, 200)
    return log_loss(scores, expit((ability + offsets) / shrink))


def figures(items: Path) -> Iterator[str]:
    for known in SETS:
        table = load(items, known.name)
        start = time.perf_counter()
        rolling, indices = Rolling(table), held_out(table, known.last, known.records)
        origins = [predict(table, index, known.records, rolling) for index in indices]
        seconds = time.perf_counter() - start
        kind = "record setters" if known.records else "models"
        yield f"\n{known.name}: {len(table.items)} items, the last {known.last} {kind} of {len(table.models)}"
        yield f"  {'':14s} {'log loss':>8s} {'forecast':>8s} {'unseen':>8s} {'AUC':>6s} {'never':>6s}"
        for name, values in summarise(origins).items():
            if values is not None:
                columns = ("log_loss", "log_loss_extrapolated", "unseen_family_log_loss")
                row = " ".join(f"{values[column]:8.3f}" for column in columns)
                yield f"  {name:14s} {row} {values['auc']:6.3f} {values['never_solved_auc']:6.3f}"
        averaged = np.mean([averaged_over_posterior(table, table.models.index(origin.model)) for origin in origins])
        errors = np.array([expit(origin.forecast.mean) - expit(origin.level) for origin in origins])
        yield f"  full: best before {known.known:.3f}, wanted {known.wanted:.3f}; over the posterior {averaged:.3f}"
        yield f"  mean forecast: bias {errors.mean():+.3f}, absolute error {np.abs(errors).mean():.3f}; {seconds:.0f} s"


def timings() -> Iterator[str]:
    for n_items, n_models, n_families, limit in [(1000, 20, 500, 15), (2000, 150, 0, 90), (2000, 150, 50, 90)]:
        table = simulated(n_items, n_models, n_families)
        start, processor = time.perf_counter(), time.process_time()
        predict_items(table)
        taken, busy = time.perf_counter() - start, time.process_time() - processor
        shape = f"{n_items} items x {n_models} models, {n_families} families"
        yield f"{shape}, the last 6: {busy:.0f} s of processor time, {taken:.0f} s (wanted {limit} s)"


def simulated(n_items: int, n_models: int, n_families: int) -> ItemTable:
    """Items whose minutes say something of their difficulty, and so do their families, where there are any."""
    rng = np.random.default_rng(0)
    easiness = rng.normal(0, 1.5, n_items)
    items = pd.DataFrame(index=pd.Index([f"t{item:04d}" for item in range(n_items)], name="task"))
    if n_families:
        family = rng.integers(0, n_families, n_items)
        easiness += rng.normal(0, 1, n_families)[family]
        items = items.assign(family=[f"f{each:03d}" for each in family])
        items["human_minutes"] = np.exp(-easiness + rng.normal(0, 1, n_items))
    levels = np.linspace(-2, 2, n_models) + rng.normal(0, 0.5, n_models)
    eta = levels + easiness[:, None] + rng.normal(0, 0.5, n_items)[:, None] * levels
    scores = (rng.random(eta.shape) < expit(eta)).astype(float)
    return ItemTable(scores, items, tuple(f"m{model:03d}" for model in range(n_models)), np.linspace(0, 3, n_models))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, default=ITEMS, metavar="DIR")
    for line in (*timings(), *figures(parser.parse_args().items)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
