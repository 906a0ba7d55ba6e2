"""Which rung, seed or number of items next: what each does to the intervals at a planned model, for its cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.progress import progress
from tasklaws.core.result import Result, axes_or_new
from tasklaws.forecast.choices import refuse_bare
from tasklaws.forecast.designs.actions import (
    Action,
    Standing,
    after,
    ask_cost,
    known_items_of,
    possible_actions,
    priced,
)
from tasklaws.forecast.designs.pilot import pilot, target_sizes, with_wanted
from tasklaws.forecast.panel import Panel
from tasklaws.frames.csv_files import records
from tasklaws.frames.natural import in_order, natural
from tasklaws.frames.shown import shown, some
from tasklaws.stats.scores import rounded
from tasklaws.tables import DESIGN, DESIGN_TASKS
from tasklaws.tabular.points import without_planned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOKENS_PER_ITEM = 500.0  # a question with a few examples before it, and its answer
_DRAWS = 8
_CLEAR = 2.0  # standard errors of the draws by which an action must narrow the interval to be ranked
_MOST_BOUGHT = 6
_ACTIONS_SHOWN = 12
_MARKERS = {"rung": ("o", "forecast"), "seed": ("^", "outcome"), "items": ("s", "fit")}


@dataclass(frozen=True, eq=False, repr=False)
class Design(Result):
    """What could be run or asked next, best first.

    `table` (tables.DESIGN) has a row an action: its cost in FLOPs, of training and of asking; the width of the 90%
    intervals at the target now and, expected, after it, in points (of a loss, percent of it), averaged over tasks;
    `standard_error` over the draws; the narrowing for each FLOP; and with a budget when it is `bought`. `tasks` has the
    widths of each task, `path` what a budget buys, `target` its sizes, `worth` what its forecasts are worth in items
    asked."""

    table: pd.DataFrame
    tasks: pd.DataFrame
    path: pd.DataFrame
    target: dict[str, float]
    worth: dict[str, float]
    tokens_per_item: float
    budget: float | None
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The ranked actions, a line each, what a budget buys, and when asking is cheaper."""
        at, now = self.target, float(self.table["width_now"].iloc[0])
        lines = [
            f"target: {at['n_params']:.3g} parameters, {at['n_tokens']:.3g} tokens, {at['train_flops']:.3g} FLOPs; "
            f"{self.worth['n_tasks']:.0f} task(s), 90% intervals {now:.1f} points wide on average",
            f"costs: 6 N D to train, 2 N {self.tokens_per_item:g} to ask an item of {self.tokens_per_item:g} tokens",
            f"{'action':34} {'FLOPs':>9}  {'width now -> then':>17}  {'narrower':>8}  {'points a FLOP':>13}",
        ]
        first = self.table.head(_ACTIONS_SHOWN)
        for row in records(first):
            clear = row["narrowing"] > _CLEAR * row["standard_error"]
            lines.append(
                f"{shown(row['action']):34} {row['train_flops'] + row['ask_flops']:9.3g}  "
                f"{row['width_now']:7.1f} -> {row['width_then']:5.1f}  {row['narrowing']:8.2f}  "
                + (f"{row['narrowing_per_flop']:13.2e}" if clear else f"{'not clear':>13}")
            )
        if len(self.table) > len(first):
            lines.append(f"and {len(self.table) - len(first)} more: --out DIR writes all of them")
        spent = 0.0
        for number, row in enumerate(records(self.path), 1):
            spent = row["flops"]
            lines.append(
                f"budget, {number}: {shown(row['action'])}, {spent:.3g} FLOPs in all, {row['width']:.1f} points wide"
            )
        if self.budget is not None and not len(self.path):
            lines.append(f"budget: nothing for {self.budget:.3g} FLOPs or less narrows them clearly")
        return "\n".join([*lines, *self._worth(), *(f"note: {note}" for note in self.notes)])

    def _worth(self) -> list[str]:
        worth, at = self.worth, self.target
        items = f"{worth['items']:.3g} items asked of the target itself (median task)"
        return [
            f"the forecast is worth {items}: {worth['ask_flops']:.3g} FLOPs over all tasks, once it is trained",
            f"asking presupposes the target's own training, {at['train_flops']:.3g} FLOPs, against the pilot's "
            f"{worth['pilot_flops']:.3g}: before that, what costs less is cheaper than asking; after it, what costs "
            f"more than {worth['ask_flops']:.3g} FLOPs is dearer than asking",
        ]

    def to_dict(self) -> dict[str, object]:
        """The target, the actions, the widths by task, what a budget buys, what the forecasts are worth, and notes."""
        rows = {"actions": records(self.table), "tasks": records(self.tasks), "path": records(self.path)}
        said = {"target": self.target, "worth": self.worth, "tokens_per_item": self.tokens_per_item}
        return {**said, **rows, "notes": list(self.notes)}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the expected width after each action against its cost, the frontier of single actions, and what a budget
        buys."""
        from tasklaws.plotting import LIGHT

        ax = axes_or_new(ax)
        flops = self.table["train_flops"] + self.table["ask_flops"]
        now = self.table["width_now"].iloc[0]
        ax.axhline(now, color=LIGHT["muted"], linewidth=1, label="now")
        for kind, rows in self.table.groupby("kind", sort=True):
            mark, colour = _MARKERS[str(kind)]
            ax.plot(flops[rows.index], rows["width_then"], mark, color=LIGHT[colour], label=str(kind))
        ordered = self.table["width_then"].to_numpy()[np.argsort(flops, kind="stable")]
        lowest = np.minimum(np.minimum.accumulate(ordered), now)
        ax.step(np.sort(flops), lowest, where="post", color=LIGHT["ink"], linewidth=1, label="frontier")
        if len(self.path):
            ax.plot(self.path["flops"], self.path["width"], "--", color=LIGHT["scale2"], label="budget")
        ax.set_xscale("log")
        ax.set_xlabel("cost (FLOPs)")
        ax.set_ylabel("width of 90% intervals (points)")
        ax.legend(fontsize="small")
        return ax


def design(
    table: pd.DataFrame,
    target: Mapping[str, float | str],
    *,
    metric: str | None = None,
    tasks: Sequence[str] = (),
    ladder: str | None = None,
    tokens_per_item: float = TOKENS_PER_ITEM,
    budget: float | None = None,
    seed: int = 0,
) -> Design:
    """Rank what could be run or asked next by how much it narrows the 90% intervals at a planned model for each FLOP.

    `table` is a pilot's, as `read_points` gives it, planned models left out; `target` has `n_params` and `n_tokens`, as
    numbers or as 7B. Actions: a new rung between
    the known sizes or between the largest and the target, with the tokens that the ladder's own line gives it; another
    seed of a known rung, which counts as a model of its own; twice and four times the items of all known rungs. The
    results of each are drawn eight times from what the engine holds possible of them (by `seed`), and the target is
    forecast anew. Costs in FLOPs: 6 N D of training, 2 N `tokens_per_item` for each item asked. With a `budget` in
    FLOPs the best affordable action is taken, all others are evaluated after it, and so on. A table of several ladders
    without `ladder`, fewer than three models, unknown sizes, and a target that is no larger than the pilot raise
    TasklawsError. Method: docs/forecasting.md; Raiffa and Schlaifer 1961, ch. 4.

    >>> import numpy as np, pandas as pd
    >>> sizes = np.geomspace(1e6, 1e8, 3)
    >>> table = pd.DataFrame({
    ...     "ladder": "mine", "model": [f"m{k}" for k in range(3)], "n_params": sizes, "n_tokens": 20 * sizes,
    ...     "train_flops": 120 * sizes**2, "step": np.nan, "is_final": True, "task": "sums", "metric": "acc",
    ...     "value": 1 / (1 + 30 * (sizes / 1e6) ** -0.8), "stderr": np.nan, "n_items": 500.0, "chance": 0.0})
    >>> found = design(table, {"n_params": 1e9, "n_tokens": 2e10})
    >>> sorted(found.table["kind"].unique()), bool((found.table["width_now"] > 0).all())
    (['items', 'rung', 'seed'], True)
    """
    if not (np.isfinite(tokens_per_item) and tokens_per_item > 0):
        raise TasklawsError(f"tokens-per-item is {tokens_per_item}: give a positive number")
    if budget is not None and not (np.isfinite(budget) and budget > 0):
        raise TasklawsError(f"budget is {budget}: give a positive number of FLOPs")
    size = target_sizes(target)
    refuse_bare(table, "design")
    table, left_out = without_planned(table)
    known = pilot(table, metric, tasks, ladder, size)
    actions = possible_actions(known, size["n_params"], size["train_flops"], tokens_per_item)
    wanted = {action.name: (action.n_params, action.n_tokens) for action in actions if action.kind != "items"}
    wanted["the target"] = size["n_params"], size["n_tokens"]
    start = Standing.of(with_wanted(table, known, wanted), len(known.models))
    tasks_now, widths = start.width, {}
    with progress("design", len(actions)) as advance:
        for action in actions:
            widths[action.name] = _widths(after([start] * _DRAWS, action, seed))
            advance()
    rows = pd.DataFrame([_row(action, tasks_now, widths[action.name]) for action in actions])
    clear = rows["narrowing"] > _CLEAR * rows["standard_error"]
    order = np.lexsort([-rows["narrowing_per_flop"], ~clear])
    rows = rows.iloc[order].assign(rank=np.arange(1, len(rows) + 1), bought=np.nan).reset_index(drop=True)
    path = pd.DataFrame(columns=["action", "flops", "width"])
    if budget is not None:
        path = _spend(start, actions, budget, tokens_per_item, seed)
        rows["bought"] = rows["action"].map({name: number for number, name in enumerate(path["action"], 1)})
    return Design(
        DESIGN.pick(rows),
        _by_task(known, tasks_now, widths),
        path,
        size,
        _worth(start, known, size, tokens_per_item),
        tokens_per_item,
        budget,
        (*left_out, *_notes(known)),
    )


def _widths(standings: Sequence[Standing]) -> Array:
    """(draws, tasks)"""
    return np.stack([one.width for one in standings])


def _row(action: Action, now: Array, widths: Array) -> dict[str, object]:
    """An action's row of DESIGN, but for its rank."""
    by_draw = np.nanmean(widths, axis=1)
    narrowing = float(np.nanmean(now) - by_draw.mean())
    found: dict[str, object] = {"action": action.name, "kind": action.kind}
    found |= {"n_params": action.n_params, "n_tokens": action.n_tokens}
    found |= {"factor": action.factor if action.kind == "items" else np.nan}
    found |= {"train_flops": action.train_flops, "ask_flops": action.ask_flops}
    found |= {"width_now": float(np.nanmean(now)), "width_then": float(by_draw.mean()), "narrowing": narrowing}
    found["standard_error"] = _standard_error(by_draw)
    return found | {"narrowing_per_flop": narrowing / action.flops}


