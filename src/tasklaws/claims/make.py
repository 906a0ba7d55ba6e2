"""Claims from tables of forecasts."""

import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from tasklaws.claims.code import code_digests
from tasklaws.claims.file import FORMAT, Claim, Digests, Judge, PassRule, Statement
from tasklaws.claims.rule import UNIT, least_held, pass_chances
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_file
from tasklaws.frames.csv_files import FLOAT_FORMAT, records
from tasklaws.frames.natural import in_order
from tasklaws.stats.scores import LEVEL
from tasklaws.tables import AHEAD_FORECASTS, is_loss

UNSTATED = "any measurement of these models on these tasks, made as those of the known models were"


def claim_of(
    forecasts: pd.DataFrame, files: Iterable[Path], folder: Path, outcomes: str = UNSTATED, results: str = "RESULTS"
) -> Claim:
    """The claim that a table of forecasts makes: `tables.AHEAD_FORECASTS`, or the pipeline's FORECASTS or PLANNED.

    Numbers are kept to ten digits, as tables are written, so that a table and its file make one claim. `files` are what
    it rests on, `folder` where the claim will lie, `outcomes` and `results` say what decides it. `is_loss`, `first_day`
    and `last_day` count where the table has them. No forecast, and one without a last known value, raise TasklawsError.
    """
    table = _in_words_of_claims(forecasts)
    if table.empty:
        raise TasklawsError("no forecast is left to claim: give a table with one, or other --tasks")
    statements = tuple(Statement(**row) for row in records(table))
    claimed = pd.DataFrame([vars(one) for one in statements])
    least, fewer = least_held(len(statements))
    words = (
        f"at least {least} of {len(statements)} outcomes lie in their {LEVEL:.0%} intervals (of intervals that hold so "
        f"often, fewer do with a chance of {fewer:.1%}, were they independent), and the mean absolute error is below "
        f"that of repeating the last known value, in {UNIT}; of several runs of a model the mean counts; every "
        "statement needs its outcome"
    )
    if claimed[["n_params", "train_flops"]].isna().all(axis=1).any():
        words += (
            "; of a model told by its days alone every one of these is an outcome, and the least is that of them all"
        )
    rule = PassRule(words, LEVEL, len(statements), least, round(fewer, 4), pass_chances(claimed))
    basis = Digests({relative(path, folder): sha256_file(path) for path in files}, code_digests(), version("tasklaws"))
    return Claim(FORMAT, statements, rule, basis, Judge(outcomes, f"tasklaws check CLAIM {results}")).sealed()


def relative(path: Path, folder: Path) -> str:
    """A file's path from the claim's folder where both lie below the present one; else its name alone."""
    here = Path.cwd()
    path, folder = path.resolve(), folder.resolve()
    inside = path.is_relative_to(here) and folder.is_relative_to(here)
    return Path(os.path.relpath(path, folder)).as_posix() if inside else path.name


def _in_words_of_claims(forecasts: pd.DataFrame) -> pd.DataFrame:
    """A row a statement, in natural order of names, numbers as a file of the table would have them."""
    table = forecasts
    if "rung" in table:
        task = table["family"] + "_" + table["elicitation"]
        table = table.assign(task=task, model=table["rung"], last=table["repeat_last"])
    loss = table["is_loss"].astype(bool) if "is_loss" in table else table["metric"].map(is_loss)
    table = table.assign(better=loss.map({True: "less", False: "more"}), unit="share")
    table["unit"] = table["unit"].mask(loss, "as measured")
    names = [name for name in Statement.__dataclass_fields__ if name in table]
    table = in_order(table[names], ["ladder", "model", "task", "metric"])
    for name in set(AHEAD_FORECASTS.numbers) & set(names):
        table[name] = [float(FLOAT_FORMAT % value) for value in table[name].astype(float)]
    bare = table[table["last"].isna()]
    if len(bare):
        raise TasklawsError(f"{bare['task'].iloc[0]}: no last known value, with which a claim compares: leave it out")
    return table
