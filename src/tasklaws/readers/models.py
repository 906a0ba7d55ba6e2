"""What a person knows of models, `tasklaws import --models`, put beside their results: sizes, ladders, last steps."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.csv_files import refuse
from tasklaws.readers.names import match_models
from tasklaws.readers.runs import LeftOut, shortened
from tasklaws.tables import MODELS, POINTS
from tasklaws.tabular.names import known_as
from tasklaws.tabular.points import unplaced
from tasklaws.tabular.reading import read_named

_RESULT = [*POINTS.columns, "n_shot", "n_params_total"]
_READ_OF_MODELS = [*MODELS.columns, "date"]
_MODELS_REMEDY = "give a CSV with model and n_params as --models"


def read_models(path: Path, notes: list[str], units: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The table by model, as it is written there; unknown is missing. Columns may go by other names and state units, as
    in any table (docs/tables.md), or `units` state them; what was read how, or not, is added to `notes`.

    A model given twice (as one name or as the end of another), or a number below 0 raises TasklawsError.
    """
    sizes = {name: factor for name, factor in (units or {}).items() if known_as(name, MODELS.numbers)}
    table = read_named(path, _READ_OF_MODELS, ["model", "ladder"], MODELS.numbers, MODELS.keys, units=sizes)
    notes += table.attrs.pop("notes")
    for column in [column for column in MODELS.numbers if column in table]:
        refuse(table[column], table[column] < 0, "give 0 or more")
    if others := [str(name) for name in table if name not in _READ_OF_MODELS]:
        notes.append(f"{path}: column(s) not read: {shortened(', '.join(others), 200)}")
    names = table["model"].str.strip().str.strip("/")
    last = names.str.rsplit("/").str[-1].rename("model")
    refuse(last, last.isna() | (last == "") | _clashes(names), "keep one named row for each model")
    return table.set_axis(names).reindex(columns=_READ_OF_MODELS)


def _clashes(names: pd.Series) -> pd.Series:
    """Where a name is an earlier one, its end, or ends in it."""
    seen: set[str] = set()
    ends: set[str] = set()
    found = []
    for name in names.fillna(""):
        pieces = name.split("/")
        own = {"/".join(pieces[start:]) for start in range(len(pieces))}
        found.append(name in ends or not own.isdisjoint(seen))
        seen.add(name)
        ends |= own
    return pd.Series(found, index=names.index)


def no_models() -> pd.DataFrame:
    return pd.DataFrame(columns=_READ_OF_MODELS, dtype=float)


def models_of_rows(names: pd.Series, models: pd.DataFrame) -> pd.DataFrame:
    """What is known of each row's model, in the order of the rows."""
    return models.reindex(names.map(match_models(names, models.index))).set_axis(names.index)


def without_results(names: Iterable[str], models: pd.DataFrame) -> list[str]:
    """The models of the table that no result is of."""
    there = set(match_models(names, models.index).values())
    return [name for name in models.index if name not in there]


