"""Stage pythia_report: the study's tables in Markdown, and its pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasklaws.core.files import read_json, write_text
from tasklaws.core.script import run
from tasklaws.plotting import LIGHT, house_style, key_below, log_x, panel, save
from tasklaws.tables import AHEAD_FORECASTS
from tasklaws.tabular.points import read_points

STUDY = Path("studies/pythia")
RESULTS = STUDY / "results"
BY_SIZE = "smaller models"
# Of each corpus its name, the line that it is drawn as, and how far its forecasts are moved aside to be told apart.
CORPORA = {"pythia-standard": ("the Pile", "-", 0.93), "pythia-deduped": ("the Pile, deduplicated", "--", 1.08)}


def main() -> None:
    check = pd.read_csv(RESULTS / "check.csv")
    ahead = AHEAD_FORECASTS.read(RESULTS / "forecasts_12b.csv")
    points = pd.concat([read_points(STUDY / "published" / name) for name in ("known.csv", "outcomes_6.9b.csv")])
    by_size = check[check["known"] == BY_SIZE]
    parts = (goodness(read_json(RESULTS / "check.json")), outcomes(by_size), statement(ahead))
    write_text(RESULTS / "summary.md", "\n\n".join("\n".join(part) for part in parts) + "\n")
    points, scores, ahead = (table[table["metric"] == "acc"] for table in (points, by_size, ahead))
    with house_style():
        save(picture(scores), RESULTS / "picture.svg")
        save(curves(points[points["is_final"]], scores, ahead), RESULTS / "curves.svg")


def goodness(figures: dict[str, Any]) -> Iterator[str]:
    """How far off each kind of forecast of 6.9b was."""
    yield "| Pythia 6.9b, forecast from | mean error | of the last known score, repeated | 90% intervals that held it |"
    yield "|---|---|---|---|"
    for metric, unit in (("acc", " points"), ("ppl", "%")):
        for known in sorted(figures[metric], key=lambda name: (name != BY_SIZE, len(name), name)):
            found = figures[metric][known]
            source = known if known == BY_SIZE else known.replace("steps to", "its own first") + " of 143000 steps"
            source += "" if metric == "acc" else ", perplexity"
            errors = " | ".join(f"{found[name]:.1f}{unit}" for name in ("mae", "mae_repeat_last"))
            yield f"| {source} | {errors} | {found['inside']} of {found['n']} |"


def outcomes(by_size: pd.DataFrame) -> Iterator[str]:
    """Each forecast of 6.9b from smaller models, and its outcome."""
    yield "| task | model | 2.8b | forecast of 6.9b | 6.9b | |"
    yield "|---|---|---|---|---|---|"
    for row in _rows(by_size):
        yield f"| {_told(row)} | {_value(row, row.observed)} | {'' if row.inside else 'outside'} |"


def statement(ahead: pd.DataFrame) -> Iterator[str]:
    """Each forecast of 12b, and its verdict."""
    yield "| task | model | 6.9b | forecast of 12b | verdict |"
    yield "|---|---|---|---|---|"
    for row in _rows(ahead):
        yield f"| {_told(row)} | {row.verdict} |"


def _rows(forecasts: pd.DataFrame) -> Iterator[Any]:
    yield from forecasts.sort_values(["metric", "task", "model"]).itertuples()


def _told(row: Any) -> str:
    """The task, the model, the largest known model's value, and the forecast with its interval."""
    task = row.task if row.metric == "acc" else f"{row.task}, perplexity"
    last, predicted, lower, upper = (_value(row, each) for each in (row.last, row.predicted, row.lower, row.upper))
    return f"{task} | {row.model} | {last} | {predicted} ({lower} to {upper})"


def _value(row: Any, value: float) -> str:
    return f"{100 * value:.1f}%" if row.metric == "acc" else f"{value:.2f}"


def picture(scores: pd.DataFrame) -> Figure:
    """Each task as two lines, one a corpus: the forecast's interval, what 6.9b did, and what 2.8b had."""
    tasks = list(scores.groupby("task")["observed"].mean().sort_values(ascending=False).index)
    figure, axes = panel("Pythia 6.9b: forecast, then checked", height=4.6, left=1.25, bottom=0.92)
    place = scores["task"].map(tasks.index) + scores["model"].str.endswith("-deduped").map({True: 0.18, False: -0.18})
    axes.hlines(place, scores["lower"], scores["upper"], color=LIGHT["forecast"], linewidth=5, alpha=0.35)
    handles = [
        *axes.plot(scores["last"], place, "o", color=LIGHT["paper"], markeredgecolor=LIGHT["fit"], markersize=5),
        *axes.plot(scores["predicted"], place, "s", color=LIGHT["forecast"], markersize=5),
        *axes.plot(scores["observed"], place, "D", color=LIGHT["outcome"], markersize=5),
    ]
    axes.set_yticks(range(len(tasks)), tasks)
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_xlim(0.1, 1.0)
    axes.xaxis.set_major_formatter(_percent)
    axes.set_xlabel("accuracy")
    key_below(figure, handles, ["2.8b, the largest known", "forecast, 90% interval", "what 6.9b did"])
    return figure


def curves(points: pd.DataFrame, scores: pd.DataFrame, ahead: pd.DataFrame) -> Figure:
    """Each task's scores by size for both corpora, the forecast and outcome of 6.9b, and the forecast of 12b."""
    tasks = sorted(scores["task"].unique())
    figure = Figure(figsize=(7.6, 10.4), layout="constrained")
    grid = figure.subplots(len(tasks) // 2, 2, sharex=True)
    for axes, task in zip(grid.flat, tasks, strict=True):
        curve(axes, *(table[table["task"] == task] for table in (points, scores, ahead)))
        axes.set_title(task)
        axes.label_outer()
        axes.yaxis.set_tick_params(labelleft=True)
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def curve(axes: Axes, points: pd.DataFrame, scores: pd.DataFrame, ahead: pd.DataFrame) -> None:
    """One task: a line a corpus, 6.9b's forecast beside its outcome, and 12b's."""
    for ladder, (corpus, line, aside) in CORPORA.items():
        own = points[points["ladder"] == ladder].sort_values("n_params")
        axes.plot(own["n_params"], own["value"], line, color=LIGHT["fit"], linewidth=1.1, label=corpus)
        largest = own.iloc[-1]
        named = (lambda label: label) if line == "-" else (lambda label: None)
        for model, table, n_params, role in (
            ("6.9b", scores[scores["model"] == largest["model"]], aside * largest["n_params"], "forecast"),
            ("12b", ahead[ahead["ladder"] == ladder], aside * ahead["n_params"].iloc[0], "scale1"),
        ):
            axes.vlines(n_params, table["lower"], table["upper"], color=LIGHT[role], linewidth=4, alpha=0.45)
            axes.plot(
                n_params, table["predicted"], "s", color=LIGHT[role], markersize=4, label=named(f"forecast of {model}")
            )
        axes.plot(
            largest["n_params"],
            largest["value"],
            "D",
            color=LIGHT["outcome"],
            markersize=4,
            label=named("what 6.9b did"),
        )
    if (chance := points["chance"].iloc[0]) > 0:
        axes.axhline(chance, color=LIGHT["chance"], linestyle=":", linewidth=1.2)
    log_x(axes, "non-embedding parameters")
    axes.yaxis.set_major_formatter(_percent)


def _percent(value: float, _: object) -> str:
    return f"{100 * value:.0f}%"


if __name__ == "__main__":
    run(main)
