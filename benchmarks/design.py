"""Is the rung that `tasklaws design` ranks first the one that narrows the interval?

    python benchmarks/design.py [DIRECTORY]

DIRECTORY (default ../shared/ladders) holds pythia, gadre and bigg as .csv.gz tables of points. Of each ladder (twelve
models of it, evenly spread, where it has more) and each of its last targets, every second smaller model is known; each
of the others is a candidate, whose results are drawn as if nobody had run it, and then taken as they were. Known truth
for seeds and items is made up: logistic tasks, noise from model to model, common items. The limits were set before the
first run. Widths and errors are means over tasks, in points.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import spearmanr

from backtest import ROLLING, say
from tasklaws.core.arrays import Array
from tasklaws.forecast.designs.actions import Action, Standing, after
from tasklaws.forecast.panel import Panel, build_panels
from tasklaws.tabular.points import read_points

DRAWS = 8
MOST_MODELS = 12
TARGETS = {"pythia": 2, "gadre": 2, "bigg": 3}  # of each ladder: its last models
LEAST_KNOWN = 4
MADE_UP = 8  # ladders of each kind


def panels(directory: Path) -> Iterator[tuple[str, Panel]]:
    for name, metrics in ROLLING.items():
        for panel in build_panels(read_points(directory / f"{name}.csv.gz"), metrics):
            yield name, panel


def thinned(panel: Panel) -> Panel:
    """At most MOST_MODELS models of different size, evenly spread over them, smallest and largest among them."""
    _, first = np.unique(panel.size, return_index=True)
    return panel.select(first[np.linspace(0, len(first) - 1, min(len(first), MOST_MODELS)).round().astype(int)])


def candidates(panel: Panel, target: int) -> tuple[list[int], list[int]]:
    """The known models and the candidates below a target."""
    known = list(range(0, target - 1, 2))
    for extra in range(1, target, 2):
        if len(known) < LEAST_KNOWN:
            known.append(extra)
    return sorted(known), [model for model in range(target) if model not in known]


def error(standing: Standing, observed: Array) -> Array:
    """How far the forecasts are off, in points."""
    return 100 * np.abs(standing.found[1].quantile(0.5) - observed)


def real(name: str, full: Panel, target: int) -> list[pd.DataFrame]:
    """A row a candidate and task: width and error now, expected width then, and width and error that came."""
    known, others = candidates(full, target)
    panel = full.select(np.array([*known, *others, target]))
    hidden = panel.without_results()
    n_known = len(known)
    values, other_values = hidden.value.copy(), hidden.other_values.copy()
    values[:, :n_known], other_values[:, :n_known] = panel.value[:, :n_known], panel.other_values[:, :n_known]
    more = {}
    for column in ("n_items", "n_eff", "chance", "checkpoint_noise"):
        more[column] = getattr(hidden, column).copy()
        more[column][:, :n_known] = getattr(panel, column)[:, :n_known]
    start = Standing.of(replace(hidden, value=values, other_values=other_values, **more), n_known)
    observed = panel.value[:, -1]
    rows = []
    for number in range(n_known, len(panel.models) - 1):
        action = Action("rung", panel.models[number])
        expected = np.stack([one.width for one in after([start] * DRAWS, action, 0)])
        came = start.with_model(number, panel.value[:, number], panel.other_values[:, number], keep=False)
        found = {"now": start.width, "then": expected.mean(axis=0), "came": came.width}
        found |= {"error_now": error(start, observed), "error_came": error(came, observed)}
        part = pd.DataFrame(found).assign(task=[task for task, _ in panel.tasks], candidate=panel.models[number])
        spread = float(np.nanmean(expected, axis=1).std())
        part = part.assign(ladder=f"{name} {panel.ladder}", target=panel.models[-1], size=panel.size[number])
        rows.append(part.assign(spread=spread).dropna())
    return rows


def rank(one: pd.Series, other: pd.Series) -> float:
    """Spearman's correlation."""
    return float(spearmanr(one, other).statistic)


