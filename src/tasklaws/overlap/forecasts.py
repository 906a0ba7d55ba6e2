"""Every set forecast by itself: from the first rungs the next one, as if it were the only task of the ladder."""

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.forecast.combination import History
from tasklaws.forecast.panel import build_panels
from tasklaws.forecast.rows import REACH, forecast_rows
from tasklaws.overlap.tables import BASELINES, FORECAST_COLUMNS, SIZES
from tasklaws.processes import run_each
from tasklaws.structure.widening import next_rung_variance


def forecast_sets(curves: pd.DataFrame, min_rungs: int, workers: int) -> pd.DataFrame:
    """Rolling-origin forecasts of the next rung (FORECAST_COLUMNS), from `min_rungs` rungs on, with what the baselines
    say; `wide_lower` and `wide_upper` are the interval with what overlap adds at the designed n_eff. The overlaps are
    shared by `workers` processes. A ladder of no more than `min_rungs` rungs raises TasklawsError."""
    n_rungs = curves["rung"].nunique()
    if n_rungs <= min_rungs:
        raise TasklawsError(
            f"{n_rungs} rungs, and forecasts start from min_rungs {min_rungs}: take a longer ladder, or lower it in "
            "conf/experiment"
        )
    jobs = [(curve, min_rungs) for _, curve in curves.groupby("overlap", sort=True)]
    rows = [row for part in run_each(forecast_overlap, jobs, workers) for row in part]
    return widened(pd.DataFrame(rows), curves)[FORECAST_COLUMNS]


def forecast_overlap(curves: pd.DataFrame, min_rungs: int) -> list[dict[str, object]]:
    """The forecasts of all sets of one overlap."""
    by_set = curves.groupby(["overlap", "set_seed"], sort=True)
    return [row for _, curve in by_set for row in forecast_set(curve, min_rungs)]


def forecast_set(curve: pd.DataFrame, min_rungs: int) -> list[dict[str, object]]:
    history = History(build_panels(points(curve), ["exact_match"])[0])
    found = []
    for origin in range(min_rungs, len(history.panel.models)):
        (row,), parts = forecast_rows(history, origin, [origin])
        told = {part["method"]: part["predicted"] for part in parts}
        found.append(
            {
                "overlap": float(curve["overlap"].iloc[0]),
                "set_seed": int(curve["set_seed"].iloc[0]),
                "n_fit": origin,
                "rung": row["model"],
                "last": history.panel.value[0, origin - 1],
                **{name: row[name] for name in ("predicted", "lower", "upper", "observed", "verdict")},
                **{name: told.get(name, np.nan) for name in BASELINES},
            }
        )
    return found


def points(curve: pd.DataFrame) -> pd.DataFrame:
    """A set's curve as the table that the engine takes: its exact match, and the loss of its right answers beside."""
    columns = {"ladder": "sets", "task": "set", "model": curve["rung"], "is_final": True, "step": np.nan}
    columns |= {"stderr": np.nan, "chance": 0.0, "n_items": curve["n_items"].astype(float)}
    columns |= {name: curve[name].astype(float) for name in SIZES}
    return pd.concat(
        [
            pd.DataFrame({**columns, "metric": metric, "value": curve[column]})
            for metric, column in (("exact_match", "value"), ("target_bits_per_byte", "target_bits_per_byte"))
        ],
        ignore_index=True,
    )


def widened(forecasts: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with n_eff and intervals widened by next_rung_variance at n_eff less that at n_items, which the
    engine counts already."""
    known = curves[["overlap", "set_seed", "n_eff", "n_items"]].drop_duplicates()
    table = forecasts.merge(known, on=["overlap", "set_seed"], validate="many_to_one")
    one = next_rung_variance(table["last"], table["predicted"], 1.0)
    added = one * (1 / table["n_eff"] - 1 / table["n_items"])
    for end in ("lower", "upper"):
        reach = table[end] - table["predicted"]
        wide = np.sign(reach) * np.hypot(reach, REACH * np.sqrt(np.maximum(added, 0.0)))
        table[f"wide_{end}"] = np.clip(table["predicted"] + wide, 0.0, 1.0)
    return table
