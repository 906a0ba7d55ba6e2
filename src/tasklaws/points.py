"""Tables of points: a ladder's results as anyone may have them, read, checked and written in one tidy form."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.frames import place, read_header, read_rows, refuse, write_table
from tasklaws.tables import POINTS, SIZES, is_loss, losses

_TEXTS = ["ladder", "model", "task", "metric"]
_WHOLE = ["n_params", "n_tokens", "step", "n_items"]
_RARE = ["n_eff", "loss", "weight"]  # numbers that few tables have: absent, they stay so
_OTHER_NAMES = {
    **dict.fromkeys(("N", "params", "parameters", "model_size"), "n_params"),
    **dict.fromkeys(("D", "tokens", "training_tokens", "n_examples"), "n_tokens"),
    **dict.fromkeys(("C", "flops", "FLOPs", "compute"), "train_flops"),
}
RESULT = ["model", "task", "metric", "value"]
_TRUTHS = {text: value for value in (True, False) for text in (str(value), str(value).lower(), str(value).upper())}


def read_points(path: str | Path) -> pd.DataFrame:
    """Read a tidy CSV (or CSV.gz) of results: one row a ladder, model, step, seed (if there), task and metric.

    Needed are `model`, `task`, `metric`, `value` and, in each row, `n_params` or `train_flops`. An empty cell or an
    absent column means unknown, except that `ladder` is then the file's stem and `is_final` true. Unknown `train_flops`
    (FLOPs) are 6 N D where both are known (Kaplan et al. 2020, arXiv 2001.08361, section 2.1). An untrained checkpoint
    has zero tokens and FLOPs. A column `n_eff` may say how many independent tasks the items
    are worth. Sizes may go by _OTHER_NAMES; without columns `metric` and `value`, one named as a known loss is both.
    Returned in the order of the file: POINTS.columns (numbers as floats, unknown as NaN), then any others as they are;
    rows numbered from 0. A row that cannot be so raises TasklawsError with its line and value.

    >>> table = read_points("results/nano_ladder/points.csv")
    >>> list(table)[:5], sorted(table["metric"].unique())[:2]
    (['ladder', 'model', 'n_params', 'n_tokens', 'train_flops'], ['bits_per_byte', 'brier'])
    """
    table = complete(parse(Path(path), RESULT))
    unsized = table["n_params"].isna() & table["train_flops"].isna()
    refuse(table["n_params"], unsized, "a row needs n_params, or train_flops")
    check(table, RESULT, POINTS.keys)
    return table.reset_index(drop=True)


def read_curves(path: str | Path) -> pd.DataFrame:
    """Read what laws are fitted to: a table as `read_points` takes it, of whose columns only `value` is needed.

    Rows without a model are models of their own; a model may have a row for each size, as on a learning curve. Values
    of no named metric may be any. Columns without any entry are left out.
    """
    table = complete(parse(Path(path), ["value"]))
    check(table, ["value"], [*POINTS.keys, *SIZES])
    return table.dropna(axis="columns", how="all").reset_index(drop=True)


def write_points(path: Path, table: pd.DataFrame) -> None:
    """Write a table that `read_points` can read, the same bytes for the same rows in any order.

    Whole counts are written whole, other numbers to ten digits. Duplicate keys raise TasklawsError.
    """
    whole = [column for column in _WHOLE if (table[column].dropna() % 1 == 0).all()]
    extra = sorted(str(column) for column in table if column not in POINTS.columns)
    keys = [key for key in POINTS.keys if key in table]
    write_table(path, table.astype(dict.fromkeys(whole, "Int64"))[[*POINTS.columns, *extra]], keys)


def to_points(observations: pd.DataFrame) -> pd.DataFrame:
    """Observations as a table of points: a rung is a model, a family under one elicitation is a task, as in lm-eval."""
    task = observations["family"] + "_" + observations["elicitation"]
    known = [column for column in ("seed", "n_eff") if column in observations]
    return observations.assign(model=observations["rung"], task=task)[[*POINTS.columns, *known]]


def parse(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """A file's rows as `read_rows` numbers them: text as text, numbers as floats, columns by their names here, ladder
    the file's stem."""
    if path.is_dir():
        raise TasklawsError(f"{path} is a directory: give a CSV (or CSV.gz) table")
    header = read_header(path)
    # Reversed, so that of several names the first counts.
    names = {new: old for old, new in reversed(_OTHER_NAMES.items()) if old in header and new not in header}
    losses = [name for name in header if is_loss(name)]
    if len(losses) == 1 and not {"metric", "value"} & set(header):
        names["value"] = losses[0]
    numbers = [names.get(column, column) for column in (*POINTS.numbers, *_RARE)]
    needed = [names.get(column, column) for column in needed if column != "metric" or "value" not in names]
    table = read_rows(path, [*_TEXTS, "is_final"], numbers, needed).rename(columns={names[new]: new for new in names})
    if "value" in names:
        table["metric"] = names["value"]
    ladder = table["ladder"] if "ladder" in table else pd.Series(index=table.index, dtype="str")
    return table.assign(ladder=ladder.fillna(path.name.removesuffix(".gz").removesuffix(".csv")))


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """All columns in order, with what follows from the others filled in; raises TasklawsError at a bad `is_final`."""
    table = table.reindex(columns=[*POINTS.columns, *(column for column in table if column not in POINTS.columns)])
    final = table["is_final"].astype("str").fillna("True")
    refuse(final, ~final.isin(list(_TRUTHS)), "write True or False")
    table["is_final"] = final.isin([text for text, truth in _TRUTHS.items() if truth])
    table["train_flops"] = table["train_flops"].fillna(6 * table["n_params"] * table["n_tokens"])
    return table


