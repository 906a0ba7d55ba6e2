"""The names that people give to columns, and the units that these state: one list for tables, models and items.

Capitals, spaces and `_ - . /` do not count: `Model Size` is `model_size`. A unit stands behind a name or in brackets:
`n_params_b`, `params (B)`, `tokens_T`, `flops_e21`, `score (%)`.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.shown import quoted

# Of every column that a table may have: its other names.
ALIASES = {
    "ladder": "scaling_ladder model_family model_series series suite",
    "model": "model_name model_id llm checkpoint_name run_name",
    "task": "task_name benchmark benchmark_name dataset dataset_name eval eval_name evaluation",
    "metric": "metric_name measure",
    "value": "score result metric_value",
    "n_params": "N params parameters model_size n_parameters num_params num_parameters nparams param_count "
    "parameter_count number_of_parameters model_params non_embedding_params n_params_non_embedding",
    "n_params_total": "total_params total_parameters",
    "n_tokens": "D tokens training_tokens train_tokens n_examples num_tokens token_count number_of_tokens "
    "n_train_tokens tokens_seen training_data_tokens dataset_tokens",
    "train_flops": "C flops flop compute training_flops training_flop training_compute train_compute total_flops "
    "compute_flops training_compute_flop",
    "tokens_per_step": "batch_tokens tokens_per_batch",
    "step": "train_step training_step global_step",
    "is_final": "final",
    "stderr": "se std_err std_error standard_error sem",
    "n_items": "n_samples num_samples n_questions num_questions num_items number_of_items sample_size n_docs",
    "chance": "chance_level random_baseline random_chance guess_rate random_guess guessing",
    "higher_is_better": "greater_is_better more_is_better",
    "date": "release_date publication_date published released released_on",
    "seed": "random_seed",
    "weight": "weights",
    "n_eff": "effective_items",
    "score": "value result is_correct correct",
    "attempt": "epoch trial repeat run",
    "family": "task_family item_family",
    "human_minutes": "human_time_minutes",
    "maker": "group",
}
# In a table of items a task is one item.
ITEM_ALIASES = ALIASES | {"task": "item item_id question question_id doc_id sample_id task_id task_name"}
# Columns in which rows that are attempts of a model at an item cannot differ: such rows are other things.
_NO_ATTEMPTS = ("metric", "filter", "step", "n_shot", "num_fewshot")
# Letters mean something by themselves only as capitals, and are often other things.
_LAW_LETTERS = ("N", "D", "C")
COUNTS = ("n_params", "n_tokens", "train_flops", "n_params_total", "tokens_per_step", "step")
SHARES = ("value", "stderr", "chance", "score")
MAKERS = ("maker", "group")  # columns that say who made a model, of which the first that a table has counts

UNIT_FACTORS = {
    **dict.fromkeys(("k", "thousand", "thousands"), 1e3),
    **dict.fromkeys(("m", "mn", "million", "millions"), 1e6),
    **dict.fromkeys(("b", "bn", "g", "billion", "billions"), 1e9),
    **dict.fromkeys(("t", "tn", "trillion", "trillions"), 1e12),
}
_FLOP_FACTORS = {
    f"{prefix}{word}": factor
    for prefix, factor in (("g", 1e9), ("t", 1e12), ("p", 1e15), ("e", 1e18), ("z", 1e21), ("y", 1e24))
    for word in ("flop", "flops")
}
_PERCENT = dict.fromkeys(("pct", "percent", "percentage", "perc"), 0.01)
_POWER = re.compile(r"(?:1?e|10\^|10\*\*)\+?(\d{1,2})", re.IGNORECASE)
_NO_UNITS = {"in", "of", "x", "flop", "flops", "params", "parameters", "tokens", "units", "unit"}
_BRACKETS = re.compile(r"(.*?)\s*[(\[]\s*([^()\[\]]*?)\s*[)\]]\s*")
_SUFFIX = re.compile(r"(.+?)(?:[\s_./-]+in)?[\s_./-]+([^\s_./-]+)")
# Words that a letter makes a known name of, and that name tasks or something else.
_ORDINARY = ("stem", "data", "rate", "mode", "code", "change", "height", "need", "less", "state", "stop", "moral")


@dataclass(frozen=True)
class Columns:
    """What the columns of a file are: `names` of the known ones in the file, the `factors` that bring them to the units
    that they should have, where stated, and the `others`."""

    names: dict[str, str]
    factors: dict[str, float]
    others: tuple[str, ...]


def normal(name: str) -> str:
    """A name with all that does not count made alike."""
    return re.sub(r"[\W_]+", "_", name.casefold().replace("%", " pct ")).strip("_")


def known_as(name: str, known: Collection[str], aliases: Mapping[str, str] = ALIASES) -> str | None:
    """Which of the `known` columns a name is; None where it is none of them."""
    if name in known:
        return name
    if len(name.strip()) == 1:
        return next(
            (each for each in known if name.strip() in _LAW_LETTERS and name.strip() in aliases[each].split()), None
        )
    wanted = normal(name)
    return next((each for each in known if wanted == each), None) or next(
        (each for each in known if wanted in aliases.get(each, "").split()), None
    )


def resolve(
    path: str,
    header: Sequence[str],
    known: Collection[str],
    units: Mapping[str, float] | None = None,
    aliases: Mapping[str, str] = ALIASES,
) -> Columns:
    """What each column of a file is, by its name; `units` are stated beside, by any name of the column.

    Where a column has the known name itself, one with another name of it is something else. Raises TasklawsError for
    two columns that are the same, two units of one column, a unit of a column that the table lacks, and a near miss of
    a known name.
    """
    names: dict[str, str] = {}
    factors: dict[str, float] = {}
    others = []
    for name in header:
        column, factor = _column(name, known, aliases)
        if column is None or (column != name and column in header and normal(name) != column):
            others.append(name)
            continue
        if column in names:
            raise TasklawsError(
                f"{path}: columns {quoted(names[column])} and {quoted(name)} are both {column}: rename or remove one"
            )
        names[column] = name
        if factor is not None:
            factors[column] = factor
    for given, factor in (units or {}).items():
        column = known_as(given, known, aliases)
        if column is None or column not in (*COUNTS, *SHARES, "n_items"):
            numbers = ", ".join(each for each in (*COUNTS, *SHARES, "n_items") if each in known)
            raise TasklawsError(f"--units {quoted(given)}: no column of numbers is called so: give one of {numbers}")
        if factors.get(column, factor) != factor:
            raise TasklawsError(
                f"{path}: column {quoted(names[column])} states another unit than --units {given}={factor:g}: keep one"
            )
        factors[column] = factor
    columns = Columns(names, factors, tuple(others))
    _refuse_near_misses(path, columns, known, aliases)
    return columns


def _column(name: str, known: Collection[str], aliases: Mapping[str, str]) -> tuple[str | None, float | None]:
    """The known column that a name means, and the factor that it states."""
    column = known_as(name, known, aliases)
    if column is not None:
        return column, None
    base, factor = split_unit(name)
    column = known_as(base, known, aliases)
    if factor is None or column is None:
        return None, None
    fits = factor == 1 or column in (SHARES if factor == 0.01 else (*COUNTS, "n_items"))
    return (column, factor) if fits else (None, None)


def split_unit(name: str) -> tuple[str, float | None]:
    """A name and the factor that its unit is; the name as it stands, and None, where it has no known unit."""
    for pattern in (_BRACKETS, _SUFFIX):
        found = pattern.fullmatch(name.replace("%", " pct ").strip())
        if found and found[1] and (factor := _factor(found[2], bare=pattern is _SUFFIX)) is not None:
            return found[1], factor
    return name, None


def _factor(text: str, bare: bool) -> float | None:
    """The factor that a unit's text means: B, billions, 1e9, %, 1e21 FLOPs; None where it is no unit."""
    words = text.split()
    left = [word for word in words if word.lower() not in _NO_UNITS]
    if not left:
        return None if bare or not words else 1.0
    word = left[0].lower()
    if len(left) > 1:
        return None
    power = _POWER.fullmatch(word)
    return 10.0 ** int(power[1]) if power else (UNIT_FACTORS | _FLOP_FACTORS | _PERCENT).get(word)


