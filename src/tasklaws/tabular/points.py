"""Tables of points: a ladder's results as anyone may have them, read, checked and written in one tidy form."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.csv_files import labelled, place, refuse, write_table
from tasklaws.frames.shown import quoted, some
from tasklaws.frames.user_tables import Source, open_table, table_name
from tasklaws.tables import ACCURACIES, LOSSES, PLACES, POINTS, SIZES, direction, losses, may_be_share
from tasklaws.tabular.gaps import fill_gaps
from tasklaws.tabular.layouts import SCORE, Layout, lacking, to_tidy
from tasklaws.tabular.names import MAKERS, Columns, normal, resolve, split_unit, with_aliases
from tasklaws.tabular.numbers import as_numbers, truths
from tasklaws.tabular.reading import read_known_cells
from tasklaws.tabular.units import in_units

_TEXTS = ["ladder", "model", "task", "metric"]
_WHOLE = ["n_params", "n_tokens", "step", "n_items"]
_RARE = ["n_eff", "loss", "weight"]  # numbers that few tables have: absent, they stay so
_NAMED = [*POINTS.columns, "n_eff", "weight", "seed", "date", "higher_is_better", "n_params_total"]
RESULT = ["model", "task", "metric", "value"]
_OF_PLANNED = [*PLACES, "date", "date_margin", *MAKERS]  # what places a model that nobody ran
_LARGEST = 1e100  # whose square is still a number
_MOST_STDERR = 0.5 + 1e-9  # of two right-or-wrong items, one right
Directions = Mapping[str, str]


def read_points(
    path: str | Path,
    *,
    layout: Layout | None = None,
    units: Mapping[str, float] | None = None,
    directions: Directions | None = None,
    planned: bool = False,
) -> pd.DataFrame:
    """Read anybody's results: one row a ladder, model, step, seed (if there), task and metric, or laid out wide.

    Needed are `model`, `task`, `metric`, `value` and, in each row, `n_params`, `train_flops` or `date`. An empty cell
    or an absent column means unknown, except that `ladder` is then the file's stem and `is_final` true. Names, units,
    layouts and what is refused: docs/tables.md; `layout`, `units` (a factor a column) and `directions` ("up" or "down"
    a metric) state what the file does not. Unknown `train_flops` (FLOPs) are 6 N D, and `n_tokens` C / (6 N), where
    the others are known (Kaplan et al. 2020, arXiv 2001.08361, section 2.1). An untrained checkpoint has zero tokens
    and FLOPs. With `planned`, a model all of whose values are empty is one that nobody ran: it has one row, behind all
    others, with what places it and no value, and `attrs["planned"]` where it stands; without, an empty value raises.
    Returned in the order of the file: POINTS.columns (numbers as floats, unknown as NaN), then any others as they are;
    rows numbered from 0; `attrs["notes"]` has a line on all that was not read as it stands. A row that cannot be so
    raises TasklawsError with its line and value.

    >>> table = read_points("results/nano_ladder/points.csv")
    >>> list(table)[:5], sorted(table["metric"].unique())[:2]
    (['ladder', 'model', 'n_params', 'n_tokens', 'train_flops'], ['bits_per_byte', 'brier'])
    """
    table = parse(Path(path), RESULT, layout, units, planned)
    notes: list[str] = table.attrs.pop("notes")
    table = complete(table, notes)
    empty = _without_values(table) if planned else pd.Series(False, table.index)
    if empty.all():
        refuse(table["value"], empty, "no model has any: a forecast rests on what known models did")
    wanted = _planned_models(table[empty])
    table = fill_gaps(settle(table[~empty], directions, notes), notes)
    bare = unplaced(table)
    names = f": known names are {with_aliases(['n_params', 'train_flops', 'date'])}" if bare.all() else ""
    refuse(table["n_params"], bare, f"a row needs n_params, or train_flops (or a date){names}")
    refuse_impossible(table, RESULT, POINTS.keys)
    refuse_two_sizes(table)
    spread = table.groupby(["ladder", "task", "metric"])["chance"].agg(["min", "max"])
    several = spread[spread["max"] > spread["min"]]
    if len(several):
        low, high = several.iloc[0]
        notes.append(
            f"chance differs between the rows of {len(several)} task(s), as {quoted(several.index[0][1])}: {low:g} to "
            f"{high:g}: is it one task?"
        )
    if len(wanted):
        notes.append(f"{path}: planned, as no row has a value: {some(wanted['model'], text=str)}")
        table = pd.concat([table, wanted])
        pairs = zip(wanted["ladder"], wanted["model"], strict=True)
        table.attrs["planned"] = dict(zip(pairs, labelled(wanted).index, strict=True))
    return _noted(table.reset_index(drop=True), notes)


def read_curves(
    path: str | Path,
    *,
    layout: Layout | None = None,
    units: Mapping[str, float] | None = None,
    directions: Directions | None = None,
) -> pd.DataFrame:
    """Read what laws are fitted to: a table as `read_points` takes it, of whose columns only `value` is needed.

    Rows without a model are models of their own; a model may have a row for each size, as on a learning curve. Values
    of no named metric, and of one that no list knows, may be any. Columns without any entry are left out.
    """
    table = parse(Path(path), ["value"], layout, units)
    notes: list[str] = table.attrs.pop("notes")
    table = fill_gaps(settle(complete(table, notes), directions, notes, any_value=True), notes, sizes=False)
    refuse_impossible(table, ["value"], [*POINTS.keys, *SIZES], any_value=True)
    return _noted(table.dropna(axis="columns", how="all").reset_index(drop=True), notes)


def _without_values(table: pd.DataFrame) -> pd.Series:
    """The rows of models none of whose rows has a value."""
    keys = [table[key] for key in ("ladder", "model") if key in table]
    known = table["value"].notna().groupby(keys).transform("any")
    return table["model"].notna() & ~known.fillna(False).astype(bool)


def without_planned(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table of known models, and a line on the planned ones that are left out."""
    if not table["value"].isna().any():
        return table, []
    planned = _without_values(table)
    names = table.loc[planned, "model"].unique()
    return table[~planned], [f"left out {some(names, 3, str)}: planned, as no row has a value"] if len(names) else []


