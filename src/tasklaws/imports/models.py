"""What results do not say of their models and a person does: `--models`, a CSV with one row a model."""

from pathlib import Path

import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.rows import read_rows

TEXTS = ["model", "ladder"]
# n_params without embeddings; n_tokens and train_flops at the end of training.
NUMBERS = ["n_params", "n_tokens", "train_flops", "tokens_per_step"]


def read_models(path: Path) -> pd.DataFrame:
    """The table by model (a name's last part: owner and folders do not count); unknown is missing.

    A column of another name, a model given twice, or a number below 0 raises TasklawsError.
    """
    table = read_rows(path, TEXTS, NUMBERS, ["model"])
    other = [column for column in table if column not in [*TEXTS, *NUMBERS]]
    if other:
        raise TasklawsError(f"{path}: unknown column {other[0]!r}: a model has {', '.join([*TEXTS, *NUMBERS])}")
    for column in [column for column in NUMBERS if column in table]:
        bad = table[column] < 0
        if bad.any():
            raise TasklawsError(f"{table.index[bad][0]}: {column} is {table.loc[bad, column].iloc[0]}: give 0 or more")
    names = short(table["model"])
    bad = names.isna() | names.duplicated()
    if bad.any():
        raise TasklawsError(
            f"{table.index[bad][0]}: model is {names[bad].iloc[0]!r}: keep one named row for each model"
        )
    return table.set_axis(names).reindex(columns=[*TEXTS, *NUMBERS])


def no_models() -> pd.DataFrame:
    """Nothing known of any model."""
    return pd.DataFrame(columns=[*TEXTS, *NUMBERS], dtype=float)


def short(names: pd.Series) -> pd.Series:
    """A model's name without its owner or folders."""
    return names.str.rstrip("/").str.rsplit("/").str[-1]


def known(table: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """What is known of each row's model, in the order of the rows."""
    return models.reindex(short(table["model"])).set_axis(table.index)


def fill(table: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Fill in the unknown sizes: N of any row, D by its step, D and FLOPs of a final one as at the end of training.

    A model without N or FLOPs raises TasklawsError, and so does one of a named step whose tokens a step are unknown:
    whether that step is the end of training cannot be told.
    """
    of_model = known(table, models)
    told = of_model["n_tokens"].notna() | of_model["train_flops"].notna()
    unsure = table["step"].notna() & table["n_tokens"].isna() & of_model["tokens_per_step"].isna() & told
    if unsure.any():
        row = table[unsure].iloc[0]
        raise TasklawsError(
            f"{table.index[unsure][0]}: step {row['step']:.0f} of {row['model']} may not be the end of its training: "
            "give tokens_per_step in --models, or leave n_tokens and train_flops out there"
        )
    at_end = of_model.where(table["is_final"])
    n_tokens = table["n_tokens"].fillna(table["step"] * of_model["tokens_per_step"]).fillna(at_end["n_tokens"])
    n_params = table["n_params"].fillna(of_model["n_params"])
    train_flops = table["train_flops"].fillna(at_end["train_flops"])
    unsized = n_params.isna() & train_flops.isna()
    if unsized.any():
        names = ", ".join(table.loc[unsized, "model"].unique())
        raise TasklawsError(
            f"{table.index[unsized][0]}: no size of {names}: give a CSV with model and n_params as --models"
        )
    return table.assign(n_params=n_params, n_tokens=n_tokens, train_flops=train_flops)
