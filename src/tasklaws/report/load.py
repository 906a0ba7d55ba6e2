"""What the report is made from: the pipeline's outputs for one ladder, read and checked once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError, printable
from tasklaws.core.files import sha256_file
from tasklaws.core.schema import BENCHMARK, AnyItem, Item, read_asked_items
from tasklaws.core.settings import Settings, TrainSource
from tasklaws.families.prompts import split_task
from tasklaws.forecast.fits_file import load_fits
from tasklaws.paths import Paths
from tasklaws.tables import (
    BANDS,
    FORECASTS,
    METHOD_FORECASTS,
    MIRAGE,
    PLANNED,
    REAL,
    VALIDATION,
    CurveKey,
    read_checkpoints,
    read_effective_numbers,
    read_scores,
    refuse_strangers,
)

Task = tuple[str, str]
"""A family and an elicitation."""
CORPUS: Task = ("corpus", "likelihood")
METRICS_IN_ORDER = ["exact_match", "exact_match_flexible", "partial_credit", "brier", "target_bits_per_byte"]
METRICS_IN_ORDER += ["loss_nats", "bits_per_byte"]


@dataclass(frozen=True, eq=False)
class Results:
    """One ladder's results; an empty cell is NaN.

    `rungs` maps each rung to its role, in order of size; `tasks` are those that were asked, families in the order of
    the settings, benchmarks last, and `families` the settings of the first; `unlearned` are those of which the corpus
    has no document, where rungs were trained on it. All tables but `bands` and `methods` are in these orders.
    `observations` are those of all checkpoints; `marks` the scores of final ones under every metric, and `scores` those
    with an exact match, with the item's `size`, `n_digits` of it, and `human_seconds`; `items` is indexed by item.
    `laws` has a row a curve and law, whose `params` and `interval` map a parameter to its value and limits. `real` has
    what a real model scored (tables.REAL) of which these are the items, `drawn` where it was asked in the ladder's
    prompts; nothing where no rung was trained here.
    """

    paths: Paths
    rungs: dict[str, str]
    tasks: list[Task]
    families: Mapping[str, Mapping[str, Any]]
    unlearned: list[str]
    items: pd.DataFrame
    scores: pd.DataFrame
    marks: pd.DataFrame
    observations: pd.DataFrame
    forecasts: pd.DataFrame
    validation: pd.DataFrame
    methods: pd.DataFrame
    bands: pd.DataFrame
    laws: pd.DataFrame
    mirage: pd.DataFrame
    effective_numbers: pd.DataFrame
    planned: pd.DataFrame
    real: pd.DataFrame

    @property
    def holdouts(self) -> list[str]:
        return [rung for rung, role in self.rungs.items() if role == "holdout"]

    @property
    def n_params(self) -> dict[str, float]:
        """The size of each rung, from the smallest up."""
        return {str(rung): float(size) for rung, size in _sizes(self.observations).items()}

    def metrics(self, task: Task) -> list[str]:
        """The metrics that the task was scored by: exact match, then the continuous ones, then a benchmark's own."""
        found = set(of_task(self.observations, task)["metric"])
        return [*(metric for metric in METRICS_IN_ORDER if metric in found), *sorted(found - set(METRICS_IN_ORDER))]

    def observed(self, task: Task, metric: str, final: bool = True) -> pd.DataFrame:
        """The observations of a curve, of final checkpoints or of all."""
        rows = of_task(self.observations, task, metric)
        return rows[rows["is_final"]] if final else rows

    def forecast(self, task: Task, metric: str) -> "pd.Series[Any] | None":
        """The forecast of the (last) holdout rung, if one was made."""
        rows = of_task(self.forecasts, task, metric)
        return None if rows.empty else rows.iloc[-1]

    @property
    def asked(self) -> list[str]:
        """The families of the settings, and the benchmarks."""
        return [*self.families, *dict.fromkeys(family for family, way in self.tasks if way == BENCHMARK)]

    def made_by(self, generator: str) -> list[str]:
        """The families that one generator made."""
        return [name for name, settings in self.families.items() if settings.get("generator") == generator]


def of_task(table: pd.DataFrame, task: Task, metric: str | None = None) -> pd.DataFrame:
    """The rows of a task, or of one of its curves."""
    own = (table["family"] == task[0]) & (table["elicitation"] == task[1])
    return table[own if metric is None else own & (table["metric"] == metric)]