def judge_real(table: pd.DataFrame) -> None:
    group = ["ladder", "target"]
    means = table.groupby([*group, "candidate"], sort=False).mean(numeric_only=True).reset_index()
    means["expected"], means["realised"] = means["now"] - means["then"], means["now"] - means["came"]
    means["better"] = means["error_now"] - means["error_came"]
    several = [part for _, part in means.groupby(group) if len(part) > 2]
    ranks = [rank(part["expected"], part["realised"]) for part in several]
    say(
        "narrowing expected and realised, a ladder's candidates",
        f"{np.mean(ranks):.2f} of {len(ranks)}",
        "mean Spearman >= .5",
        float(np.mean(ranks)) >= 0.5,
    )
    of_size = np.mean([rank(part["size"], part["realised"]) for part in several])
    print(f"      by the candidate's size instead: {of_size:.2f}")
    pooled = rank(means["expected"], means["realised"])
    say("the same, all candidates together", f"{pooled:.2f} of {len(means)}", "Spearman >= .5", pooled >= 0.5)
    by_task = rank(table["now"] - table["then"], table["now"] - table["came"])
    say("the same, by task", f"{by_task:.2f} of {len(table)}", "Spearman >= .4", by_task >= 0.4)
    ratio = means["then"].mean() / means["came"].mean()
    value = f"{means['then'].mean():.2f} / {means['came'].mean():.2f}"
    say(f"width expected / that came (now {means['now'].mean():.2f})", value, "0.9-1.1", 0.9 <= ratio <= 1.1)
    first = pd.concat([part.nlargest(1, "expected") for _, part in means.groupby(group)])
    best = pd.concat([part.nlargest(1, "realised") for _, part in means.groupby(group)])
    largest = pd.concat([part.nlargest(1, "size") for _, part in means.groupby(group)])
    whole = means.groupby(group).mean(numeric_only=True)
    share = first["realised"].mean() / best["realised"].mean()
    say("narrowing by the first of the ranking / by the best", f"{share:.2f}", ">= .7", share >= 0.7)
    print(
        f"      by any candidate {whole['realised'].mean() / best['realised'].mean():.2f}, "
        f"by the largest {largest['realised'].mean() / best['realised'].mean():.2f}"
    )
    errors = first["error_came"].mean(), whole["error_came"].mean(), first["error_now"].mean()
    value = f"{errors[0]:.2f} / {errors[1]:.2f}"
    say(f"error with the first / with any (now {errors[2]:.2f})", value, "lower than both", errors[0] < min(errors[1:]))
    print(
        f"      with the largest {largest['error_came'].mean():.2f}, with the best in hindsight "
        f"{means.groupby(group)['error_came'].min().mean():.2f}"
    )
    fall = [rank(part["expected"], part["better"]) for part in several]
    say(
        "narrowing expected and fall of the error",
        f"{np.mean(fall):.2f}",
        "mean Spearman > 0",
        float(np.mean(fall)) > 0,
    )
    for name, part in means.groupby(["ladder", "target"]):
        told = [f"{row.candidate} {row.expected:.2f}/{row.realised:.2f}/{row.better:+.2f}" for row in part.itertuples()]
        print(
            f"      {', '.join(map(str, name))}, now {part['now'].iloc[0]:.1f}, expected/realised/error:",
            ", ".join(told),
        )


KINDS = {  # noise from model to model in logits (by turns), and items
    "few items": ((0.01, 0.1, 0.2, 0.4), 40),
    "few items, models alike": ((0.05,), 40),
    "models differ": ((0.3,), 500),
    "smooth": ((0.02,), 2000),
}
SHARPNESS = 5.0  # of items in ability: a third of the sampling is not common to models
FIRST_SEED = 100  # smaller ones were seen while the draws were made
SIZES = np.geomspace(1e7, 1e9, 6)
FACTOR = 4