def _planned_models(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each model of rows without values: what places it, on which its rows must agree."""
    kept = [column for column in ("ladder", "model", "is_final", *_OF_PLANNED) if column in rows]
    found = fill_gaps(rows, [])[kept].drop_duplicates().reindex(columns=rows.columns)
    refuse_impossible(found, ["model"], ["ladder", "model"])
    return found


def _noted(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    table.attrs["notes"] = list(dict.fromkeys(notes))
    return table


def write_points(path: Path, table: pd.DataFrame) -> None:
    """Write a table that `read_points` can read, the same bytes for the same rows in any order.

    Whole counts are written whole, other numbers to ten digits. Duplicate keys raise TasklawsError.
    """
    known = {column: table[column].dropna() for column in _WHOLE}
    whole = [
        column
        for column in _WHOLE
        if ((known[column] == np.floor(known[column])) & (known[column].abs() < 2.0**63)).all()
    ]
    extra = sorted(str(column) for column in table if column not in POINTS.columns)
    keys = [key for key in POINTS.keys if key in table]
    write_table(path, table.astype(dict.fromkeys(whole, "Int64"))[[*POINTS.columns, *extra]], keys)


def to_points(observations: pd.DataFrame) -> pd.DataFrame:
    """Observations as a table of points: a rung is a model, a family under one elicitation is a task, as in lm-eval."""
    task = observations["family"] + "_" + observations["elicitation"]
    known = [column for column in ("seed", "n_eff") if column in observations]
    return observations.assign(model=observations["rung"], task=task)[[*POINTS.columns, *known]]


def parse(
    path: Path,
    needed: Sequence[str],
    layout: Layout | None = None,
    units: Mapping[str, float] | None = None,
    planned: bool = False,
) -> pd.DataFrame:
    """A file's results, a row each, in an index of their lines: text as text, numbers as floats in the units that they
    should have, columns by their names here, ladder the file's stem; `attrs["notes"]` has a line on what was read how.
    With `planned`, a model of a wide table without any value has a row too.
    """
    source = open_table(path)
    columns = resolve(str(path), source.header, _NAMED, units)
    notes = list(source.notes)
    table = read_known_cells(
        source, columns, [*_TEXTS, "is_final", "higher_is_better"], [*POINTS.numbers, *_RARE], notes
    )
    found = to_tidy(table, source, columns, needed, layout, notes)
    if planned and {"model"} <= set(table) & set(found):
        bare = table[table["model"].notna() & ~table["model"].isin(found["model"])]
        found = pd.concat([found, bare.reindex(columns=found.columns)]) if len(bare) else found
    table = _unscaled(found, source, columns, notes)
    table = in_units(table, str(path), columns, units or {})
    if "metric" not in table and "value" in columns.names:
        name = normal(split_unit(columns.names["value"])[0])
        if name not in ("value", "result", "metric_value"):
            table = table.assign(metric=name)
            notes.append(f"{path}: no column names a metric: the values are of {name!r}, as their column is called")
    missing = [column for column in needed if column not in table]
    if missing:
        raise lacking(source, missing[0])
    ladder = table["ladder"] if "ladder" in table else pd.Series(index=table.index, dtype="str")
    table = table.assign(ladder=ladder.fillna(table_name(path)))
    strangers = [quoted(name) for name in columns.others if name in table and name not in _RARE]
    if strangers:
        notes.append(f"{path}: columns kept as they are: {some(strangers, 8, str)}")
    return _noted(table, notes)


def _unscaled(table: pd.DataFrame, source: Source, columns: Columns, notes: list[str]) -> pd.DataFrame:
    """The table with losses as they stand where other values of their column are in percent, which no loss is."""
    if columns.factors.get("value") != 0.01 or not {"value", "metric"} <= set(columns.names):
        return table
    names = [str(name) for name in table["metric"].dropna().unique()]
    plain = [name for name in names if not may_be_share(name)]
    if not plain or len(plain) == len(names):
        return table
    rows = table["metric"].isin(plain)
    name = columns.names["value"]
    read = as_numbers(source, name, "value", source.frame(only=[name])[name].reindex(table.index[rows]), [])
    notes.append(f"{source.path}: {some(plain)}: as they stand, as a loss is not in percent")
    return table.assign(value=table["value"].mask(rows, read))


def complete(table: pd.DataFrame, notes: list[str] | None = None) -> pd.DataFrame:
    """All columns in order, with what follows from the others filled in, and a line on it in `notes`; raises
    TasklawsError at a bad `is_final` or `higher_is_better`."""
    table = table.reindex(columns=[*POINTS.columns, *(column for column in table if column not in POINTS.columns)])
    table["is_final"] = truths(table["is_final"]).fillna(True).astype(bool)
    if "higher_is_better" in table:
        table["higher_is_better"] = truths(table["higher_is_better"])
    table["train_flops"] = table["train_flops"].fillna(6 * table["n_params"] * table["n_tokens"])
    possible = table["n_tokens"].isna() & (table["n_params"] > 0) & (table["train_flops"] >= 0)
    derived = (table["train_flops"] / (6 * table["n_params"])).where(possible)
    if derived.notna().any() and notes is not None:
        notes.append(f"n_tokens of {int(derived.notna().sum())} row(s) are train_flops / (6 n_params)")
    table["n_tokens"] = table["n_tokens"].fillna(derived)
    return table


def settle(
    table: pd.DataFrame, directions: Directions | None, notes: list[str], any_value: bool = False
) -> pd.DataFrame:
    """The table with the stated `directions` in its column `higher_is_better`, which goes before a metric's name.

    A metric whose direction neither the table, `directions` nor its name tells is left out, or if there is no other
    raises TasklawsError; with `any_value` only if its values all lie in [0, 1], where a loss cannot be told from a
    score. `notes` says what was left out, and what a name told.
    """
    directions = directions or {}
    metrics = [str(name) for name in table["metric"].dropna().unique()]
    strangers = [name for name in directions if name not in metrics]
    if strangers:
        raise TasklawsError(f"--direction {quoted(strangers[0])}: no such metric: the table has {some(metrics)}")
    if directions and "higher_is_better" not in table:
        table = table.assign(higher_is_better=None)
    by_name, unknown = [], []
    for name in metrics:
        if name in ACCURACIES | LOSSES and not (directions or "higher_is_better" in table):
            continue
        rows = table["metric"] == name
        stated = set(table.loc[rows, "higher_is_better"].dropna()) if "higher_is_better" in table else set()
        if name in directions:
            stated.add(directions[name] == "up")
        if len(stated) > 1:
            where = place(table.index, table.index[rows][0])
            raise TasklawsError(
                f"{where}: metric {quoted(name)}: both directions are stated: give one higher_is_better"
            )
        told = direction(name)
        if stated:
            table["higher_is_better"] = table["higher_is_better"].mask(rows, next(iter(stated)))
            if told is not None and (told == "up") not in stated:
                notes.append(f"metric {quoted(name)}: {'less' if told == 'up' else 'more'} is better, as is stated")
        elif told is None and not (any_value and not table.loc[rows, "value"].between(0, 1).all()):
            unknown.append(name)
        elif told is not None and name not in ACCURACIES | LOSSES | {SCORE}:
            by_name.append(f"{quoted(name)} {'more' if told == 'up' else 'less'}")
    if unknown and len(unknown) < len(metrics):
        left_out = table["metric"].isin(unknown)
        table = table[~left_out]
        ways = ",".join(f"{name}=up" for name in unknown[:3])
        notes.append(
            f"left out {some(unknown, text=str)}, {int(left_out.sum())} row(s): is more better, or less? No list says: "
            f"--direction {ways} (or down)"
        )
    elif unknown:
        raise TasklawsError(
            f"{place(table.index, table.index[0])}: metric {quoted(unknown[0])}: is more of it better, or less? No "
            f"list has it: give --direction {unknown[0][:40]}=up (or down), or a column higher_is_better"
        )
    if by_name:
        notes.append(f"of metrics in no list, by a word of their names, better is: {some(by_name, text=str)}")
    return table


def unplaced(table: pd.DataFrame) -> pd.Series:
    """Which rows have neither a size nor a date, so that nothing places their model among others."""
    without_size = table["n_params"].isna() & table["train_flops"].isna()
    return without_size & table["date"].isna() if "date" in table else without_size


def refuse_two_sizes(table: pd.DataFrame) -> None:
    """Raise TasklawsError where a model has two sizes."""
    sizes = table[["ladder", "model", "n_params"]].drop_duplicates().dropna()
    twice = sizes.duplicated(["ladder", "model"])
    if twice.any():
        row = sizes[twice].iloc[0]
        first = sizes[(sizes["model"] == row["model"]) & (sizes["ladder"] == row["ladder"])].iloc[0]
        raise TasklawsError(
            f"{place(table.index, sizes.index[twice][0])}: n_params of model {quoted(row['model'])} is "
            f"{row['n_params']:.10g}, and {first['n_params']:.10g} before: give one size, or each model its own name"
        )


def refuse_impossible(table: pd.DataFrame, needed: Sequence[str], keys: Sequence[str], any_value: bool = False) -> None:
    """Raise TasklawsError at the first row that cannot be: one that lacks something `needed`, has a value out of range,
    or has all `keys` of another of a named model. Rows are labelled by where they come from. With `any_value` metrics
    that no list knows may have any."""
    for column in needed:
        refuse(table[column], table[column].isna(), "a result needs one")
    for column, bad, remedy in _rules(table, any_value):
        refuse(table[column], bad, remedy)
    keys = [key for key in keys if key in table]
    twice = table["model"].notna() & table.duplicated(keys)
    if twice.any():
        group = table.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
        first, second = np.flatnonzero(group == group[int(twice.argmax())])[:2]
        where = [place(table.index, table.index[row]) for row in (first, second)]
        what = ", ".join(f"{key} {str(cell)[:40]}" for key, cell in table[keys].iloc[second].items() if pd.notna(cell))
        raise TasklawsError(f"{where[1]}: same as {where[0]} ({what}): keep one row for each {', '.join(keys)}")


def _named_result(table: pd.DataFrame, rows: pd.Series) -> str:
    """Of what metric and task the first of these rows is, in brackets."""
    first = table.loc[rows, ["metric", "task"]].head(1).to_numpy().ravel()
    return f" ({' of '.join(quoted(str(cell)) for cell in first if pd.notna(cell))})" if len(first) else ""


def _rules(table: pd.DataFrame, any_value: bool) -> Iterator[tuple[str, pd.Series, str]]:
    """What no row may be: the column, where it is so, and the remedy."""
    for column in map(str, table.select_dtypes("float")):
        yield column, table[column].isin([np.inf, -np.inf]), "give a finite number, or leave it empty if unknown"
    yield "n_params", table["n_params"] <= 0, "a model's size is positive; leave it empty if unknown"
    for column in ("n_tokens", "train_flops", "step"):
        yield column, table[column] < 0, "give 0 (untrained) or more, or leave it empty if unknown"
    loss = losses(table)
    yield "value", loss & (table["value"] < 0), "a loss is 0 or more"
    yield "value", table["value"].abs() > _LARGEST, f"give a number below {_LARGEST:g}"
    score = ~loss & table["metric"].notna()
    if any_value:
        score &= table["metric"].isin([name for name in table["metric"].dropna().unique() if direction(name) == "up"])
    beyond = score & ~table["value"].between(0, 1)
    remedy = "percent are read with --units value=percent, a loss with --direction METRIC=down"
    yield "value", beyond, f"a metric that is no known loss lies in [0, 1]{_named_result(table, beyond)}: {remedy}"
    yield "stderr", table["stderr"] < 0, "a standard error is 0 or more; leave it empty if unknown"
    beyond = score & (table["stderr"] > _MOST_STDERR)
    yield "stderr", beyond, "that of a score in [0, 1] is at most 0.5; percent are read with --units stderr=percent"
    part = (table["n_items"] < 1) | (table["n_items"] != np.floor(table["n_items"])) & table["n_items"].notna()
    yield "n_items", part, "give a whole number, 1 or more, or leave it empty if unknown"
    if "n_eff" in table:
        beyond = table["n_eff"] > table["n_items"] * (1 + 1e-9)
        yield "n_eff", (table["n_eff"] < 1) | beyond, "items are worth 1 to n_items independent tasks"
    no_guess = (table["chance"] < 0) | (table["chance"] >= 1)
    yield "chance", no_guess, "a guess scores in [0, 1); percent are read with --units chance=percent"
