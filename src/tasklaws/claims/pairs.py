"""Which rows of a table of results are of what a claim states: by names, or by size or date."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.shown import quoted
from tasklaws.readers.names import match_models
from tasklaws.tabular.names import normal

ALIKE = 0.01  # sizes that differ by no more are one size


def pairs(statements: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """A row for each statement and final result of its task and metric that is of its model: `statement` and `result`
    (the label of the one, the row's number in the other), and `by_name`.

    Names are the same where capitals, spaces and `_ - . /` do not tell them apart, of models also where one is the end
    of the other (`org/a` and `a`), of metrics less lm-eval's `,none`. Under another name a model is the same where its
    ladder is, and its size: n_params, or else train_flops, within ALIKE, and n_tokens where both have them. A statement
    without a size is of every model that is surely dated within its days. A checkpoint is final where the table says
    so, or where its n_tokens are those of the statement."""
    left = statements.assign(statement=statements.index)
    right = results.assign(result=np.arange(len(results)))
    for table in (left, right):
        table["_task"] = _keys(table["task"])
        table["_metric"] = _keys(table["metric"].str.removesuffix(",none"))
    both = left.merge(right, on=["_task", "_metric"], suffixes=("", "_found"))
    both = both.reindex(columns=[*both, *(name for name in ("date", "date_margin") if name not in both)])
    claimed, found = ({name: _name(name) for name in names.unique()} for names in (both["model"], both["model_found"]))
    same = match_models(found.values(), claimed.values())
    by_name = both["model"].map(claimed) == both["model_found"].map(
        {name: same.get(key) for name, key in found.items()}
    )
    tokens = _alike(both["n_tokens"], both["n_tokens_found"])
    final = both["is_final"] | tokens.eq(True)
    sized = _alike(both["n_params"], both["n_params_found"])
    sized = sized.where(sized.notna(), _alike(both["train_flops"], both["train_flops_found"]))
    dated = _within(both) & both[["n_params", "train_flops"]].isna().all(axis=1)
    placed = sized.eq(True) & ~tokens.eq(False) | dated
    by_place = placed & (_keys(both["ladder"]) == _keys(both["ladder_found"]))
    both = both.assign(by_name=by_name)[final & (by_name | by_place)]
    return both[["statement", "result", "by_name"]].reset_index(drop=True)


def refuse_known(statements: pd.DataFrame, known: pd.DataFrame) -> None:
    """Raise TasklawsError where a table that a claim rests on already holds an outcome of it."""
    found = pairs(statements, known)
    if len(found):
        one = found.sort_values("by_name", ascending=False, kind="stable").iloc[0]
        row, said = known.iloc[one["result"]], statements.loc[one["statement"]]
        how = "that is its model" if one["by_name"] else "a model of its size or date in the same ladder"
        raise TasklawsError(
            f"the outcome of {said['task']} {said['metric']} of "
            f"{quoted(said['model'])} is in the table already: {quoted(row['model'])} has {row['value']:.6g}, {how}: a "
            "claim comes before the outcome (forecast what is known by `tasklaws backtest`)"
        )


def _keys(names: pd.Series) -> pd.Series:
    return names.map({name: normal(str(name)) for name in names.unique()})


def _name(name: str) -> str:
    """A model's name with all that does not count made alike, its parts between `/` apart."""
    return "/".join(normal(part) for part in str(name).strip("/").split("/"))


def _alike(one: pd.Series, other: pd.Series) -> pd.Series:
    """Whether two sizes are the same; missing where one of them is unknown."""
    one, other = one.astype(float), other.astype(float)
    same = pd.Series(np.isclose(one, other, rtol=ALIKE, atol=0), one.index, dtype=object)
    return same.where(one.notna() & other.notna(), None)


def _within(both: pd.DataFrame) -> pd.Series:
    """Where a result's date, with its margin, lies within the days of the statement."""
    first, last, day = (pd.to_datetime(both[name]) for name in ("first_day", "last_day", "date"))
    margin = pd.to_timedelta(both["date_margin"].astype(float).fillna(0.0), unit="D")
    return (day - margin >= first) & (day + margin <= last)


def model_list(models: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in sorted(set(models)))
