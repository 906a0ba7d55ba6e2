"""Planned models, which nobody ran: by size, tokens, date, step or loss, as a person names them or a table has them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.axis_tables import checkpoint_name
from tasklaws.forecast.panel import HIGHEST_LOSS, AxisName
from tasklaws.frames.csv_files import place, refuse
from tasklaws.frames.shown import quoted, some
from tasklaws.tables import PLACES, PLANNED_KEYS
from tasklaws.tabular.names import known_as
from tasklaws.tabular.numbers import day_margins, iso_days, suffixed, text_numbers, written
from tasklaws.tabular.points import unplaced
from tasklaws.tabular.reading import read_named

At = Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame
_SMALLEST = 100.0  # parameters or tokens: fewer are in another unit
_CONTRADICTS = 2.0  # times: training FLOPs that lie further from 6 N D than those of known models do contradict it


def read_at(texts: Sequence[str]) -> pd.DataFrame:
    """Planned models from the command line: each `KEY=VALUE,...`, or the path of a table with a row a model.

    A key that is none of PLANNED_KEYS (or another name of one), a value that is no number or date, and a table that
    cannot be read raise TasklawsError."""
    for text in texts:
        if "=" not in text and not Path(text).exists():
            raise TasklawsError(
                f"--at {quoted(text)}: no such file: write KEY=VALUE,..., the keys {', '.join(PLANNED_KEYS)}"
            )
    return pd.concat([_from_text(text) if "=" in text else _from_file(Path(text)) for text in texts])


def _from_text(text: str) -> pd.DataFrame:
    found: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        key = known_as(name, PLANNED_KEYS)
        if key is None or not value:
            what = "has no value" if key else "is no key"
            raise TasklawsError(f"--at {quoted(part)}: {what}: write KEY=VALUE,..., the keys {', '.join(PLANNED_KEYS)}")
        if key in found:
            raise TasklawsError(f"--at {quoted(text)}: {key} stands twice: give it once")
        found[key] = value
    return planned_models(pd.DataFrame([found], index=[f"--at {text}"], dtype="str"))


def _from_file(path: Path) -> pd.DataFrame:
    table = read_named(path, PLANNED_KEYS, ["model", "ladder", "maker"], PLACES, [])
    return planned_models(table.set_axis([place(table.index, line) for line in table.index]))


def planned_models(at: At) -> pd.DataFrame:
    """A row a planned model of PLANNED_KEYS, `date_margin` (days) and `stated` (which of what places it is given and
    does not follow from the rest), in an index of where it comes from; names that are not given are made of the rest.

    Numbers may be text (7B); what no size or date can be, and a row that nothing places, raise TasklawsError. What this
    function gave stays as it is."""
    if isinstance(at, pd.DataFrame) and "stated" in at:
        return at
    if isinstance(at, Mapping):
        at = [at]
    rows = (
        at
        if isinstance(at, pd.DataFrame)
        else pd.DataFrame(list(at), index=[f"at[{place}]" for place in range(len(at))])
    )
    columns = [*PLANNED_KEYS, "date_margin"]
    strangers = [name for name in rows if name not in columns]
    if strangers:
        raise TasklawsError(f"a planned model has {quoted(str(strangers[0]))}: give {', '.join(PLANNED_KEYS)}")
    table = rows.reindex(columns=columns)
    for column in PLACES:
        table[column] = numbers(table[column])
        refuse(table[column], ~(table[column] > 0) & table[column].notna(), "give a number above 0")
        refuse(table[column], table[column] == float("inf"), "give a finite number")
    refuse(table["loss"], table["loss"] >= HIGHEST_LOSS, f"a validation loss lies below {HIGHEST_LOSS:g}")
    for column in ("n_params", "n_tokens"):
        refuse(table[column], table[column] < _SMALLEST, "too small: write it out, as 7e9 or 7B")
    usual = 6 * table["n_params"] * table["n_tokens"]
    places = table[[*PLACES, "date"]].notna()
    places["train_flops"] &= ~np.isclose(table["train_flops"], usual, rtol=1e-9, atol=0)
    table["stated"] = [tuple(places.columns[row]) for row in places.to_numpy()]
    table["train_flops"] = table["train_flops"].fillna(usual)
    named = written(table["date"])
    table["date_margin"] = table["date_margin"].fillna(day_margins(table["date"])).astype(float)
    table["date"], _ = iso_days(named.rename("date"))
    bare = unplaced(table) & table[["n_tokens", "step", "loss"]].isna().all(axis=1)
    refuse(table["n_params"], bare, "a planned model needs n_params, train_flops, n_tokens, step, loss or date")
    names = [_name(row, date) for row, date in zip(table.to_dict("records"), named, strict=True)]
    table["ladder"], table["maker"] = written(table["ladder"]), written(table["maker"])
    table["model"] = written(table["model"]).fillna(pd.Series(names, table.index, dtype="str"))
    table["n_tokens"] = table["n_tokens"].fillna(table["train_flops"] / (6 * table["n_params"]))
    twice = table.duplicated(["ladder", "model"])
    if twice.any():
        raise TasklawsError(
            f"planned model {quoted(table.loc[twice, 'model'].iloc[0])} stands twice: name each otherwise"
        )
    return table


def numbers(cells: pd.Series) -> pd.Series:
    """Numbers of a column such as n_params, also as people write them (7B); what is none raises TasklawsError."""
    if cells.dtype.kind not in "iuf":
        cells = text_numbers(written(cells), str(cells.name), comma=False)[0]
    return cells.astype(float)


def refuse_contradictions(planned: pd.DataFrame, known: pd.DataFrame) -> None:
    """Raise TasklawsError where a planned model's training FLOPs by 6 N D are more than _CONTRADICTS times those of any
    known model, or less by it than of any (of a mixture of experts N counts all parameters, and FLOPs are fewer)."""
    usual = (known["train_flops"] / (6 * known["n_params"] * known["n_tokens"])).replace([np.inf, 0.0], np.nan)
    low, high = usual.min(), usual.max()
    low, high = (min(low, 1.0), max(high, 1.0)) if usual.notna().any() else (1.0, 1.0)
    times = planned["train_flops"] / (6 * planned["n_params"] * planned["n_tokens"])
    known_ones = f"of the known models {low:.3g} to {high:.3g}" if high > 1.01 * low else "of the known models 1"
    for where, each in times[(times < low / _CONTRADICTS) | (times > high * _CONTRADICTS)].items():
        raise TasklawsError(
            f"{where}: train_flops is {each:.3g} times 6 n_params n_tokens ({known_ones}): correct one of the three, "
            "or leave one out"
        )


def _name(row: Mapping[Any, Any], date: Any) -> str:
    """What a planned model is called by what is known of it: `7B parameters, 2T tokens`."""
    parts = []
    if row["n_params"] > 0:
        parts.append(f"{suffixed(row['n_params'], 4)} parameters")
    if row["n_tokens"] > 0:
        parts.append(checkpoint_name("n_tokens", row["n_tokens"]))
    if row["train_flops"] > 0 and len(parts) < 2:
        parts.append(f"{row['train_flops']:.3g} FLOPs")
    parts += [checkpoint_name("step", row["step"])] if row["step"] > 0 else []
    parts += [f"loss {row['loss']:g}"] if row["loss"] > 0 else []
    parts += [str(part) for part in (date, row["maker"]) if not pd.isna(part)]
    return ", ".join(parts)


def axis_of_planned(planned: pd.DataFrame, known: pd.DataFrame) -> AxisName:
    """The axis on which all planned models can be placed beside the known ones: size where they have one, else loss,
    step, n_tokens or date, the first that all of them have."""
    sized = {"size": planned[["n_params", "train_flops"]].notna().any(axis=1)}
    places = sized | {name: planned[name].notna() for name in ("loss", "step", "n_tokens", "date")}
    order: tuple[AxisName, ...] = ("size", "loss", "step", "n_tokens", "date")
    has: Mapping[AxisName, bool] = {
        axis: bool(known[["n_params", "train_flops"]].notna().any(axis=None) if axis == "size" else _any(known, axis))
        for axis in order
    }
    whole = [axis for axis in order if places[axis].all()]
    found = next((axis for axis in whole if has[axis]), None)
    if found is not None:
        return found
    if whole:
        raise TasklawsError(
            f"no known model has a {whole[0]}, by which {quoted(planned['model'].iloc[0])} is to be placed: "
            f"the table has {some([axis for axis in order if has[axis]], text=str)}"
        )
    raise TasklawsError("planned models have nothing in common that places them: give a size of all, or a date")


def _any(known: pd.DataFrame, column: str) -> bool:
    return column in known and bool(known[column].notna().any())
