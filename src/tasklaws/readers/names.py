"""What a model is called: as its files name it, cut to the part that tells it from the others, or as the user says."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.csv_files import refuse
from tasklaws.readers.runs import EvalRun, shortened, without_stamp
from tasklaws.tabular.reading import read_named

_CACHED = re.compile(r"(?:.*/)?models--([^/]+)(?:/.*)?")  # a hub's cache: models--OWNER--NAME/snapshots/COMMIT
_SNAPSHOT = re.compile(r"(?:.*/)?([^/]+)/snapshots/[0-9a-f]{7,64}", re.IGNORECASE)
_CHECKPOINT = re.compile(r"(?:checkpoint|global_?step|step)[-_]?(\d{1,15})", re.IGNORECASE)
_SURELY_CHECKPOINT = re.compile(r"(?:checkpoint|global_?step)[-_]?(\d{1,15})", re.IGNORECASE)
_HUB_NAME = re.compile(r"[^/~.][^/]*/[^/]+")  # OWNER/NAME, which no folder of checkpoints need be
# Names of files that say nothing of the model in them: the folder's name does.
_ANY_RESULTS = re.compile(
    r"(?:results?|samples?|metrics|scores|aggregated|eval(?:uation)?|logs?|output|summary|)[-_.]*", re.I
)


class Named(NamedTuple):
    """A run's model, as short as tells it from others; the step of its training, if known; its name in full."""

    model: str
    step: int | None
    full: str


def name_models(
    runs: Sequence[EvalRun], notes: list[str], model_name: str | None = None, name_from: str | Path = "config"
) -> list[Named]:
    """The model and step of each run.

    `model_name` is that of them all. Else `name_from` says whence names come: "config" is what each file says, with
    its path where it says nothing; "path" is the file's path; a file is a CSV with `file` and `model` (and `step`).
    What was made of names is added to `notes`. A run that the CSV does not name, and several models under one
    `model_name`, raise TasklawsError.
    """
    if model_name is not None and not model_name.strip("/ "):
        raise TasklawsError("--model-name is empty: give the model's name, or leave the option out")
    if model_name is not None:
        _refuse_several(runs, model_name)
        return [Named(model_name, run.step, model_name) for run in runs]
    if isinstance(name_from, Path):
        given = _Map(name_from)
        return [given.named(run) for run in runs]
    nameless = [run for run in runs if run.name is None]
    if nameless and name_from == "config":
        example = f"{nameless[0].file}: called {path_name(nameless[0].file)!r}"
        notes.append(
            f"{len(nameless)} file(s) name no model and are called after their paths, as {example}: "
            "--model-name or --name-from map.csv names them otherwise"
        )
    full = [path_name(run.file) if run.name is None or name_from == "path" else plain_name(run.name) for run in runs]
    split = [split_step(name, run.step) for name, run in zip(full, runs, strict=True)]
    guessed = {
        name: one
        for name, one in zip(full, split, strict=True)
        if one.model != name and not _SURELY_CHECKPOINT.fullmatch(name.rpartition("/")[2])
    }
    if guessed:
        name, one = next(iter(guessed.items()))
        notes.append(
            f"{len(guessed)} name(s) end in a step, as {shortened(name)}, read as step {one.step} of "
            f"{shortened(one.model)}: --name-from map.csv says otherwise"
        )
    split = _with_revisions(split, runs)
    called = told_apart((one.model for one in split), notes)
    return [Named(called[one.model], one.step, one.model) for one in split]


def plain_name(name: str) -> str:
    """A name as given, or the repository's where it is a path into a hub's cache."""
    name = re.sub(r"/+", "/", name.strip().replace("\\", "/")).removesuffix("/")
    if cached := _CACHED.fullmatch(name):
        return cached[1].replace("--", "/", 1)
    if commit := _SNAPSHOT.fullmatch(name):
        return commit[1]
    return name.removeprefix("./") or name


def split_step(name: str, step: int | None = None) -> Named:
    """A path whose last folder is a checkpoint's, as that of its parent at a step, unless the file says which `step`.

    OWNER/step3 is a name.
    """
    above, _, last = name.rpartition("/")
    found = _CHECKPOINT.fullmatch(last)
    if (
        step is None
        and found
        and above.strip("/.~")
        and (_SURELY_CHECKPOINT.fullmatch(last) or not _HUB_NAME.fullmatch(name))
    ):
        return Named(above, int(found[1]), above)
    return Named(name, step, name)


def path_name(file: Path) -> str:
    """A model's name as a file's path gives it: the file's own, or its folder's if that says no more than `results`.

    Folders are named as lm-eval names them, OWNER__NAME.
    """
    stem = without_stamp(file.name.split(".json")[0].removesuffix(".eval").removesuffix(".csv")).strip("-_. ")
    folder = file.absolute().parent.name
    return (folder if _ANY_RESULTS.fullmatch(stem) and folder else stem).replace("__", "/")


