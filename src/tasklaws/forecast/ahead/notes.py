"""What of planned models was given and has no part in their forecasts."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasklaws.forecast.company import side_by_side
from tasklaws.forecast.panel import Panel, size_column
from tasklaws.forecast.skills import named_size
from tasklaws.frames.shown import quoted, some

if TYPE_CHECKING:
    from tasklaws.forecast.ahead.panels import Job
    from tasklaws.forecast.combine import History

_CELLS = {"n_params": "n_params", "n_tokens": "n_tokens", "train_flops": "train_flops", "date": "days"}  # of a panel


def idle_lines(history: "History", job: "Job", planned: pd.DataFrame) -> Iterator[str]:
    """A line on each thing that is given of the planned models of a job and does not count: a size that no known model
    has, a date or a maker where size alone places the models, the size of a later checkpoint, a maker of no known one.
    """
    panel, known = job.panel, history.known(job.origin)
    if known.company is not None:
        known = side_by_side(known, known.company)
    crowd, by = history.is_crowd(job.origin), size_column(panel)
    rows = planned[planned["model"].isin([panel.models[target] for target in job.targets])]
    idle: dict[str, list[str]] = {}
    for row in rows.to_dict("records"):
        for key in row["stated"]:
            if key != by and not _counts(key, row, panel, known, crowd):
                idle.setdefault(key, []).append(row["model"])
        if pd.isna(row["maker"]):
            continue
        if not (crowd and panel.makers):
            idle.setdefault("maker", []).append(row["model"])
        elif row["maker"] not in known.makers:
            makers = some(sorted({maker for maker in known.makers if maker}), 6, str)
            yield f"maker {quoted(row['maker'])} of {quoted(row['model'])} counts as a new one: known are {makers}"
    for key, models in idle.items():
        yield f"{key} of {some(models, 3, str)} does not count: {_why(key, by, panel, known)}"


def _counts(key: str, row: Mapping[Any, Any], panel: Panel, known: Panel, crowd: bool) -> bool:
    """Whether a forecast depends on what is given as `key`, which does not place the models by itself."""
    if panel.axis in ("n_tokens", "step") or key not in _CELLS or key == "train_flops":
        return False
    if key != "date" and size_column(panel) == "train_flops" and "train_flops" not in row["stated"]:
        return True
    if crowd:
        named = key == "n_params" and np.isfinite([named_size(name) for name in known.models]).any()
        return bool(named or np.isfinite(getattr(known, _CELLS[key])).any())
    return key != "date" and bool(np.isfinite([panel.n_params, panel.n_tokens]).all())


def _why(key: str, by: str, panel: Panel, known: Panel) -> str:
    if panel.axis in ("n_tokens", "step"):
        return f"a later checkpoint is placed by {by}, and has the size and maker of its run"
    if key == "maker" and not panel.makers:
        return f"no known model of {panel.ladder} has one (column maker)"
    if key in ("step", "loss") or (key in _CELLS and not np.isfinite(getattr(known, _CELLS[key])).any()):
        return f"no known model of {panel.ladder} has one" if key in _CELLS else f"give --axis {key}"
    return f"{by} alone places the models of {panel.ladder}"