def place_in_ladders(results: pd.DataFrame, models: pd.DataFrame, ladder: str, notes: list[str]) -> pd.DataFrame:
    """Add each row's ladder and whether its step is final; ladders of several numbers of shots are split by these.

    A model's final step is the one at its n_tokens, where `models` has that and tokens_per_step, or else its last. A
    line on n_params that are taken from the files is added to `notes`.
    """
    of_model = models_of_rows(results["full"], models)
    own = results["ladder"].astype("str")
    results = results.assign(ladder=of_model["ladder"].astype("str").fillna(own).fillna(ladder))
    open_size = of_model["n_params"].isna() & results["n_params"].isna()
    several = results["n_params_total"].groupby(results["model"]).transform("nunique") > 1
    if (several & open_size).any():
        unsure = results.loc[several & open_size, "model"].unique()
        notes.append(
            f"model_num_parameters of {shortened(', '.join(unsure), 120)} differ between files: taken as unknown: "
            "--models can give n_params"
        )
    counted = results["n_params_total"].where(open_size & ~several)
    if counted.notna().any():
        who = "" if counted.notna().all() else f" of {results.loc[counted.notna(), 'model'].nunique()} model(s)"
        notes.append(
            f"n_params{who} are lm-eval's model_num_parameters, embeddings included: --models can give the others"
        )
    last = (of_model["n_tokens"] / of_model["tokens_per_step"]).round()
    last = last.fillna(results.groupby(["ladder", "model"])["step"].transform("max"))
    shots = results.groupby(["ladder", "model", "step", "task", "metric"], dropna=False)["n_shot"].transform("nunique")
    split = results["ladder"].isin(results.loc[shots > 1, "ladder"]) & results["n_shot"].notna()
    names = results["ladder"] + "-" + results["n_shot"].map("{:.0f}shot".format)
    stated = [column for column in ("higher_is_better", "date") if results[column].notna().any()]
    return results.assign(
        n_params=results["n_params"].fillna(counted),
        is_final=results["is_final"]
        .astype("boolean")
        .fillna(results["step"].isna() | (results["step"] >= last))
        .astype(bool),
        ladder=results["ladder"].mask(split, names),
    ).reindex(columns=[*_RESULT, *stated, "full"])


def fill(table: pd.DataFrame, names: pd.Series, models: pd.DataFrame) -> pd.DataFrame:
    """Fill in the unknown sizes: N of any row, D by its step, D and FLOPs of a final one as at the end of training.

    A model of a named step whose tokens a step are unknown raises TasklawsError: whether that step is the end of
    training cannot be told.
    """
    of_model = models_of_rows(names, models)
    end_known = of_model["n_tokens"].notna() | of_model["train_flops"].notna()
    unsure = table["step"].notna() & table["n_tokens"].isna() & of_model["tokens_per_step"].isna() & end_known
    if unsure.any():
        row = table[unsure].iloc[0]
        raise TasklawsError(
            f"{table.index[unsure][0]}: step {row['step']:.0f} of {shortened(row['model'])} may not be the end of its "
            "training: give tokens_per_step in --models, or leave n_tokens and train_flops out there"
        )
    at_end = of_model.where(table["is_final"])
    if of_model["date"].notna().any():
        dates = table["date"] if "date" in table else pd.Series(index=table.index, dtype="str")
        table = table.assign(date=dates.fillna(of_model["date"].astype("str")))
    return table.assign(
        n_params=table["n_params"].fillna(of_model["n_params"]),
        n_tokens=table["n_tokens"].fillna(table["step"] * of_model["tokens_per_step"]).fillna(at_end["n_tokens"]),
        train_flops=table["train_flops"].fillna(at_end["train_flops"]),
    )


def sized(
    table: pd.DataFrame, files: pd.Series | Path, found: list[LeftOut] | None, unnamed: bool = False
) -> pd.DataFrame:
    """The rows of models with a size or a date; of others, where some have one, an entry a model is added to `found`.

    Where no model has one, or none may be left out (None), TasklawsError is raised; it tells how to name a model where
    the files do not (`unnamed`).
    """
    unsized = unplaced(table)
    if not unsized.any():
        return table
    names = table.loc[unsized, "model"].unique()
    if found is None or unsized.all():
        remedy = f"the file names no model: say --model-name, and {_MODELS_REMEDY}" if unnamed else _MODELS_REMEDY
        who = shortened(", ".join(map(str, names)), 120)
        raise TasklawsError(f"{table.index[unsized][0]}: no size of {who}: {remedy}")
    for name in names:
        mine = (unsized & table["model"].eq(name)).to_numpy()
        file = files[mine].iloc[0] if isinstance(files, pd.Series) else files
        found.append(
            LeftOut(str(file), f"model {shortened(str(name))}", "", "", "", f"no size of it: {_MODELS_REMEDY}")
        )
    return table[~unsized]
