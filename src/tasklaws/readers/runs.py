"""What every result file comes to: a run, which is one model's scores, and a list of what could not be used of it."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import pandas as pd

from tasklaws.core.errors import TasklawsError

_LONGEST = 60  # characters of one name or value in a line
_LINES = 20  # about what is left out; the rest is counted
_STAMP = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d)[-:]?(\d\d)[-:]?(\d\d)(\.\d{1,6})?")
# A number outside these years counts another unit of time than seconds, or none.
_EARLIEST, _LATEST = datetime(1990, 1, 1), datetime(2200, 1, 1)


class LeftOut(NamedTuple):
    """An entry that is not imported: the file and the place in it, whose task and metric it is, its value, and why."""

    file: str
    where: str
    task: str
    metric: str
    value: str
    reason: str

    def __str__(self) -> str:
        value = f" is {self.value}" if self.value else ""
        return f"{self.file}{': ' if self.where else ''}{self.where}{value}: {self.reason}"


class Score(NamedTuple):
    """One number of a run; unknown is None. `metric` is the name without its filter, which is empty for none.

    `unit` is "share", "percent" or "other" where the file states it. `where` is the number's place in the file.
    """

    where: str
    task: str
    metric: str
    value: float
    filter: str = ""
    stderr: float | None = None
    n_items: float | None = None
    chance: float | None = None
    n_shot: float | None = None
    higher_is_better: bool | None = None
    unit: str | None = None


@dataclass(frozen=True)
class EvalRun:
    """One model's scores in one file.

    `name` is the model as the file names it, with owner and folders, None where it names none; `revision` and `step`
    are what the file says of them. `ran` is when it ran or was written. `sizes` are n_params and the like where a file
    has them by these names, `n_params_total` counts embeddings too. `groups` has the tasks of which a group's score is
    the mean. `ladder`, `date` and `is_final` are as in a table of points, from records that were written from one.
    """

    file: Path
    scores: Sequence[Score]
    name: str | None = None
    revision: str | None = None
    step: int | None = None
    ran: datetime | None = None
    n_params_total: float | None = None
    ladder: str | None = None
    date: str | None = None
    is_final: bool | None = None
    sizes: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)


def left_out(file: Path, where: str, task: str, metric: str, value: Any, reason: str) -> LeftOut:
    return LeftOut(str(file), where, task, metric, shortened(repr(value)), reason)


def rows_left_out(rows: pd.DataFrame, runs: Sequence[EvalRun]) -> list[LeftOut]:
    """An entry for each row of scores: `run` (its number), `where`, `task`, `metric`, `value` and the `reason`."""
    columns = [rows[name] for name in ("run", "where", "task", "metric", "value", "reason")]
    return [left_out(runs[run].file, *entry) for run, *entry in zip(*columns, strict=True)]


def unread(file: Path, error: TasklawsError) -> LeftOut:
    """A file that cannot be read."""
    return LeftOut(str(file), "", "", "", "", str(error).removeprefix(f"{file}: "))


def dotted(*names: str) -> str:
    """A place in a file: results.TASK.KEY."""
    return ".".join(shortened(name) for name in names if name)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Text on one line, cut in its middle where it is longer than a message should hold."""
    text = " ".join(text.split())
    half = longest // 2 - 2
    return text if len(text) <= longest else f"{text[:half]} .. {text[-half:]}"


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number that a float can hold; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def finite_number(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def score_of(value: Any) -> float | None:
    """A score in [0, 1]: a number, or whether an answer is right; None where it is neither."""
    score = float(value) if isinstance(value, bool) else finite_number(value)
    return score if score is not None and 0 <= score <= 1 else None


def positive(value: Any) -> float | None:
    return float(value) if is_number(value) and value > 0 else None


def count(value: Any) -> float | None:
    """A number of things: 1 or more, and whole."""
    return float(value) if is_number(value) and value >= 1 and value == int(value) else None


def item_name(value: Any) -> str | None:
    """An item's name as files have it, text or a whole number; None where it is neither."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**18 else None
    return value if isinstance(value, str) and value.strip() else None


def first_name(*values: Any) -> str | None:
    """The first that may name a model or task; None where none does."""
    return next((value for value in values if isinstance(value, str) and value.strip("/ ")), None)


def part(document: Any, *keys: str) -> Any:
    """What stands in an object under keys in turn; None where any is absent."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def moment(value: Any) -> datetime | None:
    """A time as tools write it, in UTC where that is known: seconds since 1970, or ISO's form; else None."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        value = float(value)
    try:
        found = (
            datetime.fromtimestamp(value, UTC).replace(tzinfo=None)
            if is_number(value)
            else datetime.fromisoformat(value)
        )
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return found if _EARLIEST < found < _LATEST else None


def stamp(name: str) -> datetime | None:
    """The time in a file's name, as lm-eval and lighteval write it: results_2026-01-02T10-00-00.000000.json."""
    found = _STAMP.search(name)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction = found.groups()
    return moment(f"{year}-{month}-{day}T{hour}:{minute}:{second}{(fraction or '.0'):0<7}")


def stamp_text(name: str) -> str:
    """The time in a file's name as it is written there; empty where there is none."""
    found = _STAMP.search(name)
    return found[0] if found else ""


def without_stamp(name: str) -> str:
    return _STAMP.sub("", name)


def implied_n_items(value: float, stderr: float | None) -> int | None:
    """The number n of right-or-wrong items behind a share p and its standard error sqrt(p (1 - p) / (n - 1)), if any.

    lm-eval's formula for a mean (lm_eval/api/metrics.py, mean_stderr: the sample's standard deviation over sqrt(n)).
    None unless n and n p come out whole, as they do not for other scores or where the standard error was bootstrapped.
    """
    if not stderr or not 0 < value < 1:
        return None
    exact = value * (1 - value) / stderr / stderr + 1  # a square may be beyond all floats
    if not exact < 1e5:  # beyond that any number passes for whole
        return None
    n_items = round(exact)
    whole = abs(exact - n_items) < 1e-6 * n_items and abs(value * n_items - round(value * n_items)) < 1e-6 * n_items
    return n_items if whole else None


def summary(found: Sequence[LeftOut]) -> list[str]:
    """A line for each task, metric and reason, with the first of its entries; of very many the first _LINES."""
    alike: dict[tuple[str, str, str], list[LeftOut]] = {}
    for one in found:
        key = (one.task, one.metric, one.reason) if one.task else (one.file, "", one.reason)
        alike.setdefault(key, []).append(one)
    lines = [
        f"left out {shortened(metric)}, {len(ones)} row(s): {ones[0]}" if metric else f"left out {ones[0]}"
        for (_, metric, _), ones in list(alike.items())[:_LINES]
    ]
    rest = list(alike.values())[_LINES:]
    if rest:
        lines.append(f"left out {sum(map(len, rest))} more entries of {len(rest)} kinds: --json lists them all")
    return lines


def refuse_strictly(found: Sequence[LeftOut]) -> None:
    """Raise TasklawsError with the first entry that would be left out."""
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise TasklawsError(f"{found[0]}{more}: mend it, or import without --strict, which leaves it out")
