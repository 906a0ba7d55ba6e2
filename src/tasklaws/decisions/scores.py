"""Scores of several models on the same items, from anybody's table of items."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.decisions.clusters import Clusters
from tasklaws.frames.csv_files import refuse
from tasklaws.items.table import refuse_copies
from tasklaws.tabular.names import ITEM_ALIASES, refuse_readings
from tasklaws.tabular.numbers import letters_as_scores
from tasklaws.tabular.reading import read_named

CLUSTERED_BY = ("cluster", "family", "template")
_READ = ("model", "task", "score", "attempt", *CLUSTERED_BY)


@dataclass(frozen=True, eq=False)
class CommonScores:
    """N items that each of M models was asked.

    `means` (N, M) over the attempts, in [0, 1]; `attempts` (N, M) counts; `attempt_variance` (M,) between attempts of
    an item, NaN of a model with one attempt an item; `column` is where `clusters` come from, None where each item is
    one."""

    models: tuple[str, ...]
    means: Array
    attempts: Array
    attempt_variance: Array
    clusters: Clusters
    column: str | None
    notes: tuple[str, ...]


def read_model_scores(path: Path) -> pd.DataFrame:
    """The rows of a table of items in any form that `open_table` reads, under the names here or ITEM_ALIASES.

    Names are text, scores floats in the unit that their column's name states; rows are numbered by line. A file that is
    none, a cell that is no score and a name close to a known one raise TasklawsError."""
    return read_named(path, _READ, [name for name in _READ if name != "score"], ["score"], [], ITEM_ALIASES)


def common_scores(table: pd.DataFrame, models: Sequence[str] | None, column: str | None) -> CommonScores:
    """The items of a table that all of `models` (None: of its models) were asked; others are left out, in a note."""
    rows, keys = _checked(table)
    names = _chosen(rows, models)
    rows = rows[rows["model"].isin(names)]
    notes = list(table.attrs.get("notes", []))
    refuse_copies(rows, keys, _source(table), notes)
    blank = int(rows["score"].isna().sum())
    if blank:
        notes.append(f"{blank} rows without a score are left out")
    cells = rows.dropna(subset="score").groupby([*keys, "model"], sort=True)["score"].agg(["mean", "count", "var"])
    means = cells["mean"].unstack("model").reindex(columns=names)
    common = means.notna().all(axis=1)
    if common.sum() < 2:
        fewest = means.notna().sum().idxmin()
        raise TasklawsError(
            f"{_source(rows)}: {int(common.sum())} of {len(means)} items were asked of all {len(names)} models (fewest "
            f"of {fewest!r}): compare models that were asked two or more of the same items"
        )
    if not common.all():
        by = "one of the two was" if len(names) == 2 else "some were"
        notes.append(f"{int((~common).sum())} items that only {by} asked are left out")
    means = means[common]
    counts = cells["count"].unstack("model").reindex(index=means.index, columns=names).to_numpy(float)
    spread = cells["var"].unstack("model").reindex(index=means.index, columns=names).to_numpy(float)
    clusters, column, more = _clusters(rows, keys, means.index, column)
    return CommonScores(
        tuple(names),
        means.to_numpy(float),
        counts,
        _pooled_variance(spread, counts),
        clusters,
        column,
        (*notes, *more),
    )


def _checked(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows with models and items as text, and scores as numbers in [0, 1]; the columns that name an item."""
    if not isinstance(table, pd.DataFrame):
        raise TasklawsError(f"the scores are a {type(table).__name__}: give a table")
    keys = [name for name in ("task", "item") if name in table]
    missing = [name for name in ("model", "score") if name not in table] or ([] if keys else ["item"])
    if missing:
        wanted = "the table needs model, item (or task) and score"
        raise TasklawsError(f"{_source(table)}: no column {missing[0]!r}: {wanted}")
    if table.empty:
        raise TasklawsError(f"{_source(table)}: no rows: give the scores of at least two models")
    if table.index.name is None:
        table = table.set_axis([f"scores: row {row}" for row in range(len(table))])
    for name in ("model", *keys):
        refuse(table[name], table[name].isna(), "name it")
    score = pd.to_numeric(letters_as_scores(table["score"]), errors="coerce").astype(float)
    bad = (score.isna() & table["score"].notna()) | ~score.fillna(0.0).between(0, 1)
    refuse(table["score"], bad, "give a number in [0, 1], or leave it empty")
    rows = table.assign(score=score, **{name: table[name].astype(str) for name in ("model", *keys)})
    refuse_readings(_source(table), rows, ["model", *keys])
    return rows, keys


def _source(table: pd.DataFrame) -> str:
    """The file that the rows come from, or what they are."""
    return "scores" if table.index.name is None else str(table.index.name)


def _chosen(rows: pd.DataFrame, models: Sequence[str] | None) -> list[str]:
    known = sorted(rows["model"].unique())
    names = known if models is None else [str(model) for model in models]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 3) or known[:3]
            remedy = f"did you mean {', '.join(near)}?"
            raise TasklawsError(f"{_source(rows)}: no model {name!r} among {len(known)}: {remedy}")
    if len(set(names)) < len(names) or len(names) < 2:
        raise TasklawsError(f"{_source(rows)}: models {', '.join(names):.200}: give two or more, each once")
    return names


def _clusters(
    rows: pd.DataFrame, keys: list[str], items: pd.Index, column: str | None
) -> tuple[Clusters, str | None, list[str]]:
    """The clusters of the items by a column (None: the first of CLUSTERED_BY that has several), and what to say."""
    if column is not None and column not in rows:
        known = ", ".join(map(str, rows))
        raise TasklawsError(f"{_source(rows)}: no column {column!r} to cluster by: the table has {known:.300}")
    independent = Clusters(np.arange(len(items)))
    notes = []
    for name in [column] if column else [name for name in CLUSTERED_BY if name in rows]:
        of_item = rows.groupby(keys)[name].agg(["nunique", "first"]).reindex(items)
        if (of_item["nunique"] > 1).any():
            item = of_item.index[of_item["nunique"] > 1][0]
            raise TasklawsError(f"{_source(rows)}: item {item!r} has several values of {name}: give one")
        codes, values = pd.factorize(of_item["first"])
        if not len(values):
            continue
        alone = codes < 0
        if alone.any():
            notes.append(f"{int(alone.sum())} items without a {name} are clusters of their own")
            codes[alone] = len(values) + np.arange(alone.sum())
        if codes.max() > 0:
            return Clusters(codes), name, notes
        notes = [f"all items are of one {name}, {values[0]!r}: what is said holds for items of that {name} alone"]
    return independent, None, notes


def _pooled_variance(spread: Array, counts: Array) -> Array:
    """(M,) variance between attempts of an item, each item weighed by its attempts less one."""
    weight = np.where(np.isnan(spread), 0.0, counts - 1)
    total = weight.sum(axis=0)
    found = (weight * np.nan_to_num(spread)).sum(axis=0)
    return np.asarray(np.divide(found, total, out=np.full(len(total), np.nan), where=total > 0))