def told_apart(names: Iterable[str], notes: list[str]) -> dict[str, str]:
    """Each name's shortest end (in parts between `/`) that is no other's.

    A name that is the end of one other, as `a` of `org/a`, is taken for that model, which is added to `notes`.
    """
    parts = {name: _parts(name) for name in dict.fromkeys(names)}
    ends: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name, pieces in parts.items():
        for length in range(1, len(pieces) + 1):
            ends[pieces[-length:]].add(name)
    longer = {name: ends[pieces] - {name} for name, pieces in parts.items()}
    same = {name: next(iter(others)) for name, others in longer.items() if len(others) == 1}
    if same:
        name, other = next(iter(same.items()))
        notes.append(
            f"{len(same)} name(s) are taken as the end of a longer one, as {shortened(name)} of {shortened(other)}"
        )
    whole = {name: _followed(name, same) for name in parts}
    called = {}
    for name in set(whole.values()):
        pieces = parts[name]
        lengths = (n for n in range(1, len(pieces)) if {whole[other] for other in ends[pieces[-n:]]} == {name})
        called[name] = "/".join(pieces[-next(lengths, len(pieces)) :])
    return {name: called[whole[name]] for name in parts}


def _followed(name: str, same: dict[str, str]) -> str:
    while name in same:  # each is longer than the last
        name = same[name]
    return name


def match_models(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """For each name the known one that is the same model: the same, or the longest that is an end of it or of which it
    is an end, with or without its @REVISION; absent where there is none, or more than one."""
    by_last: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for name in known:
        by_last[_parts(name)[-1]].append(_parts(name))
    found = {}
    for name in dict.fromkeys(names):
        for pieces in (_parts(name), _parts(name.rpartition("@")[0])):
            alike = [other for other in by_last.get(pieces[-1], []) if _is_end(other, pieces) or _is_end(pieces, other)]
            longest = max(map(len, alike), default=0)
            best = [other for other in alike if other == pieces] or [other for other in alike if len(other) == longest]
            if len(best) == 1:
                found[name] = "/".join(best[0])
                break
    return found


def _parts(name: str) -> tuple[str, ...]:
    return tuple(name.strip("/").split("/"))


def _is_end(end: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return whole[-len(end) :] == end


def _with_revisions(split: list[Named], runs: Sequence[EvalRun]) -> list[Named]:
    """Models of several revisions that are no steps, told apart as NAME@REVISION."""
    revisions: dict[str, set[str | None]] = defaultdict(set)
    for one, run in zip(split, runs, strict=True):
        if one.step is None:
            revisions[one.model].add(run.revision)
    names = [
        f"{one.model}@{run.revision.replace('/', '_')}"
        if one.step is None and run.revision and len(revisions[one.model]) > 1
        else one.model
        for one, run in zip(split, runs, strict=True)
    ]
    return [Named(name, one.step, name) for name, one in zip(names, split, strict=True)]


def _refuse_several(runs: Sequence[EvalRun], model_name: str) -> None:
    said = list(dict.fromkeys(plain_name(run.name) for run in runs if run.name is not None))
    if len(said) > 1:
        raise TasklawsError(
            f"--model-name {shortened(model_name)}: the files name {len(said)} models, {shortened(said[0])} and "
            f"{shortened(said[1])} among them: give the files of one model, or --name-from map.csv"
        )


class _Map:
    """A CSV with `file` (its path's end, or the name that it gives the model), `model` and perhaps `step`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        names = ["file", "model"]
        table = read_named(path, [*names, "step"], names, ["step"], names)
        for column in names:
            refuse(table[column], table[column].isna(), "name it")
        if "step" in table:
            refuse(table["step"], (table["step"] < 0) | (table["step"] % 1 > 0), "give a whole number, 0 or more")
        self.rows: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
        steps = table["step"] if "step" in table else pd.Series(index=table.index, dtype="float64")
        for file, model, step in zip(table["file"], table["model"], steps, strict=True):
            self.rows[file.rsplit("/", 1)[-1]].append((file, model, step))

    def named(self, run: EvalRun) -> Named:
        """The model and step of a run; unless there is exactly one, TasklawsError is raised."""
        here = f"/{run.file.absolute().as_posix()}"
        rows = [row for row in self.rows[run.file.name] if here.endswith(f"/{row[0].removeprefix('./')}")]
        if not rows and run.name:
            rows = [row for row in self.rows[run.name.rsplit("/", 1)[-1]] if row[0] == run.name]
        if len(rows) != 1:
            said = f"{len(rows)} rows" if rows else "no row"
            raise TasklawsError(f"{self.path}: {said} for {run.file}: give one row with this file and its model")
        _, model, step = rows[0]
        return Named(model, run.step if pd.isna(step) else int(step), model)
