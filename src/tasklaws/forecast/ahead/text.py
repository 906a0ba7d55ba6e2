"""The report of a forecast: a table in Markdown that can be pasted, and the reasons behind each row."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasklaws.forecast.panel import place_in_words
from tasklaws.frames.natural import natural
from tasklaws.frames.shown import shown

if TYPE_CHECKING:
    from tasklaws.forecast.ahead.verb import Forecasted

NARROWED_BY = {
    "gap": "a rung nearer to it",
    "models": "more known models (rungs or seeds)",
    "items": "more items of the task",
    "overlap": "items on more skills",
}
MOST_REASONS = 40  # rows whose reasons are told: of more, forecasts.csv has them
PLACED_BY = {
    "train_flops": "training compute (FLOPs)",
    "n_params": "parameters",
    "n_tokens": "training tokens",
    "step": "training steps",
    "loss": "validation loss",
    "date": "date",
}
_PLAIN_SAID = 0.995
_FOREIGN = ("ladder", "task", "metric", "model")


def report(found: "Forecasted") -> str:
    """A table for each ladder and planned model, why each verdict, and what was left out or taken for granted."""
    found, lines = for_people(found), []
    for ladder, model, rows in by_model(found.forecasts):
        lines += [f"{model}: {distance(rows, found.known)}", "", *_table(rows), ""]
        lines += [*_weights(found.methods, ladder, model), ""]
        lines += [*_reasons(rows), ""]
        asked = asked_line(found.ask_first, ladder, model)
        lines += [asked, ""] if asked else []
    return "\n".join([*lines, *(f"note: {line}" for line in found.notes)])


def for_people(found: "Forecasted") -> "Forecasted":
    """The same with names and notes as a terminal or a page may show them."""

    def named(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(**{name: table[name].map(shown) for name in _FOREIGN if name in table})

    return replace(
        found,
        forecasts=named(found.forecasts),
        methods=named(found.methods),
        known=named(found.known),
        ask_first=named(found.ask_first),
        notes=tuple(map(shown, found.notes)),
    )


def by_model(forecasts: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The rows of each ladder and planned model, in natural order."""
    groups = [(str(ladder), str(model), rows) for (ladder, model), rows in forecasts.groupby(["ladder", "model"])]
    yield from sorted(groups, key=lambda group: (natural(group[0]), natural(group[1])))


def asked_line(ask_first: pd.DataFrame, ladder: str, model: str) -> str:
    """Which tasks to ask first, and how far they narrow the others' forecasts; empty where nothing is to be chosen."""
    rows = ask_first[(ask_first["ladder"] == ladder) & (ask_first["model"] == model)]
    if rows.empty:
        return ""
    several = rows["task"].duplicated().any()
    names = rows["task"] + (" " + rows["metric"] if several else "")
    left = rows["width_left"].iloc[-1]
    worth = f": once known, the others' intervals are {left:.2f} times as wide" if left > 0 else ""
    return f"Ask first: {', '.join(names)}{worth}."


def distance(rows: pd.DataFrame, known: pd.DataFrame) -> str:
    """How far a planned model lies from the last known one of its ladder, in words."""
    ladder, count = rows["ladder"].iloc[0], rows["n_fit"].iloc[0]
    own = known[known["ladder"] == ladder]
    last = own.loc[own["place"].idxmax()]
    of = f"{last['model']}, the last of {count} known models of {ladder}"
    by, place = rows["placed_by"].iloc[0], rows["place"].iloc[0]
    if by in ("date", "loss"):
        return f"{by} {place_in_words(by, place)}, beside {place_in_words(by, last['place'])} of {of}"
    return f"{np.exp(place - last['place']):.3g} times the {PLACED_BY[by]} of {of}"


def _table(rows: pd.DataFrame) -> Iterator[str]:
    metrics = rows["metric"].nunique() > 1
    threshold = rows["threshold"].iloc[0]
    head = ["task", *(["metric"] if metrics else []), "last known", "forecast", "90% interval", "expected error"]
    head += ["headline", "verdict"]
    passes, leaves = rows["p_passes"].notna().any(), rows["leaves_floor"].notna().any()
    head += [f"passes {threshold:g}"] if passes else []
    head += ["leaves the floor"] if leaves else []
    cells = [head]
    for row in rows.to_dict("records"):
        cells.append(
            [
                row["task"].replace("|", "\\|"),
                *([row["metric"]] if metrics else []),
                *(f"{row[name]:.3f}" for name in ("last", "predicted")),
                f"{row['lower']:.3f} to {row['upper']:.3f}",
                f"{row['expected_error_points']:.1f}{'%' if row['is_loss'] else ' points'}",
                row["headline"],
                row["verdict"],
                *([chance(row["p_passes"])] if passes else []),
                *([chance(row["leaves_floor"])] if leaves else []),
            ]
        )
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    aligned = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells]
    yield from [aligned[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *aligned[1:]]


def chance(probability: Any) -> str:
    """A probability in per cent; only certainty is 0% or 100%, and what is unknown is empty."""
    if pd.isna(probability):
        return ""
    if probability >= _PLAIN_SAID or probability <= 1 - _PLAIN_SAID:
        return ">99%" if probability > 0.5 else "<1%"
    return f"{100 * probability:.0f}%"


def _weights(methods: pd.DataFrame, ladder: str, model: str) -> Iterator[str]:
    own = methods[(methods["ladder"] == ladder) & (methods["model"] == model)]
    share = own.groupby("method")["weight"].sum() / max(own["weight"].sum(), 1e-12)
    some = [f"{name} {chance(weight)}" for name, weight in share.sort_values(ascending=False).items() if weight > 0.005]
    yield f"Weights of the methods, mean over tasks: {', '.join(some)}."


def _reasons(rows: pd.DataFrame) -> Iterator[str]:
    if len(rows) > MOST_REASONS:
        yield f"The evidence behind {len(rows)} verdicts: column `evidence` of forecasts.csv (--out), or --json."
        return
    yield "Why, and what would narrow each interval most:"
    for row in rows.to_dict("records"):
        narrowed = f"{NARROWED_BY[row['narrowed_by']]} ({chance(row['part'])} of the variance)"
        yield f"- {row['task']}: {row['verdict']}: {row['evidence']}. Narrowed most by {narrowed}."