def parse_units(texts: Sequence[str]) -> dict[str, float]:
    """`--units`: COLUMN=UNIT, separated by commas, the unit a number, k, M, B, T, percent and the like."""
    found = {}
    for name, text in _pairs("--units", texts, "n_params=1e9"):
        try:
            factor = float(text)
        except ValueError:
            factor = _factor(text.replace("%", "pct"), bare=True) or math.nan
        if not 0 < factor < 1e40:
            raise TasklawsError(f"--units {name}={text}: give a number, k, M, B, T or percent")
        found[name] = factor
    return found


def parse_directions(texts: Sequence[str]) -> dict[str, str]:
    """`--direction`: METRIC=up or METRIC=down, separated by commas."""
    found = {}
    for metric, way in _pairs("--direction", texts, "my_metric=up"):
        if way not in ("up", "down"):
            raise TasklawsError(f"--direction {metric}={way}: give up (more is better) or down (less is better)")
        found[metric] = way
    return found


def _pairs(option: str, texts: Sequence[str], example: str) -> Iterable[tuple[str, str]]:
    for part in (part for text in texts for part in text.split(",") if part.strip()):
        name, equals, value = part.rpartition("=")
        if not (equals and name.strip() and value.strip()):
            raise TasklawsError(f"{option} {quoted(part)}: write it as in {option} {example}")
        yield name.strip(), value.strip()


