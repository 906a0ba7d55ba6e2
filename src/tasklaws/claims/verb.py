"""`tl.claim`: forecast models that are not there yet, and say so in a way that others can check."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from tasklaws.claims.file import Claim
from tasklaws.claims.make import UNSTATED, claim_of
from tasklaws.claims.pairs import refuse_known
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.ahead.planned import At, planned_models, read_at
from tasklaws.forecast.ahead.verb import forecast
from tasklaws.forecast.panel import AxisName
from tasklaws.frames.user_tables import open_table
from tasklaws.tables import AHEAD_FORECASTS, FORECASTS


def claim(
    table: pd.DataFrame,
    at: At | None = None,
    *,
    files: Sequence[str | Path],
    axis: AxisName | None = None,
    metric: str | None = None,
    tasks: Sequence[str] = (),
    outcomes: str = UNSTATED,
    folder: str | Path = "",
) -> Claim:
    """Claim what models will score that nobody ran, on every task of a table of results.

    `table`, `at`, `axis`, `metric` and `tasks` are those of `forecast`, whose medians and 90% intervals are claimed;
    later checkpoints of a run are not. `files` are those that the table was read from: the claim names them by their
    SHA-256, and by their paths from `folder`, in which it will lie. `outcomes` says who may judge it by what. Returns
    a `Claim`, whose `write(path)` writes it; publish that file before the models exist, and check it by `tl.check`. It
    passes where enough intervals hold and the errors are smaller than those of repeating the last known values
    (docs/claims.md). A table that holds an outcome already raises TasklawsError, and so does what `forecast` refuses.

    >>> import numpy as np, pandas as pd, tasklaws as tl
    >>> sizes = np.geomspace(1e8, 3e9, 6)
    >>> table = pd.DataFrame({
    ...     "ladder": "mine", "model": [f"m{k}" for k in range(6)], "n_params": sizes, "n_tokens": 20 * sizes,
    ...     "train_flops": 120 * sizes**2, "step": np.nan, "is_final": True, "task": "sums", "metric": "acc",
    ...     "value": 1 / (1 + 3 * (sizes / 1e8) ** -0.4), "stderr": np.nan, "n_items": 1000.0, "chance": 0.0})
    >>> made = claim(table, {"model": "m6", "n_params": 7e9, "n_tokens": 1.4e11}, files=[])
    >>> tl.check(made, table.tail(1).assign(model="m6", value=0.65)).verdict
    'PASS'
    """
    found = forecast(table, at, axis=axis, metric=metric, tasks=tasks)
    if found.axis in ("n_tokens", "step"):
        raise TasklawsError(f"--axis {found.axis}: a claim is of models, not of later checkpoints: take another axis")
    forecasts = found.forecasts if at is None else _with_days(found.forecasts, planned_models(at))
    made = claim_of(forecasts, map(Path, files), Path(folder), outcomes)
    refuse_known(made.table, table[table["value"].notna()])
    return made


def claim_table(
    path: Path,
    at: Sequence[str],
    known: Sequence[Path],
    reader: Callable[[Path], pd.DataFrame],
    folder: Path,
    *,
    axis: AxisName | None = None,
    metric: str | None = None,
    tasks: Sequence[str] = (),
    outcomes: str = UNSTATED,
) -> Claim:
    """The claim of a file: of a table of results, and of further `known` ones, and models `at` which nobody ran, as
    `read_at` takes them, or of the forecasts in a table that `tasklaws forecast` or the pipeline wrote, which rest on
    the `known` results.

    `reader` reads results; the rest is what `claim` takes. Forecasts without what they rest on, and options that do not
    go with the kind of table, raise TasklawsError."""
    header = set(open_table(path).header)
    if not {"predicted", "lower", "upper"} <= header:
        tables = [path, *known]
        return claim(
            pd.concat([reader(each) for each in tables], ignore_index=True),
            read_at(at) if at else None,
            files=tables,
            axis=axis,
            metric=metric,
            tasks=tasks,
            outcomes=outcomes,
            folder=folder,
        )
    if "observed" in header:
        raise TasklawsError(f"{path} holds outcomes beside its forecasts: a claim comes before them")
    if at or axis:
        raise TasklawsError(f"{path} holds forecasts: --at and --axis are for a table of results")
    if not known:
        raise TasklawsError(f"{path} holds forecasts: give the results that they rest on as --known")
    forecasts = (FORECASTS if "rung" in header else AHEAD_FORECASTS).read(path)
    if forecasts[["n_params", "train_flops"]].isna().all(axis=1).any():
        raise TasklawsError(f"{path} has a model without a size: claim it from the table of results, with --at")
    made = claim_of(forecasts, [path, *known], folder, outcomes)
    for each in known:
        refuse_known(made.table, reader(each).dropna(subset="value"))
    return made


def _with_days(forecasts: pd.DataFrame, planned: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with the first and the last day of each planned model, where it has a date."""
    days = planned.drop_duplicates("model").set_index("model")
    day, margin = pd.to_datetime(days["date"]), pd.to_timedelta(days["date_margin"], unit="D")
    ends = {"first_day": day - margin, "last_day": day + margin}
    return forecasts.assign(**{name: forecasts["model"].map(end.dt.strftime("%Y-%m-%d")) for name, end in ends.items()})
