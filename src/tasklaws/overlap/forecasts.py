"""Every set forecast by itself: from the first rungs the next one, as if it were the only task of the ladder."""

import numpy as np
import pandas as pd

from tasklaws.forecast.combination import History, forecast
from tasklaws.forecast.panel import build_panels
from tasklaws.forecast.rows import forecast_rows, interval
from tasklaws.overlap.tables import BASELINES, FORECAST_COLUMNS, SIZES
from tasklaws.processes import run_each


def forecast_sets(curves: pd.DataFrame, min_rungs: int, workers: int) -> pd.DataFrame:
    """Rolling-origin forecasts of the next rung (FORECAST_COLUMNS), from `min_rungs` rungs on, with what the baselines
    say; `wide_lower` and `wide_upper` are the interval once the engine knows the designed n_eff. `workers` processes
    share the overlaps."""
    jobs = [(curve, min_rungs) for _, curve in curves.groupby("overlap", sort=True)]
    rows = [row for part in run_each(forecast_overlap, jobs, workers) for row in part]
    return pd.DataFrame(rows, columns=FORECAST_COLUMNS)


def forecast_overlap(curves: pd.DataFrame, min_rungs: int) -> list[dict[str, object]]:
    """The forecasts of all sets of one overlap."""
    by_set = curves.groupby(["overlap", "set_seed"], sort=True)
    return [row for _, curve in by_set for row in forecast_set(curve, min_rungs)]


def forecast_set(curve: pd.DataFrame, min_rungs: int) -> list[dict[str, object]]:
    history = History(build_panels(points(curve), ["exact_match"])[0])
    n_eff = float(curve["n_eff"].iloc[0])
    sharing = history.with_n_eff(n_eff)
    found = []
    for origin in range(min_rungs, len(history.panel.models)):
        (row,), parts = forecast_rows(history, origin, [origin])
        known = forecast(sharing, origin, origin)
        wide_lower, _, wide_upper = interval(history.panel.link, known.mean, known.width)
        told = {part["method"]: part["predicted"] for part in parts}
        found.append(
            {
                "overlap": float(curve["overlap"].iloc[0]),
                "set_seed": int(curve["set_seed"].iloc[0]),
                "n_fit": origin,
                "rung": row["model"],
                "n_eff": n_eff,
                "last": history.panel.value[0, origin - 1],
                **{name: row[name] for name in ("predicted", "lower", "upper", "observed", "verdict")},
                "wide_lower": wide_lower[0],
                "wide_upper": wide_upper[0],
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
