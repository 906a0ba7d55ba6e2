"""Result files of other tools and tidy tables, merged into one table of points."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.csv_files import labelled, refuse
from tasklaws.frames.shown import some
from tasklaws.readers.chance import guessable
from tasklaws.readers.choose import Choices, once_a_file, one_run, one_variant, only_metrics, without_doubles
from tasklaws.readers.files import REMEDY, Gathered, gather
from tasklaws.readers.models import fill, no_models, place_in_ladders, read_models, sized, without_results
from tasklaws.readers.names import Named, name_models
from tasklaws.readers.runs import EvalRun, LeftOut, Score, refuse_strictly, shortened, summary
from tasklaws.readers.scales import of_which, usable
from tasklaws.tables import MODELS, POINTS, SIZES, losses
from tasklaws.tabular.gaps import agreed, fill_gaps
from tasklaws.tabular.names import known_as
from tasklaws.tabular.points import RESULT, complete, parse, refuse_impossible, refuse_two_sizes, settle

_FLOATS = ["step", "value", "stderr", "n_items", "chance", "n_shot", "n_params_total", *SIZES]
_MAYBE = ["higher_is_better", "unit", "ladder", "date", "is_final"]
_OF_RUN = ["file", "ran", "n_params_total", "ladder", "date", "is_final"]
_FAR_BELOW = 4.0  # standard errors below chance that are no accident


class Merged(NamedTuple):
    """A table of points, one line on each thing that was decided or left out, and every entry that was left out."""

    table: pd.DataFrame
    notes: list[str]
    left_out: list[LeftOut]


def merge_results(
    paths: Sequence[Path],
    ladder: str,
    models: Path | None = None,
    besides: Path | None = None,
    choices: Choices | None = None,
) -> Merged:
    """Results as one table of points, with what a table of `models` knows of each.

    `paths` are files, or directories with all below them, less the file `besides`. `ladder` is the name of results
    that name none. Entries that cannot be used are left out and listed; with `choices.strict`, if none can be used, and
    where two runs have the same row, TasklawsError is raised.
    """
    choices = choices or Choices()
    files = gather(paths, besides)
    found, notes = list(files.left_out), list(files.notes)
    known = read_models(models, notes, choices.units) if models else no_models()
    if not files.tables:
        _refuse_idle_units(choices, known)
    filled = []
    for path in files.tables:
        table = parse(path, RESULT, choices.layout, choices.units)
        notes += table.attrs["notes"]
        table = complete(labelled(table), notes)
        refuse(table["model"], table["model"].isna(), "a result needs one")
        filled.append(sized(fill(table, table["model"], known), path, None))
    scores = _scores(files.runs, choices, found, notes)
    if not scores.empty:
        placed = place_in_ladders(scores, known, ladder, notes)
        placed = fill(placed, placed.pop("full"), known)
        unnamed = {run.name for run in files.runs} == {None} and choices.model_name is None
        filled.append(sized(placed, scores["file"], found, unnamed))
    if choices.strict:
        refuse_strictly(found)
    if not filled:
        raise TasklawsError(_nothing(paths, files, found))
    # A concatenation would compare the notes of all.
    merged = settle(complete(pd.concat([table.copy() for table in filled])), choices.directions, notes)
    merged = fill_gaps(merged, notes)
    refuse_impossible(merged, RESULT, POINTS.keys)
    refuse_two_sizes(merged)
    absent = without_results(pd.concat([table["model"] for table in filled] + [scores["full"]]), known)
    if absent:
        notes.append(f"{models}: no results of {shortened(', '.join(absent), 200)}")
    return Merged(merged, list(dict.fromkeys([*summary(found), *notes, *_doubts(merged)])), found)


def _refuse_idle_units(choices: Choices, known: pd.DataFrame) -> None:
    """Raise TasklawsError at a stated unit where no table is read whose column it could be."""
    for name in choices.units or {}:
        column = known_as(name, MODELS.numbers)
        if column is None or known[column].isna().all():
            raise TasklawsError(
                f"--units {shortened(name)}: no table is read that has it, result files state their own: leave it out"
            )


def _nothing(paths: Sequence[Path], files: Gathered, found: Sequence[LeftOut]) -> str:
    if found:
        more = f" (and {len(found) - 1} more left out)" if len(found) > 1 else ""
        return f"{found[0]}{more}: no results are left"
    samples = f": {len(files.samples)} file(s) of scores by item are there, for --items" if files.samples else ""
    return f"no results in {shortened(', '.join(map(str, paths)), 200)}{samples or ': ' + REMEDY}"


def _scores(runs: Sequence[EvalRun], choices: Choices, found: list[LeftOut], notes: list[str]) -> pd.DataFrame:
    """The usable rows of all runs, each labelled by its place."""
    runs = [run for run in runs if run.scores]
    named = name_models(runs, notes, choices.model_name, choices.name_from)
    table = _table(runs, named)
    if choices.metrics and list(choices.metrics) != ["all"]:
        table = only_metrics(table, choices.metrics)
    table = once_a_file(table, runs, found)
    table = usable(table, runs, choices.directions or {}, found, notes)
    table = without_doubles(table, runs, choices.groups, notes)
    if not choices.metrics:
        table = one_variant(table, notes)
    table = one_run(table, choices.latest, notes)
    table = _borrowed(table)
    return table.set_index("label").rename_axis(None)


def _table(runs: Sequence[EvalRun], named: Sequence[Named]) -> pd.DataFrame:
    rows = [
        (number, *score, *name, *(getattr(run, column) for column in _OF_RUN), *(run.sizes.get(size) for size in SIZES))
        for number, (run, name) in enumerate(zip(runs, named, strict=True))
        for score in run.scores
    ]
    columns = ["run", *Score._fields, *Named._fields, *_OF_RUN, *SIZES]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(_FLOATS, "float64"))
    table = table.astype({"ran": "datetime64[us]", **dict.fromkeys(_MAYBE, "object")})
    plain = table["filter"].eq("")
    table["base"] = table["metric"]
    table["metric"] = table["base"].where(plain, table["base"] + "_" + table["filter"].astype("str"))
    table["label"] = table["file"].astype("str") + ": " + table["where"].astype("str")
    return table


def _borrowed(table: pd.DataFrame) -> pd.DataFrame:
    """A model's size and a task's chance, unknown in some files, from others where those that have one agree on it."""
    table = table.copy()
    for column, keys in (("n_params_total", ["model"]), ("chance", ["task", "base"])):
        table[column] = table[column].fillna(agreed(table[column], table[keys]))
    return table


def _doubts(table: pd.DataFrame) -> list[str]:
    """Lines on what is unknown in a table, and on curves far below their chance."""
    notes = []
    unknown = sorted(table.loc[table["chance"].isna() & of_which(table["metric"], guessable), "task"].unique())
    if unknown:
        named = some(unknown, 10, shortened)
        notes.append(f"chance is unknown for {named}: fill in that column where a guess scores more than 0")
    spread = table["stderr"].where(table["stderr"] > 0)
    spread = spread.fillna((table["chance"] * (1 - table["chance"]) / table["n_items"]) ** 0.5)
    below = (table["value"] - table["chance"]) / spread
    scores = table[~losses(table) & below.notna()].assign(below=below)
    for (task, metric), rows in scores.groupby(["task", "metric"], sort=True):
        lowest = rows.loc[[rows["below"].idxmin()]].iloc[0]
        if rows["below"].median() < -_FAR_BELOW:
            notes.append(
                f"{shortened(str(task))} {shortened(str(metric))} lies far below its chance {lowest['chance']:.3g}, at "
                f"{lowest['value']:.3g} for {shortened(str(lowest['model']))}: is the number of choices right, "
                "and are answers found?"
            )
    return notes