def check(table: pd.DataFrame, needed: Sequence[str], keys: Sequence[str]) -> None:
    """Raise TasklawsError at the first row that cannot be: one that lacks something `needed`, has a value out of range,
    or has all `keys` of another of a named model. Rows are labelled by where they come from."""
    for column in needed:
        refuse(table[column], table[column].isna(), "a result needs one")
    for column, bad, remedy in _rules(table):
        refuse(table[column], bad, remedy)
    keys = [key for key in keys if key in table]
    twice = table["model"].notna() & table.duplicated(keys)
    if twice.any():
        group = table.groupby(keys, dropna=False, sort=False).ngroup()
        first, second = table.index[group == group[twice].iloc[0]][:2]
        where = [place(table.index, row) for row in (first, second)]
        what = ", ".join(f"{key} {value}" for key, value in table.loc[second, keys].items() if pd.notna(value))
        raise TasklawsError(f"{where[1]}: same as {where[0]} ({what}): keep one row for each {', '.join(keys)}")


def _rules(table: pd.DataFrame) -> Iterator[tuple[str, pd.Series, str]]:
    """What no row may be: the column, where it is so, and the remedy."""
    for column in [*POINTS.numbers, *(column for column in _RARE if column in table)]:
        yield column, table[column].isin([np.inf, -np.inf]), "give a finite number, or leave it empty if unknown"
    yield "n_params", table["n_params"] <= 0, "a model's size is positive; leave it empty if unknown"
    for column in ("n_tokens", "train_flops", "step"):
        yield column, table[column] < 0, "give 0 (untrained) or more, or leave it empty if unknown"
    loss = losses(table)
    yield "value", loss & (table["value"] < 0), "a loss is 0 or more"
    score = ~loss & table["metric"].notna()
    yield "value", score & ~table["value"].between(0, 1), "a metric that is no known loss lies in [0, 1]"
    yield "stderr", table["stderr"] < 0, "a standard error is 0 or more; leave it empty if unknown"
    yield "n_items", table["n_items"] < 1, "give 1 or more, or leave it empty if unknown"
    if "n_eff" in table:
        beyond = table["n_eff"] > table["n_items"] * (1 + 1e-9)
        yield "n_eff", (table["n_eff"] < 1) | beyond, "items are worth 1 to n_items independent tasks"
    no_guess = (table["chance"] < 0) | (table["chance"] >= 1)
    yield "chance", no_guess, "a guess scores in [0, 1); leave it empty if unknown"
