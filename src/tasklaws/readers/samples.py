"""Scores by item that tools wrote, as one table of items.

They are lm-eval's samples, Inspect's logs, METR's runs, py-irt's lines and Every Eval Ever's instances.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.progress import progress
from tasklaws.frames.csv_files import write_table
from tasklaws.readers import inspect_logs, lm_eval
from tasklaws.readers.choose import FILTERS, Choices
from tasklaws.readers.files import (
    LINES,
    REMEDY,
    each_file,
    first_line,
    has_samples,
    kind_of_line,
    parsed,
    read_document,
)
from tasklaws.readers.models import models_of_rows, no_models, read_models, without_results
from tasklaws.readers.names import name_models
from tasklaws.readers.runs import (
    EvalRun,
    LeftOut,
    finite_number,
    first_name,
    item_name,
    left_out,
    part,
    refuse_strictly,
    score_of,
    shortened,
    stamp,
    stamp_text,
    summary,
    unread,
    without_stamp,
)
from tasklaws.tables import ITEM_SCORES

# Scores by item, the first that is there is taken.
_PREFERRED = ("acc", "exact_match", "em", "accuracy", "acc_norm", "pass@1", "f1")
_NO_METRICS = frozenset(
    (
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
        *("doc_hash", "prompt_hash", "target_hash", "schema_version", "truth"),
    )
)
_START = re.compile(r"^.*?samples_(?=.)")


class Answer(NamedTuple):
    """A model's score on an item in one attempt; what is not known of the item is None."""

    item: str
    score: float
    family: str | None = None
    chance: float | None = None
    human_minutes: float | None = None


class Answers(NamedTuple):
    """All answers of one model to one task in one file; the task is empty where the items have names of their own."""

    run: EvalRun
    task: str
    answers: list[Answer]


class Items(NamedTuple):
    """A table of items, one line on each thing that was decided or left out, and every entry that was left out."""

    table: pd.DataFrame
    notes: list[str]
    left_out: list[LeftOut]


def holds_samples(path: Path) -> bool:
    """Whether a path is a directory or a file in which tools write scores by item, and no table of them."""
    if path.suffix in LINES:
        return path.is_file() and has_samples(path)
    return path.is_dir() or path.suffix in (".json", ".eval")


def read_samples(paths: Sequence[Path], models: Path | None = None, choices: Choices | None = None) -> Items:
    """The scores by item below `paths` as a table of ITEM_SCORES, of which it has the columns that are known.

    The first of `choices.metrics` is the score to take where there are several. An item is called TASK/ID, or as a file
    names it that has no tasks; each attempt at it is a row. Models are called as `name_models` calls them, and `models`
    has their sizes.
    Entries without a score in [0, 1] are left out and listed; with `choices.strict`, or where nothing is left,
    TasklawsError is raised, and so where two files have the same model's answers to the same task, unless
    `choices.latest` takes the later.
    """
    choices = choices or Choices()
    metric = next(iter(choices.metrics), None)
    found: list[LeftOut] = []
    notes: list[str] = []
    known = read_models(models, notes, choices.units) if models else no_models()
    asked = [one for one in _gather(paths, metric, found, notes) if one.answers]
    if choices.strict:
        refuse_strictly(found)
    if not asked:
        first = f": {found[0]}" if found else ""
        raise TasklawsError(
            f"no scores by item in {shortened(', '.join(map(str, paths)), 120)}{first or ': ' + REMEDY}"
        )
    named = name_models([one.run for one in asked], notes, choices.model_name, choices.name_from)
    models_named = [name.model if name.step is None else f"{name.model}@{name.step}" for name in named]
    kept = _one_run(asked, models_named, choices.latest, notes)
    rows = [
        (name.full, model, f"{one.task}/{answer.item}" if one.task else answer.item, one.task or None, *answer[1:])
        for one, model, name in ((asked[place], models_named[place], named[place]) for place in kept)
        for answer in one.answers
    ]
    table = pd.DataFrame(rows, columns=["full", "model", "task", "asked", "score", "family", "chance", "human_minutes"])
    table["family"] = table["family"].fillna(table.pop("asked"))
    attempt = table.groupby(["model", "task"]).cumcount() + 1
    sizes = models_of_rows(table["full"], known)["n_params"]
    repeated = int((attempt == 2).sum())
    if repeated:
        notes.append(f"{repeated} pair(s) of a model and an item have several scores, taken as its attempts")
    table = _agreed(table, notes).assign(
        attempt=attempt if repeated else None,
        family=table["family"] if table["family"].nunique() > 1 else None,
        n_params=sizes if models else _own_sizes([asked[place] for place in kept], models_named, kept, table["model"]),
    )
    if absent := without_results(table["full"], known):
        notes.append(f"{models}: no scores of {shortened(', '.join(absent), 200)}")
    unsized = sorted(table.loc[table["n_params"].isna(), "model"].unique())
    if unsized:
        notes.append(f"no size of {shortened(', '.join(unsized), 200)}: --models gives n_params, or add a column date")
    columns = [name for name in ITEM_SCORES.columns if name in table and table[name].notna().any()]
    return Items(table[columns].reset_index(drop=True), [*summary(found), *notes], found)