def _standard_error(draws: Array) -> float:
    return float(draws.std(ddof=1) / np.sqrt(len(draws)))


def _spend(
    start: Standing, actions: Sequence[Action], budget: float, tokens_per_item: float, seed: int
) -> pd.DataFrame:
    """What a budget buys, the best action for each FLOP first: action, `flops` spent so far, and the expected width."""
    standings, spent, left = [start] * _DRAWS, 0.0, list(actions)
    path: list[dict[str, object]] = []
    while len(path) < _MOST_BOUGHT:
        now = np.nanmean(_widths(standings), axis=1)
        best: tuple[float, Action | None, float] = (0.0, None, 0.0)
        for action in (priced(one, standings[0].known, tokens_per_item) for one in left):
            if spent + action.flops > budget:
                continue
            then = np.nanmean(_widths(after(standings, action, seed)), axis=1)
            less, error = float((now - then).mean()), _standard_error(now - then)
            if less > _CLEAR * error and less / action.flops > best[0]:
                best = less / action.flops, action, float(then.mean())
        _, chosen, width = best
        if chosen is None:
            break
        standings = after(standings, chosen, seed, keep=True)
        spent += chosen.flops
        path.append({"action": chosen.name, "flops": spent, "width": width})
        left = [one for one in left if one.name != chosen.name and (one.kind, chosen.kind) != ("items", "items")]
    return pd.DataFrame(path, columns=["action", "flops", "width"])