def load_results(root: Path, settings: Settings) -> Results:
    """Read the ladder of the settings; a missing or malformed file raises TasklawsError."""
    ladder, entries, families = settings.models.name, settings.models.rungs, settings.families.sets
    paths = Paths(ladder, root)
    observations = _read_observations(paths, list(entries))
    sizes = _sizes(observations).reindex(list(entries)).dropna().sort_values(kind="stable")
    rungs: dict[str, str] = {rung: entries[rung].role for rung in sizes.index}
    observations = _in_order(observations, ["rung"], list(rungs), ["seed", "step"])
    benchmarks = sorted(set(observations.loc[observations["elicitation"] == BENCHMARK, "family"]))
    items = _item_table(read_asked_items([*families, *benchmarks], root))
    scores = pd.concat([read_scores(paths.scores(entry.role), [rung]) for rung, entry in entries.items()])
    scores = _in_order(_final_scores(scores, observations, items), ["rung"], list(rungs))
    asked = set(zip(observations["family"], observations["elicitation"], strict=True)) - {CORPUS}
    place = {family: index for index, family in enumerate(families)}
    tasks = sorted(asked, key=lambda task: (place.get(task[0], len(place)), task))
    trained = any(isinstance(entry.source, TrainSource) for entry in entries.values())
    learned = {split_task(task)[0] for task in settings.corpus.mixture}
    by_task = ["family", "elicitation"]
    forecasts, validation = FORECASTS.read(paths.forecasts), VALIDATION.read(paths.validation)
    _refuse_gaps(forecasts, validation, paths.validation)
    return Results(
        paths=paths,
        rungs=rungs,
        tasks=tasks,
        families=families,
        unlearned=[family for family in families if trained and family not in learned],
        items=items,
        scores=scores[scores["exact_match"].notna()],
        marks=scores,
        observations=observations,
        forecasts=_in_order(forecasts, by_task, tasks),
        validation=_in_order(validation, by_task, tasks, ["metric"]),
        methods=METHOD_FORECASTS.read(paths.methods),
        bands=BANDS.read(paths.bands),
        laws=_law_table(paths.fits, ladder),
        mirage=_in_order(MIRAGE.read(paths.mirage), by_task, tasks),
        effective_numbers=_in_order(read_effective_numbers(paths.effective_numbers, ladder), by_task, tasks),
        planned=_in_order(PLANNED.read(paths.planned), by_task, tasks, ["rung", "metric"]),
        real=_in_order(_real_of(paths, families, settings.models.prompts, trained), by_task, tasks),
    )


def _real_of(paths: Paths, families: Iterable[str], prompts: str, trained: bool) -> pd.DataFrame:
    table = REAL.read(paths.real)
    asked = {sha256_file(paths.items / f"{family}.jsonl") for family in families if trained}
    return table[table["items_sha256"].isin(asked)].assign(drawn=lambda kept: kept["prompts"] == prompts)


def _refuse_gaps(forecasts: pd.DataFrame, validation: pd.DataFrame, path: Path) -> None:
    """Raise TasklawsError where a forecast lacks its outcome: a table that was cut off at the end of a row."""
    told = set(validation[FORECASTS.keys].itertuples(index=False, name=None))
    for key in forecasts[FORECASTS.keys].itertuples(index=False, name=None):
        if key not in told:
            raise TasklawsError(f"{path} has no row of {' '.join(key)}: run `dvc repro --force validate`")


def _read_observations(paths: Paths, rungs: list[str]) -> pd.DataFrame:
    tables = [read_checkpoints(paths.observations(role)) for role in ("fit", "holdout")]
    # Without those that have no row, whose columns have no type.
    table = pd.concat([one for one in tables if len(one)] or tables, ignore_index=True)
    return table[table["rung"].isin(rungs)]


def _sizes(observations: pd.DataFrame) -> "pd.Series[float]":
    return observations.groupby("rung", sort=False)["n_params"].last()


def _in_order(table: pd.DataFrame, columns: list[str], order: list[Any], then: list[str] | None = None) -> pd.DataFrame:
    """The rows by the place of their `columns` in `order`, what is not in it first, and by the columns of `then`."""
    place = {key if isinstance(key, tuple) else (key,): index for index, key in enumerate(order)}
    ranked = table.sort_values(then, kind="stable") if then else table
    ranks = [place.get(key, -1) for key in zip(*(ranked[column] for column in columns), strict=True)]
    return ranked.iloc[np.argsort(ranks, kind="stable")]


def _item_table(items: list[AnyItem]) -> pd.DataFrame:
    columns = ["item", "family", "question", "answer", "choices", "human_seconds", "size"]
    # As pages show them: a lone surrogate, which JSON can hold, is no text to pandas.
    texts = [{"question": printable(item.question), "answer": printable(item.answer)} for item in items]
    rows = [
        vars(item) | text | {"item": item.id, "size": _item_size(item)} for item, text in zip(items, texts, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns).set_index("item")


def _item_size(item: AnyItem) -> int:
    """How long an item is by its family's own measure.

    The power of a hash, the last number in the question (n of a sum), or else the number of steps; of a benchmark the
    length of the question.
    """
    if not isinstance(item, Item):
        return len(item.question)
    if item.question.startswith("sha256^"):
        return item.n_required
    numbers = re.findall(r"\d+$", item.question)
    return int(numbers[0]) if numbers else item.n_required + item.n_optional


def _final_scores(scores: pd.DataFrame, observations: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    final = observations.loc[observations["is_final"], ["rung", "seed", "step"]].drop_duplicates()
    found = scores.merge(final, on=["rung", "seed", "step"])
    refuse_strangers(found["item"], items.index, "data/items", "run `dvc repro`")
    found = found.merge(items[["size", "human_seconds"]], left_on="item", right_index=True, validate="many_to_one")
    return found.assign(n_digits=found["size"].astype(str).str.len())


def program_outcomes(scores: pd.DataFrame) -> "pd.Series[str]":
    """What became of each program: solved, out of fuel, wrong answer or program failed."""
    failures = scores["status"].map({"ok": "wrong answer", "out_of_fuel": "out of fuel"}).fillna("program failed")
    return failures.mask(scores["exact_match"] == 1, "solved")


def _law_table(path: Path, ladder: str) -> pd.DataFrame:
    columns = [*CurveKey._fields, "law", "status", "reason", "params", "interval", "misfit"]
    rows = [curve.key._asdict() | vars(law) for curve in load_fits(path, ladder) for law in curve.laws]
    return pd.DataFrame(rows, columns=columns).astype({"misfit": float})