def _agreed(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The table with what some rows know of an item in all its rows; what they disagree on is unknown, and noted."""
    for column in ("family", "chance", "human_minutes"):
        values = table.groupby("task")[column]
        kinds = values.transform("nunique")
        if (kinds > 1).any():
            tasks = table.loc[kinds > 1, "task"]
            notes.append(
                f"{column} of {tasks.nunique()} item(s) is left unknown, as of {shortened(tasks.iloc[0])}: its "
                "scores come with several"
            )
        table = table.assign(**{column: values.transform("first").where(kinds == 1)})
    return table


def write_samples(path: Path, table: pd.DataFrame) -> None:
    """Write a table of items as `tasklaws difficulty` reads it, the same bytes for the same rows in any order."""
    write_table(path, table, [key for key in ITEM_SCORES.keys if key in table])


def _own_sizes(asked: Sequence[Answers], models: Sequence[str], kept: Sequence[int], names: pd.Series) -> pd.Series:
    """The size that a model's files say, embeddings included; NaN where none does, or not all the same."""
    sizes: dict[str, set[float]] = defaultdict(set)
    for one, place in zip(asked, kept, strict=True):
        if one.run.n_params_total is not None:
            sizes[models[place]].add(one.run.n_params_total)
    return names.map({name: min(values) for name, values in sizes.items() if len(values) == 1}).astype("float64")


def _one_run(asked: Sequence[Answers], models: Sequence[str], latest: bool, notes: list[str]) -> list[int]:
    """The places of those that are to be taken: of several runs of one model and task the last, or a refusal."""
    runs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, (one, model) in enumerate(zip(asked, models, strict=True)):
        runs[model, one.task].append(place)
    kept = []
    for (model, task), places in runs.items():
        again = Counter(item for place in places for item in {answer.item for answer in asked[place].answers})
        twice = next((item for item, number in again.items() if number > 1), None)
        if not task and twice is None:  # parts of one run
            kept += places
            continue
        kept.append(max(places, key=lambda place: _time(asked[place].run.ran)))
        if len(places) > 1:
            what = f"task {shortened(task)}" if task else f"item {shortened(str(twice))}"
            files = [asked[place].run.file for place in places[:2]]
            said = f"{files[1]}: same as {files[0]} (model {shortened(model)}, {what})"
            times = [asked[place].run.ran for place in places]
            if not latest:
                raise TasklawsError(f"{said}: two runs: give one of them, or --latest takes the later")
            if None in times or times.count(max(times, key=_time)) > 1:
                raise TasklawsError(f"{said}: no time tells which run is the later: give one of them")
            notes.append(f"left out {len(places) - 1} earlier run(s) of {shortened(model)} on {shortened(task)}")
    return sorted(kept)


def _time(ran: datetime | None) -> datetime:
    return ran or datetime.min


def _gather(paths: Sequence[Path], metric: str | None, found: list[LeftOut], notes: list[str]) -> Iterator[Answers]:
    files = [path for path in each_file(paths) if path.suffix in (*LINES, ".json", ".eval")]
    lm_evals: list[tuple[Path, list[Any]]] = []
    skipped = []
    with progress("items", len(files)) as advance:
        for path in files:
            try:
                lines = _lines(path)
                kind = kind_of_line(lines[0]) if lines and isinstance(lines[0], dict) else None
                if kind == "lm-eval":
                    lm_evals.append((path, lines))
                elif kind is not None:
                    yield from _KINDS[kind](path, lines, metric, found, notes)
                else:
                    document = None if lines else read_document(path)
                    if document is not None and inspect_logs.is_log(document):
                        if (status := document.get("status")) != "success":
                            notes.append(f"{path}: its run ended as {shortened(str(status))}: what it scored is read")
                        yield _inspect(path, document, metric, found)
                    elif not lm_eval.is_results(document):
                        skipped.append(path)
            except TasklawsError as error:
                if path in paths:
                    raise
                found.append(unread(path, error))
            advance()
    if skipped:
        notes.append(f"skipped {len(skipped)} file(s), as {skipped[0]}: no scores by item in them")
    yield from _lm_eval(lm_evals, metric, found, notes)


def _lines(path: Path) -> list[Any]:
    """The objects of a file of JSON lines, or of one JSON list; empty where it holds none of those known here."""
    if path.suffix not in LINES or not has_samples(path):
        return []
    text = read_text(path, REMEDY)
    if isinstance(first_line(path), list):
        whole = parsed(path, text)
        return whole if isinstance(whole, list) else []
    lines = []
    # Not splitlines(): JSON strings may hold the other characters that it takes for the end of a line.
    for place, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.strip():
            try:
                lines.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise TasklawsError(f"{path}:{place}: malformed JSON: give the whole file, or take it away") from error
    return lines


def _lm_eval(
    files: Sequence[tuple[Path, list[Any]]], metric: str | None, found: list[LeftOut], notes: list[str]
) -> Iterator[Answers]:
    places = _lm_eval_places(files, notes)
    read = [_one_filter(path, _once(path, lines, notes), notes) for path, lines in files]
    of_task: dict[str, list[Any]] = defaultdict(list)
    for lines, (task, _, _) in zip(read, places, strict=True):
        of_task[task] += lines
    metrics = {task: metric or _metric(lines) for task, lines in of_task.items()}
    for (path, _), lines, (task, name, beside) in zip(files, read, places, strict=True):
        chosen = metrics[task]
        answers = []
        for line in lines:
            identity = item_name(line.get("doc_id"))
            score = score_of(line.get(chosen or ""))
            if score is None or identity is None:
                where, value = f"doc_id {shortened(str(line.get('doc_id')))}, {chosen}", line.get(chosen or "")
                found.append(left_out(path, where, task, chosen or "score", value, "no doc_id and score in [0, 1]"))
                continue
            answers.append(Answer(identity, score, chance=_choice_chance(line, chosen)))
        run = EvalRun(path, (), name, ran=stamp(path.name))
        if beside is not None:
            run = replace(beside, file=path, scores=(), ran=run.ran or beside.ran)
        yield Answers(run, task, answers)


def _once(path: Path, lines: Sequence[Any], notes: list[str]) -> list[Any]:
    """The lines that are objects, each once: lm-eval writes one for an item and filter."""
    objects = [line for line in lines if isinstance(line, dict)]
    if len({(repr(line.get("doc_id")), str(line.get("filter"))) for line in objects}) == len(objects):
        return objects
    found = list({json.dumps(line, sort_keys=True): line for line in objects}.values())
    if len(found) < len(objects):
        notes.append(f"{path}: {len(objects) - len(found)} line(s) stand twice and count once")
    return found


def _metric(lines: Sequence[Mapping[str, Any]]) -> str | None:
    """The score that most lines name, the first of _PREFERRED before others."""
    scores = {key for line in lines for key, value in line.items() if score_of(value) is not None} - _NO_METRICS
    names = {key: sum(key in line for line in lines) for key in scores}
    order = {name: place for place, name in enumerate(_PREFERRED)}
    return min(names, key=lambda name: (-names[name], order.get(name, len(order)), name), default=None)


def _one_filter(path: Path, lines: list[Any], notes: list[str]) -> list[Any]:
    """The lines of one filter, the plainest: each item has one for every filter."""
    order = {name or "none": place for place, name in enumerate(FILTERS)}
    filters = sorted({str(line.get("filter")) for line in lines}, key=lambda name: (order.get(name, len(order)), name))
    if len(filters) < 2:
        return lines
    notes.append(f"{path}: read under the filter {shortened(filters[0])}, of {shortened(', '.join(filters))}")
    return [line for line in lines if str(line.get("filter")) == filters[0]]


def _choice_chance(line: Mapping[str, Any], metric: str | None) -> float | None:
    """1 over the number of choices, of an item whose every response is a choice's log-likelihood."""
    answers = line.get("filtered_resps")
    if metric not in ("acc", "acc_norm", "acc_bytes") or "acc_mutual_info" in line or not isinstance(answers, list):
        return None
    pairs = all(isinstance(one, list) and len(one) == 2 and str(one[1]) in ("True", "False") for one in answers)
    return 1 / len(answers) if pairs and len(answers) > 1 else None


def _lm_eval_places(
    files: Sequence[tuple[Path, list[Any]]], notes: list[str]
) -> list[tuple[str, str | None, EvalRun | None]]:
    """Each file's task, model's name and the run of the result file beside it.

    A result file of the same folder and time tells both. Else a time in the name is lm-eval's, which names the folder
    after the model. Else files of one folder with the same questions are of one task: they differ by the model.
    """
    found: dict[Path, tuple[str, str | None, EvalRun | None]] = {}
    alike: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path, lines in files:
        stem = _START.sub("", without_stamp(path.stem)).strip("_-.")
        beside, tasks = _beside(path)
        task = max((name for name in tasks if stem == name or stem.endswith(f"_{name}")), key=len, default=None)
        if beside is not None and (task is not None or stamp(path.name)):
            found[path] = task or stem, beside.name, beside
        elif stamp(path.name):
            found[path] = stem, path.absolute().parent.name.replace("__", "/"), None
        else:
            alike[path.parent, _questions(lines)].append(path)
    for (folder, _), paths in alike.items():
        stems = [_START.sub("", path.stem) for path in paths]
        start = _common_start(stems)
        for path, stem in zip(paths, stems, strict=True):
            name = stem.removeprefix(f"{start}_") if start else None
            found[path] = start or stem, name or None, None
        if start:
            notes.append(
                f"{folder}: {len(paths)} files ask the same questions and are of one task, {shortened(start)}, by "
                f"several models, {shortened(', '.join(sorted(str(found[path][1]) for path in paths)))}"
            )
    return [found[path] for path, _ in files]


def _common_start(stems: Sequence[str]) -> str:
    """What several names begin with, up to a `_`; empty of one name."""
    if len(stems) < 2:
        return ""
    letters = zip(*stems, strict=False)
    length = next((place for place, alike in enumerate(letters) if len(set(alike)) > 1), min(map(len, stems)))
    return stems[0][:length].rpartition("_")[0]


def _beside(path: Path) -> tuple[EvalRun | None, list[str]]:
    """The run of the result file in the same folder and of the same time, and its tasks; (None, []) if none is."""
    time = stamp_text(path.name)
    other = path.with_name(f"results_{time}.json" if time else "results.json")
    if not other.is_file():
        return None, []
    try:
        document = read_document(other)
    except TasklawsError:
        return None, []
    if not lm_eval.is_results(document):
        return None, []
    return lm_eval.read_results(other, document, []), [str(task) for task in document["results"]]


def _questions(lines: Iterable[Any]) -> str:
    """A digest of what was asked."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(json.dumps([part(line, key) for key in ("doc_id", "doc", "target")], sort_keys=True).encode())
    return digest.hexdigest()


def _py_irt(
    path: Path, lines: list[Any], metric: str | None, found: list[LeftOut], notes: list[str]
) -> Iterator[Answers]:
    for place, line in enumerate(lines, 1):
        responses, subject = part(line, "responses"), part(line, "subject_id")
        name = first_name(str(subject) if isinstance(subject, int) else subject)
        if not isinstance(responses, dict) or name is None:
            found.append(left_out(path, f"line {place}", "", "responses", subject, "no subject_id and its responses"))
            continue
        answers = []
        for item, value in responses.items():
            score = score_of(value)
            if score is None:
                where = f"line {place}, {shortened(item)}"
                found.append(left_out(path, where, "", "response", value, "no score in [0, 1]"))
            else:
                answers.append(Answer(item, score))
        yield Answers(EvalRun(path, (), name), "", answers)


def _metr(
    path: Path, lines: list[Any], metric: str | None, found: list[LeftOut], notes: list[str]
) -> Iterator[Answers]:
    """METR's all_runs.jsonl: a line a run, people's among them. Of a run that broke off the score stands as it is."""
    keys = ("score_binarized", "score_cont", "score")
    chosen = metric or next((key for key in keys if any(part(one, key) is not None for one in lines)), keys[0])
    answers: dict[str, list[Answer]] = defaultdict(list)
    people = broken = 0
    for place, line in enumerate(lines, 1):
        name = first_name(part(line, "alias"), part(line, "model"))
        item, value = part(line, "task_id"), part(line, chosen)
        if name is None or not isinstance(item, str) or (score := score_of(value)) is None:
            found.append(left_out(path, f"line {place}", "", chosen, value, "no task_id, alias and score in [0, 1]"))
            continue
        if part(line, "model") == "human" or name.lower() == "human":
            people += 1
            continue
        broken += part(line, "fatal_error_from") is not None
        minutes, family = finite_number(part(line, "human_minutes")), part(line, "task_family")
        known = family if isinstance(family, str) and family.strip() else None
        answers[name].append(Answer(item, score, known, human_minutes=minutes if minutes and minutes > 0 else None))
    if people:
        notes.append(f"{path}: {people} run(s) of people are not models'")
    if broken:
        notes.append(f"{path}: {broken} run(s) ended by a fatal error count as they are scored")
    for name, own in answers.items():
        yield Answers(EvalRun(path, (), name), "", own)


def _instances(
    path: Path, lines: list[Any], metric: str | None, found: list[LeftOut], notes: list[str]
) -> Iterator[Answers]:
    """Every Eval Ever's instances: a line an item and result."""
    answers: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for place, line in enumerate(lines, 1):
        names = [part(line, key) for key in ("model_id", "evaluation_name", "sample_id")]
        value = part(line, "evaluation", "score")
        if None in map(first_name, names) or (score := score_of(value)) is None:
            task = str(names[1] or "")
            found.append(left_out(path, f"line {place}", task, "score", value, "no model, sample and score in [0, 1]"))
            continue
        choices = part(line, "input", "choices")
        guess = 1 / len(choices) if isinstance(choices, list) and len(choices) > 1 else None
        answers[names[0], names[1]].append(Answer(names[2], score, chance=guess))
    for (name, task), own in answers.items():
        yield Answers(EvalRun(path, (), name), task, own)


def _inspect(path: Path, document: Mapping[str, Any], metric: str | None, found: list[LeftOut]) -> Answers:
    scores = inspect_logs.sample_scores(path, document, metric, found)
    answers = [Answer(identity, score, chance=guess) for identity, score, guess in scores]
    run = EvalRun(path, (), inspect_logs.model_name(document), ran=inspect_logs.ran(path, document))
    return Answers(run, inspect_logs.inspect_task(document), answers)


_KINDS: dict[str, Callable[[Path, list[Any], str | None, list[LeftOut], list[str]], Iterator[Answers]]] = {
    "py-irt": _py_irt,
    "metr": _metr,
    "every-eval-ever": _instances,
}