def _by_task(known: Panel, now: Array, widths: Mapping[str, Array]) -> pd.DataFrame:
    curves = pd.DataFrame(known.tasks, columns=["task", "metric"]).assign(width_now=now)
    parts = [curves.assign(action=name, width_then=found.mean(axis=0)) for name, found in widths.items()]
    found = pd.concat(parts, ignore_index=True).dropna(subset="width_now")
    return in_order(DESIGN_TASKS.pick(found), DESIGN_TASKS.keys)


def _worth(start: Standing, known: Panel, target: Mapping[str, float], tokens_per_item: float) -> dict[str, float]:
    """The target's forecasts in items asked of it: of the median task, FLOPs over all tasks; and the pilot's cost."""
    items = start.found[0].equivalent_items
    items = items[np.isfinite(items)]
    asked = ask_cost(known.n_params, float(known_items_of(known).sum()), tokens_per_item)
    return rounded(
        {
            "n_tasks": len(items),
            "items": float(np.median(items)),
            "ask_flops": ask_cost(target["n_params"], items, tokens_per_item),
            "pilot_flops": float((6 * known.n_params * known.n_tokens).sum()) + asked,
        }
    )


def _notes(known: Panel) -> list[str]:
    unknown = [task for (task, _), count in zip(known.tasks, known_items_of(known), strict=True) if not count]
    found = ["another seed counts as a model of its own: give it a name of its own in the table"]
    if unknown and not known.loss:
        some_tasks = some(sorted(set(unknown), key=natural), 3, str)
        found.append(f"n_items is unknown of {len(unknown)} task(s), whose items cost nothing here: {some_tasks}")
    return found
