"""Which files hold what: result files, tidy tables, scores by item, told apart by their content."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.progress import progress
from tasklaws.frames.user_tables import is_table, open_table
from tasklaws.readers import every_eval_ever, inspect_logs, lm_eval
from tasklaws.readers.runs import EvalRun, LeftOut, shortened, unread
from tasklaws.tabular.names import known_as
from tasklaws.tabular.points import RESULT

REMEDY = "give a result file of lm-eval or another tool (docs/import.md), a tidy table, or a directory of them"
LINES = (".jsonl", ".jsonlines", ".ndjson")
_READERS = (
    (every_eval_ever.is_record, every_eval_ever.read_record),
    (inspect_logs.is_log, inspect_logs.read_log),
    (lm_eval.is_results, lm_eval.read_results),
)


@dataclass
class Gathered:
    """The runs of result files, the paths of tidy tables and of scores by item, and lines on what was skipped."""

    runs: list[EvalRun] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    samples: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def gather(paths: Sequence[Path], besides: Path | None) -> Gathered:
    """Everything below `paths` that holds results, less the file `besides`.

    A file that is given by name must hold some; of those in directories that do not, one line is added to the notes,
    and of those that cannot be read an entry to what is left out.
    """
    gathered = Gathered()
    skipped: list[Path] = []
    files = list(each_file(paths, besides))
    with progress("import", len(files)) as advance:
        for path in files:
            given = path in paths
            try:
                if not _read(path, given, gathered):
                    if given:
                        raise TasklawsError(f"{path} has no `results` that are known here: {REMEDY}")
                    skipped.append(path)
            except TasklawsError as error:
                if given:
                    raise
                gathered.left_out.append(unread(path, error))
            advance()
    kinds = []
    if samples := [path for path in gathered.samples if path not in paths]:
        kinds.append(f"{len(samples)} of scores by item, which --items reads, as {shortened(str(samples[0]), 200)}")
    if skipped:
        kinds.append(f"{len(skipped)} without results, as {shortened(str(skipped[0]), 200)}")
    if kinds:
        gathered.notes.append(f"skipped {len(samples) + len(skipped)} file(s): {'; '.join(kinds)}")
    return gathered


def _read(path: Path, given: bool, gathered: Gathered) -> bool:
    """Add what a file holds; whether it holds anything."""
    if path.suffix in LINES and has_samples(path):
        gathered.samples.append(path)
        return True
    document = read_document(path)
    for is_kind, read in _READERS:
        if is_kind(document):
            gathered.runs.append(read(path, document, gathered.left_out))
            return True
    if path.suffix not in (".json", ".eval") and is_table(path) and (given or _has_results(path)):
        gathered.tables.append(path)
        return True
    return False


def _has_results(path: Path) -> bool:
    """Whether a table's columns are those of results, a row each; a wide one must be given by name."""
    if path.name.removesuffix(".gz").endswith(".txt"):
        return False
    try:
        header = open_table(path).header
    except TasklawsError:  # whatever it is, it may be no table of results
        return False
    return set(RESULT) <= {known_as(name, RESULT) for name in header}


def read_document(path: Path) -> Any:
    """What a file of JSON or an Inspect archive holds; None for other files."""
    if path.suffix == ".eval":
        return inspect_logs.read_archive(path)
    if path.suffix != ".json":
        return None
    return parsed(path, read_text(path, REMEDY))


def parsed(path: Path, text: str) -> Any:
    """JSON with NaN and all: lm-eval writes it where a standard error is undefined. TasklawsError where it is none."""
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise TasklawsError(f"{path}: malformed JSON ({reason}): give the whole file, or take it away") from error


def first_line(path: Path) -> Any:
    """What the first line of a file of JSON lines holds; None where that is no JSON by itself."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        line = file.readline(10_000_000).strip()
    if line == "[":  # lm-eval 0.4.0 wrote one indented list under this name
        return []
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def has_samples(path: Path) -> bool:
    """Whether a file of JSON lines is one of scores by item."""
    line = first_line(path)
    return isinstance(line, list) or (isinstance(line, dict) and kind_of_line(line) is not None)


def kind_of_line(line: Mapping[str, object]) -> str | None:
    """Which tool's scores by item a line is of: by the names that its real files have."""
    if {"doc_id", "doc", "resps"} <= line.keys():
        return "lm-eval"
    if {"subject_id", "responses"} <= line.keys():
        return "py-irt"
    if "task_id" in line and line.keys() & {"alias", "model"} and line.keys() & {"score_binarized", "score_cont"}:
        return "metr"
    if {"schema_version", "model_id", "sample_id", "evaluation"} <= line.keys():
        return "every-eval-ever"
    return None


def each_file(paths: Sequence[Path], besides: Path | None = None) -> Iterator[Path]:
    """Every file once, in the order of names; `besides`, the table of an earlier import, is none of them."""
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise TasklawsError(f"{path} does not exist: {REMEDY}")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and (besides is None or file.resolve() != besides.resolve()):
                found.setdefault(file.resolve(), file)
    yield from found.values()


def newest(paths: Sequence[Path], besides: Path | None) -> datetime:
    """When the last of the files below `paths` was written, in UTC."""
    seconds = max((file.stat().st_mtime for file in each_file(paths, besides)), default=0.0)
    return datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None)