def refuse_readings(source: str, table: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raise TasklawsError where rows of a model and item differ by metric, step or the like: these are no attempts."""
    for column in table:
        if column in keys or not known_as(str(column), _NO_ATTEMPTS):
            continue
        several = table[column].groupby([table[key] for key in keys]).nunique()
        if (several > 1).any():
            named: Any = (several > 1).idxmax()
            rows = table[(table[[*keys]] == list(named)).all(axis="columns")]
            values = ", ".join(map(quoted, rows[column].dropna().unique()[:3]))
            what = ", ".join(f"{key} {quoted(name)}" for key, name in zip(keys, named, strict=True))
            raise TasklawsError(
                f"{source}: {what} has several values of {quoted(column)}: {values}: keep the rows of one"
            )


def _refuse_near_misses(path: str, columns: Columns, known: Collection[str], aliases: Mapping[str, str]) -> None:
    """Raise TasklawsError at a column that is a letter off a known name which the table lacks, or a known name with a
    unit that is not known."""
    spellings = {spelling: each for each in known for spelling in (each, *aliases.get(each, "").split())}
    near: dict[str, set[str]] = {}
    for spelling in spellings:
        if len(spelling) > 3:
            for cut in _cuts(spelling):
                near.setdefault(cut, set()).add(spelling)
    for name in columns.others:
        wanted = normal(name)
        base = _BRACKETS.fullmatch(name)
        if base and known_as(base[1], known, aliases) not in (None, *columns.names):
            raise TasklawsError(
                f"{path}: column {quoted(name)}: what is in brackets is no known unit: rename it to "
                f"{known_as(base[1], known, aliases)!r}, or give the unit as B, 1e9 or %"
            )
        if len(name.strip()) == 1 and name.strip().upper() in _LAW_LETTERS:
            column = known_as(name.strip().upper(), known, aliases)
            if column not in (None, *columns.names):
                raise TasklawsError(
                    f"{path}: column {name.strip()!r} may be {column!r}: rename it to that, or otherwise"
                )
        if len(wanted) < 3 or wanted in _ORDINARY:
            continue
        plain = name.strip().casefold()
        for spelling in sorted(set().union(*(near.get(cut, ()) for cut in _cuts(wanted) | _cuts(plain)))):
            close = one_edit(wanted, spelling) or one_edit(plain, spelling)
            if spellings[spelling] not in columns.names and close:
                raise TasklawsError(
                    f"{path}: column {quoted(name)} is close to {spelling!r}: rename it to {spellings[spelling]!r} if "
                    "it is that, otherwise to something else"
                )


def _cuts(word: str) -> set[str]:
    return {word} | {word[:place] + word[place + 1 :] for place in range(len(word))}


def one_edit(one: str, other: str) -> bool:
    """Whether two words are one letter more, less, other or swapped with its neighbour apart, or none."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    place = next((index for index, letter in enumerate(short) if letter != long[index]), len(short))
    if len(short) < len(long):
        return short[place:] == long[place + 1 :]
    swapped = short[place + 1 : place + 2] + short[place : place + 1] == long[place : place + 2]
    return short[place + 1 :] == long[place + 1 :] or (swapped and short[place + 2 :] == long[place + 2 :])


def with_aliases(known: Collection[str], aliases: Mapping[str, str] = ALIASES) -> str:
    """The known columns with some of their other names, as refusals list them."""
    parts = []
    for column in known:
        other = aliases.get(column, "").split()[:2]
        parts.append(f"{column} ({', '.join(other)})" if other else column)
    return ", ".join(parts)