def made_up(kind: str, seed: int) -> list[dict[str, object]]:
    """A ladder of six models, twelve tasks and a target ten times the largest: width expected after each of four
    actions, and the width and error once their true results are known. Items are common to all models: one of
    difficulty d is solved with probability sigmoid(5 (ability - d)), d normal."""
    noises, n_items = KINDS[kind]
    noise = noises[seed % len(noises)]
    rng = np.random.default_rng([seed, n_items])
    sizes = np.array([*SIZES, 3e8, 3e9, SIZES[-1], 1e10])
    slope, middle = rng.uniform(0.2, 0.5, (12, 1)), np.log(10.0) * rng.uniform(7.5, 10, (12, 1))
    ability = slope * (np.log(sizes) - middle) + noise * rng.standard_normal((12, len(sizes)))
    hard = rng.standard_normal((12, FACTOR * n_items))
    right = rng.random((12, len(sizes), FACTOR * n_items)) < expit(SHARPNESS * (ability[..., None] - hard[:, None]))
    few, many = right[..., :n_items].mean(axis=2), right.mean(axis=2)
    names = [*(f"m{k}" for k in range(6)), "rung between", "rung above", "seed of the largest", "target"]
    empty = np.full((12, len(sizes)), np.nan)
    value = np.where(np.arange(len(sizes)) < 6, few, np.nan)
    panel = Panel(
        ladder=kind, loss=False, tasks=tuple((f"t{k:02}", "acc") for k in range(12)), models=tuple(names),
        n_params=sizes, n_tokens=20 * sizes, train_flops=120 * sizes**2, days=np.full(len(sizes), np.nan),
        value=value, n_items=np.where(np.isfinite(value), float(n_items), np.nan), n_eff=empty, chance=empty,
        checkpoint_noise=empty, others=(), other_is_loss=(), other_values=np.empty((0, len(sizes))),
    )  # fmt: skip
    start = Standing.of(panel, 6)
    rows: list[dict[str, object]] = []
    for name in (*names[6:9], f"{FACTOR} times the items"):
        action = Action("rung", name) if name in names else Action("items", name, factor=FACTOR)
        expected = np.stack([one.width for one in after([start] * DRAWS, action, seed)])
        if name in names:
            place = names.index(name)
            came, observed = start.with_model(place, few[:, place], np.empty(0), keep=False), few[:, -1]
        else:
            came, observed = start.with_items(FACTOR, many[:, :6], keep=False), many[:, -1]
        found = {"now": start.width.mean(), "then": expected.mean(), "came": came.width.mean()}
        found |= {"error_now": error(start, few[:, -1]).mean(), "error_came": error(came, observed).mean()}
        inside = [
            ((one.found[1].interval[0] <= seen) & (seen <= one.found[1].interval[2])).mean()
            for one, seen in ((start, few[:, -1]), (came, observed))
        ]
        rows.append({"kind": kind, "action": name, **found, "inside_now": inside[0], "inside_came": inside[1]})
    return rows


def judge_made_up(table: pd.DataFrame) -> None:
    means = table.groupby(["kind", "action"], sort=False).mean()
    for row in means.reset_index().to_dict("records"):
        value = f"{row['then']:.2f} / {row['came']:.2f}"
        what = f"{row['kind']}, {row['action']}: width expected / came (now {row['now']:.2f})"
        say(what, value, "0.85-1.15", 0.85 <= row["then"] / row["came"] <= 1.15)
        print(
            f"      error {row['error_now']:.2f} -> {row['error_came']:.2f}, "
            f"intervals hold {row['inside_now']:.0%} -> {row['inside_came']:.0%}"
        )
    less = means["now"] - means["then"]
    by_kind = {
        kind: float(less[kind, f"{FACTOR} times the items"]) for kind in ("few items", "models differ", "smooth")
    }
    most = max(by_kind, key=lambda kind: by_kind[kind])
    say("items narrow most where there are few", most, "few items", most == "few items")
    best = str(less["smooth"].idxmax())
    say("of a smooth ladder, the rung above narrows most", best, "rung above", best == "rung above")
    ranks = [rank(part["now"] - part["then"], part["now"] - part["came"]) for _, part in table.groupby("kind")]
    say("narrowing expected and realised, by kind", f"{min(ranks):.2f}", "each Spearman >= .5", min(ranks) >= 0.5)


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/ladders")
    print("Made-up ladders")
    seeds = range(FIRST_SEED, FIRST_SEED + MADE_UP)
    judge_made_up(pd.DataFrame([row for kind in KINDS for seed in seeds for row in made_up(kind, seed)]))
    print("\nReal ladders, a rung left out in turn")
    rows: list[pd.DataFrame] = []
    for name, full in panels(directory):
        panel = thinned(full)
        for target in range(len(panel.models) - TARGETS[name], len(panel.models)):
            rows += real(name, panel, target)
    judge_real(pd.concat(rows, ignore_index=True))


if __name__ == "__main__":
    main()
