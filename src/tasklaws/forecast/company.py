"""Other families' known models beside a ladder, where a table has several ladders of the same tasks."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tasklaws.forecast.panel import BY_MODEL, BY_TASK, Panel
from tasklaws.tables import SIZES


def of_pairs(panel: Panel, tasks: tuple[tuple[str, str], ...]) -> Panel:
    """The panel with these (task, metric) pairs in this order, NaN of those that it lacks; without `others`."""
    place = {pair: row for row, pair in enumerate(panel.tasks)}
    rows = np.array([place.get(pair, -1) for pair in tasks], dtype=np.intp)
    cells = {name: np.where(rows[:, None] >= 0, getattr(panel, name)[rows], np.nan) for name in BY_TASK}
    none = np.empty((0, len(panel.models)))
    return replace(
        panel,
        tasks=tasks,
        others=(),
        other_is_loss=(),
        other_values=none,
        company=None,
        margin=None,
        place=None,
        **cells,
    )


def joined(first: Panel, *more: Panel) -> Panel:
    """The panel with the models of others behind its own, its tasks alone; without `others`."""
    panels = [of_pairs(panel, first.tasks) for panel in (first, *more)]
    of_model = {name: np.concatenate([getattr(panel, name) for panel in panels]) for name in (*SIZES, "days")}
    of_cell = {name: np.concatenate([getattr(panel, name) for panel in panels], axis=1) for name in BY_MODEL}
    models = tuple(model for panel in panels for model in panel.models)
    makers = tuple(maker for panel in panels for maker in panel.makers or ("",) * len(panel.models))
    return replace(panels[0], models=models, makers=makers, **of_model, **of_cell)


def in_company(panels: Sequence[tuple[Panel, int]]) -> list[Panel]:
    """Each of these panels, of which so many first models are known, with the other ladders' known models of the same
    kind beside it (`Panel.company`); makers are the ladders, where the table names none.

    A panel that shares no task with another ladder stays as it is."""
    named = [
        (replace(panel, makers=panel.makers or (panel.ladder,) * len(panel.models)), count) for panel, count in panels
    ]
    known = [panel.select(np.arange(count)) for panel, count in named]
    found = []
    for index, (panel, _) in enumerate(named):
        tasks = set(panel.tasks)
        others = [
            other
            for place, other in enumerate(known)
            if place != index and other.loss == panel.loss and other.ladder != panel.ladder and tasks & set(other.tasks)
        ]
        beside = joined(of_pairs(others[0], panel.tasks), *others[1:]) if others else None
        found.append(replace(panel, company=beside) if others else panels[index][0])
    return found
