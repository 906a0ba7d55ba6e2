"""A claim as a file: forecasts of models that are not there yet, the rule by which they come true, and digests."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import json_line, write_json
from tasklaws.core.result import Result, axes_or_new
from tasklaws.frames.shown import drawn, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT = "tasklaws claim, version 1"
REMEDY = "give a file that `tasklaws claim` wrote"


class TamperedError(TasklawsError):
    """A claim that is not, byte for byte, what was written."""


@dataclass(frozen=True)
class Statement:
    """What is said of a model, task and metric: a median and a 90% interval, beside the last known value.

    A `share` lies in [0, 1]. Where neither size is given the model is any that is dated from `first_day` to `last_day`.
    """

    ladder: str
    model: str
    task: str
    metric: str
    better: Literal["more", "less"]
    unit: Literal["share", "as measured"]
    predicted: float
    lower: float
    upper: float
    last: float
    n_params: float | None = None
    n_tokens: float | None = None
    train_flops: float | None = None
    first_day: str | None = None
    last_day: str | None = None


@dataclass(frozen=True)
class PassRule:
    """When the claim passes, in words and numbers; `pass_chance` is what `rule.pass_chances` gives."""

    words: str
    level: float
    n: int
    held_at_least: int
    chance_that_true_intervals_hold_fewer: float
    pass_chance: dict[str, float]


@dataclass(frozen=True)
class Digests:
    """What the claim rests on: the SHA-256 of files, by their paths from the claim's folder, and of tasklaws' code."""

    files: dict[str, str]
    code: dict[str, str]
    version: str


@dataclass(frozen=True)
class Judge:
    """Who may check the claim, and how: where the outcomes will come from, and the command."""

    outcomes: str
    command: str


@dataclass(frozen=True, repr=False)
class Claim(Result):
    """Forecasts of models that are not there yet, as `tasklaws claim` writes them; `sha256` is that of all the rest."""

    format: str
    statements: tuple[Statement, ...]
    rule: PassRule
    rests_on: Digests
    judged_by: Judge
    sha256: str = ""

    @property
    def table(self) -> pd.DataFrame:
        """The statements, a row each."""
        return pd.DataFrame([asdict(one) for one in self.statements], columns=[each.name for each in fields(Statement)])

    def sealed(self) -> "Claim":
        """The claim with its digest."""
        return replace(self, sha256=digest(self.to_dict()))

    def to_dict(self) -> dict[str, object]:
        """All of it, without what is unknown."""
        found = asdict(self)
        found["statements"] = [
            {name: value for name, value in one.items() if value is not None} for one in found["statements"]
        ]
        return found

    def write(self, path: Path) -> None:
        """Write the claim. Another one in its place raises TasklawsError: what was claimed is not changed."""
        if path.exists() and path.read_bytes() != rendered(self.to_dict()):
            raise TasklawsError(
                f"{path} is there already, and another claim: give a new name, as a claim stays as it is"
            )
        write_json(path, self.to_dict())

    def summary(self) -> str:
        """What is claimed, by which rule, and on what it rests."""
        table = self.table
        lines = [f"claim of {len(table)} forecasts, sha256 {self.sha256}", "", *statement_lines(table), ""]
        lines += [f"rule: {self.rule.words}", *_chances(self.rule)]
        lines += [f"rests on {shown(name)}, sha256 {value}" for name, value in self.rests_on.files.items()]
        lines += [f"to be judged by: {shown(self.judged_by.outcomes)}"]
        return "\n".join(lines)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw each forecast with its interval, and the last known value as a stroke."""
        return draw(axes_or_new(ax), self.table)


def digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of a claim's canonical JSON without its key sha256: keys sorted, no spaces, UTF-8."""
    rest = {name: value for name, value in content.items() if name != "sha256"}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def rendered(content: Mapping[str, Any]) -> bytes:
    """The bytes that `Claim.write` writes."""
    return (json_line(Path("claim"), content, indent=2) + "\n").encode()


def read_claim(path: Path) -> Claim:
    """The claim in a file; `parse_claim` says what is refused."""
    try:
        return parse_claim(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        raise TasklawsError(f"{path} does not exist: {REMEDY}") from error


def parse_claim(data: bytes, name: str) -> Claim:
    """The claim in a file's bytes. One that is not as it was written raises TamperedError, what is none TasklawsError;
    both call it `name`."""
    try:
        content = json.loads(data.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise TasklawsError(f"{name} is no claim, or damaged (no JSON: {error}): {REMEDY}") from error
    if not isinstance(content, dict) or "statements" not in content or "sha256" not in content:
        raise TasklawsError(f"{name} is no claim: {REMEDY}")
    try:
        same = digest(content) == content["sha256"] and rendered(content) == data
    except (ValueError, TasklawsError, RecursionError):  # half a character, or a number that is none
        same = False
    if not same:
        raise TamperedError(f"{name} is not as it was written: its contents do not have the sha256 that it names")
    if content.get("format") != FORMAT:
        raise TasklawsError(f"{name}: format is {content.get('format')!r:.80}: this tasklaws reads {FORMAT!r}")
    return read(Claim, content, name, REMEDY)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def value_text(value: float, unit: str) -> str:
    return f"{100 * value:.1f}%" if unit == "share" else f"{value:.4g}"


def statement_lines(table: pd.DataFrame) -> list[str]:
    """A table in Markdown, with the outcomes where the table has them."""
    judged = "observed" in table
    rows = [["task", "metric", "model", "last known", "claimed", "90% interval", *(["outcome", ""] if judged else [])]]
    for row in table.to_dict("records"):
        last, middle, low, high = (
            value_text(row[name], row["unit"]) for name in ("last", "predicted", "lower", "upper")
        )
        names = [shown(row[name]).replace("|", "\\|") for name in ("task", "metric", "model")]
        outcome = [value_text(row["observed"], row["unit"]), "" if row["inside"] else "outside"] if judged else []
        rows.append([*names, last, middle, f"{low} to {high}", *outcome])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _chances(rule: PassRule) -> list[str]:
    chances = [f"{100 * value:.0f}% if {name.replace('_', ' ')}" for name, value in rule.pass_chance.items()]
    return [f"chance of passing: {', '.join(chances)}"]


def draw(axes: "Axes", table: pd.DataFrame) -> "Axes":
    """A row a statement: value and interval, the last known value as a stroke, and the outcome as a cross."""
    table = table.reset_index(drop=True)
    ends = [table["predicted"] - table["lower"], table["upper"] - table["predicted"]]
    axes.errorbar(table["predicted"], table.index, xerr=ends, fmt="o", markersize=4)
    axes.plot(table["last"], table.index, "|", markersize=8)
    if "observed" in table:
        axes.plot(table["observed"], table.index, "x", color="black")
    axes.set_yticks(range(len(table)), [drawn(f"{row.task} {row.model}") for row in table.itertuples()])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlabel("claim (90%); | last known" + ("; x outcome" if "observed" in table else ""))
    return axes
