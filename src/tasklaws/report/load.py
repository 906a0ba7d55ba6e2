"""What the report is made from: the pipeline's outputs for one ladder, read and checked once."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import records
from tasklaws.core.schema import ITEMS, Item, read_items
from tasklaws.core.settings import Settings, TrainSource
from tasklaws.families.prompts import split_task
from tasklaws.forecast.curve_fits import FittedCurve, load_fits
from tasklaws.tables import (
    BANDS,
    FORECASTS,
    METHOD_FORECASTS,
    MIRAGE,
    OBSERVATIONS,
    VALIDATION,
    CurveKey,
    read_effective_numbers,
    read_scores,
)

Row = dict[str, Any]
Pair = tuple[str, str]
CORPUS: Pair = ("corpus", "likelihood")
CONTINUOUS = ["partial_credit", "brier", "target_bits_per_byte"]
OF_CORPUS = ["loss_nats", "bits_per_byte"]


@dataclass(frozen=True)
class Evidence:
    """One ladder's results, as rows in which an empty cell is absent.

    `rungs` maps each rung to its role, in order of size. `bands` are the forecast along size, `methods` what each
    method said of the holdout, `mirage` the mirage check, `structure` how many tasks families are worth. `scores` are
    the exact matches of final checkpoints. `settings` maps a family to its settings. `unlearned` are the families of
    which no document of the corpus is, where rungs were trained on it.
    """

    ladder: str
    rungs: dict[str, str]
    observations: list[Row]
    forecasts: list[Row]
    methods: list[Row]
    bands: dict[CurveKey, list[Row]]
    fits: dict[CurveKey, FittedCurve]
    mirage: list[Row]
    validation: list[Row]
    structure: list[Row]
    scores: list[Row]
    items: dict[str, Item]
    settings: dict[str, dict[str, Any]]
    unlearned: list[str]

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every (family, elicitation) that was asked, families in the order of params."""
        order = {family: index for index, family in enumerate(self.settings)}
        found = {(row["family"], row["elicitation"]) for row in self.observations} - {CORPUS}
        return sorted(found, key=lambda pair: (order.get(pair[0], len(order)), pair))

    def metrics(self, pair: Pair) -> list[str]:
        """The metrics that the pair was judged by: exact match, then the continuous ones."""
        found = {row["metric"] for row in self.of(pair)}
        return [metric for metric in ("exact_match", *CONTINUOUS, *OF_CORPUS) if metric in found]

    def of(self, pair: Pair, metric: str | None = None, final: bool = False) -> list[Row]:
        """The observations of a pair, from the smallest rung up."""
        return [
            row
            for row in self._by_pair.get(pair, [])
            if (metric is None or row["metric"] == metric) and (row["is_final"] or not final)
        ]

    @cached_property
    def _by_pair(self) -> dict[Pair, list[Row]]:
        found: dict[Pair, list[Row]] = {}
        size = {rung: index for index, rung in enumerate(self.rungs)}
        for row in sorted(self.observations, key=lambda row: (size[row["rung"]], row["seed"], row["step"])):
            found.setdefault((row["family"], row["elicitation"]), []).append(row)
        return found

    def forecast(self, pair: Pair, metric: str) -> Row | None:
        """The forecast of the (last) holdout rung, if one was made."""
        rows = [row for row in self.forecasts if (row["family"], row["elicitation"]) == pair]
        return next((row for row in reversed(rows) if row["metric"] == metric), None)

    def methods_of(self, pair: Pair, metric: str) -> list[Row]:
        """What each method said of that rung."""
        told = self.forecast(pair, metric) or {"rung": None}
        key = (told["rung"], *pair, metric)
        return [row for row in self.methods if tuple(row[name] for name in FORECASTS.keys[1:]) == key]

    def outcome(self, pair: Pair, metric: str) -> float | None:
        """What that rung did."""
        told = self.forecast(pair, metric) or {"rung": None}
        key = (told["rung"], *pair, metric)
        rows = [row for row in self.validation if tuple(row[name] for name in FORECASTS.keys[1:]) == key]
        return float(rows[0]["observed"]) if rows else None

    def scores_of(self, pair: Pair) -> list[Row]:
        return self._scores_by_pair.get(pair, [])

    @cached_property
    def _scores_by_pair(self) -> dict[Pair, list[Row]]:
        found: dict[Pair, list[Row]] = {}
        for row in self.scores:
            found.setdefault((row["family"], row["elicitation"]), []).append(row)
        return found

    def made_by(self, generator: str) -> list[str]:
        """The families that one generator made."""
        return [name for name, settings in self.settings.items() if settings.get("generator") == generator]


def size_of(item: Item) -> int:
    """How long an item is by its family's own measure.

    The power of a hash, the last number in the question (n of a sum), or else the number of steps.
    """
    if item.question.startswith("sha256^"):
        return item.n_required
    numbers = re.findall(r"\d+$", item.question)
    return int(numbers[0]) if numbers else item.n_required + item.n_optional


def load(root: Path, settings: Settings) -> Evidence:
    """Read the ladder of the settings; a missing or malformed file raises TasklawsError."""
    ladder = settings.models.name
    results = root / "results" / ladder
    observations: list[Row] = []
    for role in ("fit", "holdout"):
        path = results / f"observations_{role}.csv"
        table = OBSERVATIONS.read(path)
        observations += records(table[table["rung"].isin(list(settings.models.rungs))])
    final = {(row["rung"], row["seed"], row["step"]) for row in observations if row["is_final"]}
    scores: list[Row] = []
    for rung, entry in settings.models.rungs.items():
        for row in records(read_scores(root / "scores" / ladder / entry.role, [rung])):
            if (row["rung"], row["seed"], row["step"]) in final and "exact_match" in row:
                scores.append(row)
    every = [item for family in settings.families.sets for item in read_items(root / ITEMS / f"{family}.jsonl")]
    items = {item.id: item for item in every}
    strangers = [row["item"] for row in scores if row["item"] not in items]
    if strangers:
        raise TasklawsError(f"item {strangers[0]} was scored and is not in {root / ITEMS}: run `dvc repro`")
    sizes = {row["rung"]: row["n_params"] for row in observations}
    roles = {rung: entry.role for rung, entry in settings.models.rungs.items() if rung in sizes}
    trained = any(isinstance(rung.source, TrainSource) for rung in settings.models.rungs.values())
    learned = {split_task(task)[0] for task in settings.corpus.mixture}
    bands: dict[CurveKey, list[Row]] = {}
    for row in records(BANDS.read(results / "bands.csv")):
        bands.setdefault(CurveKey(row["family"], row["elicitation"], row["metric"]), []).append(row)
    mirage = MIRAGE.read(results / "mirage.csv")
    validation = VALIDATION.read(results / "validation.csv")
    return Evidence(
        ladder=ladder,
        rungs=dict(sorted(roles.items(), key=lambda pair: sizes[pair[0]])),
        observations=observations,
        forecasts=records(FORECASTS.read(results / "forecasts.csv")),
        methods=records(METHOD_FORECASTS.read(results / "methods.csv")),
        bands=bands,
        fits={curve.key: curve for curve in load_fits(results / "fits.json", ladder)},
        mirage=records(mirage),
        validation=records(validation),
        structure=records(read_effective_numbers(results / "structure.csv", ladder)),
        scores=scores,
        items=items,
        settings=settings.families.sets,
        unlearned=[family for family in settings.families.sets if trained and family not in learned],
    )
