"""A pilot: the one ladder of a table that is planned for, and the target that it is planned for."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.ahead.planned import numbers
from tasklaws.forecast.choices import chosen_curves
from tasklaws.forecast.panel import LEAST_RUNGS, Panel, build_panels
from tasklaws.frames.shown import quoted, some
from tasklaws.tabular.names import known_as

_OF_TARGET = ("n_params", "n_tokens")


def parse_sizes(text: str) -> dict[str, float]:
    """`n_params=7e9,n_tokens=2e12` or `N=7B,D=2T` as numbers by name; what is no number, and a name twice, raise
    TasklawsError."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        key = known_as(name, _OF_TARGET) or name
        if key in found:
            raise TasklawsError(f"--target {quoted(text)}: {key} stands twice: give it once")
        try:
            [found[key]] = numbers(pd.Series([number or "nothing"], name=key if key in _OF_TARGET else _OF_TARGET[0]))
        except TasklawsError as error:
            raise TasklawsError(
                f"--target {quoted(part)}: give n_params=NUMBER,n_tokens=NUMBER, as 7e9 or 7B"
            ) from error
    return found


def target_sizes(target: Mapping[str, float | str]) -> dict[str, float]:
    """`n_params`, `n_tokens` and `train_flops` of a target; one that lacks the first two, or has others, raises
    TasklawsError."""
    strangers = [name for name in target if name not in _OF_TARGET]
    if strangers or len(target) < 2:
        what = f"{strangers[0]!r} in it" if strangers else f"no {'n_tokens' if 'n_params' in target else 'n_params'}"
        raise TasklawsError(f"the target has {what}: give n_params and n_tokens, and no other")
    sizes = {
        name: float(numbers(pd.Series([target[name]], name=name, index=["the target"])).iloc[0]) for name in _OF_TARGET
    }
    for name, value in sizes.items():
        if not (np.isfinite(value) and value > 0):
            raise TasklawsError(f"{name} of the target is {value}: give a positive number")
    return {**sizes, "train_flops": 6 * sizes["n_params"] * sizes["n_tokens"]}


def pilot(
    table: pd.DataFrame, metric: str | None, tasks: Sequence[str], ladder: str | None, target: Mapping[str, float]
) -> Panel:
    """The one panel of the table that is planned for; what cannot be planned for raises TasklawsError."""
    ladders = sorted(map(str, table["ladder"].unique()))
    if ladder is not None and ladder not in ladders:
        raise TasklawsError(f"ladder {ladder!r} is not in the table: it has {some(ladders, 5, str)}")
    if ladder is None and len(ladders) != 1:
        raise TasklawsError(f"the table has {len(ladders)} ladders: choose one: {some(ladders, 5, str)}")
    rows, metrics = chosen_curves(table, metric, tasks)
    [known] = build_panels(rows[rows["ladder"] == (ladder or ladders[0])], metrics)[:1]
    if len(known.models) < LEAST_RUNGS:
        raise TasklawsError(f"the pilot has {len(known.models)} model(s): a design needs {LEAST_RUNGS} or more")
    for name in ("n_params", "n_tokens"):
        unknown = ~np.isfinite(getattr(known, name))
        if unknown.any():
            model = known.models[int(unknown.argmax())]
            raise TasklawsError(f"model {model} has no {name}: give it, as costs are 6 n_params n_tokens")
    largest = float(np.nanmax(6 * known.n_params * known.n_tokens))
    if target["train_flops"] <= largest:
        raise TasklawsError(
            f"the target takes {target['train_flops']:.3g} FLOPs, the largest model of the pilot {largest:.3g}: give a "
            "larger target"
        )
    return known


def with_wanted(table: pd.DataFrame, known: Panel, wanted: Mapping[str, tuple[float, float]]) -> Panel:
    """The pilot, with wanted models behind it in this order: name -> n_params, n_tokens."""
    sizes = pd.DataFrame(list(wanted.values()), columns=["n_params", "n_tokens"]).assign(model=list(wanted))
    sizes["train_flops"] = 6 * sizes["n_params"] * sizes["n_tokens"]
    curves = pd.DataFrame(known.tasks, columns=["task", "metric"]).assign(ladder=known.ladder)
    rows = pd.concat([table[table["ladder"] == known.ladder], curves.merge(sizes, how="cross").assign(is_final=True)])
    metrics = sorted({metric for _, metric in known.tasks})
    [panel] = [one for one in build_panels(rows, metrics) if one.loss == known.loss]
    panel = panel.of_tasks(np.array([pair in known.tasks for pair in panel.tasks]))
    place = {model: number for number, model in enumerate(panel.models)}
    order = np.array([place[model] for model in (*known.models, *wanted)])
    return panel.select(order)
