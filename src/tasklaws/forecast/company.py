"""Other families' known models beside a ladder, where a table has several ladders of the same tasks."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tasklaws.forecast.panel import BY_MODEL, BY_TASK, Panel
from tasklaws.tables import SIZES

_ENOUGH = 8  # sizes with which a ladder speaks for itself
_MOST_BESIDE = 150  # models beside a ladder: a forecast costs their cube


def of_pairs(panel: Panel, tasks: tuple[tuple[str, str], ...]) -> Panel:
    """The panel with these (task, metric) pairs in this order, NaN of those that it lacks; without `others`."""
    place = {pair: row for row, pair in enumerate(panel.tasks)}
    rows = np.array([place.get(pair, -1) for pair in tasks], dtype=np.intp)
    cells: dict[str, Any] = {name: np.where(rows[:, None] >= 0, getattr(panel, name)[rows], np.nan) for name in BY_TASK}
    none = np.empty((0, len(panel.models)))
    panel = replace(panel, margin=None, place=None)
    return replace(panel, tasks=tasks, others=(), other_is_loss=(), other_values=none, company=None, **cells)


def side_by_side(first: Panel, *more: Panel) -> Panel:
    """The panel with the models of others behind its own, its tasks alone; without `others`."""
    panels = [of_pairs(panel, first.tasks) for panel in (first, *more)]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(panel, name) for panel in panels], axis=-1)
        for name in (*SIZES, "days", *BY_MODEL)
    }
    models = tuple(model for panel in panels for model in panel.models)
    makers = tuple(maker for panel in panels for maker in panel.makers or ("",) * len(panel.models))
    return replace(panels[0], models=models, makers=makers, **joined)


def in_company(panels: Sequence[tuple[Panel, int]]) -> list[Panel]:
    """Each of these panels, of which so many first models are known, with the other ladders' known models of the same
    kind beside it (`Panel.company`); makers are the ladders, where the table names none.

    A panel stays as it is where _ENOUGH different sizes of its own are known, where it shares no task with another
    ladder, and where more than _MOST_BESIDE models would be beside it."""
    named = [
        (replace(panel, makers=panel.makers or (panel.ladder,) * len(panel.models)), count) for panel, count in panels
    ]
    known = [panel.select(np.arange(count)) for panel, count in named]
    found = []
    for (plain, _), (panel, _), own in zip(panels, named, known, strict=True):
        tasks = set(panel.tasks)
        others = [
            other for other in known if _may_help(panel, other) and tasks & set(other.tasks) and len(other.models)
        ]
        few = len(np.unique(own.size)) < _ENOUGH and 0 < sum(len(other.models) for other in others) <= _MOST_BESIDE
        found.append(
            replace(panel, company=side_by_side(of_pairs(others[0], panel.tasks), *others[1:])) if few else plain
        )
    return found


def _may_help(panel: Panel, other: Panel) -> bool:
    return other.ladder != panel.ladder and other.loss == panel.loss
