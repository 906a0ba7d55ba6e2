"""What the report is made from: the pipeline's outputs for one ladder, read and checked once."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tasklaws.files import read_jsonl, read_table
from tasklaws.forecast import load_fits
from tasklaws.forecast.check import VALIDATION_COLUMNS
from tasklaws.forecast.surprises import SURPRISE_COLUMNS, SURPRISE_KEYS
from tasklaws.forecast.tables import FORECAST_COLUMNS, FORECAST_KEYS
from tasklaws.laws import Fit
from tasklaws.schema import OBSERVATION_COLUMNS, OBSERVATION_KEYS, SCORE_COLUMNS, SCORE_KEYS, Item

Row = dict[str, Any]
Pair = tuple[str, str]
CORPUS: Pair = ("corpus", "likelihood")
CONTINUOUS = ["partial_credit", "brier", "target_bits_per_byte"]
LOSSES = ["loss_nats", "bits_per_byte"]


@dataclass(frozen=True)
class Evidence:
    """One ladder's results, as rows in which an empty cell is absent.

    `rungs` maps each rung to its role, in order of size. `scores` are the exact matches of final checkpoints.
    `fits` are the chosen ones by (family, elicitation, metric). `generators` maps a family to its generator's
    name, `settings` to its settings.
    """

    ladder: str
    rungs: dict[str, str]
    observations: list[Row]
    forecasts: list[Row]
    validation: list[Row]
    surprises: list[Row]
    scores: list[Row]
    items: dict[str, Item]
    fits: dict[tuple[str, str, str], Fit]
    settings: dict[str, dict[str, Any]]

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every (family, elicitation) that was asked, families in the order of params."""
        order = {family: index for index, family in enumerate(self.settings)}
        found = {(row["family"], row["elicitation"]) for row in self.observations} - {CORPUS}
        return sorted(found, key=lambda pair: (order.get(pair[0], len(order)), pair))

    def metrics(self, pair: Pair) -> list[str]:
        """The metrics that the pair was judged by: exact match, then the continuous ones."""
        found = {row["metric"] for row in self.of(pair)}
        return [metric for metric in ("exact_match", *CONTINUOUS, *LOSSES) if metric in found]

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


def rows_of(path: Path, columns: list[str], keys: list[str], required: list[str]) -> list[Row]:
    """A table's rows without their empty cells."""
    table = read_table(path, columns, keys, required)
    return [
        {str(name): value for name, value in row.items() if value == value and value is not None}
        for row in table.to_dict("records")
    ]


def load(root: Path, params: dict[str, Any]) -> Evidence:
    """Read the ladder named in params; a missing or malformed file raises TasklawsError."""
    ladder = params["models"]["name"]
    results = root / "results" / ladder
    observations: list[Row] = []
    needed = ["n_params", "n_tokens", "train_flops", "value"]
    for role in ("fit", "holdout"):
        path = results / f"observations_{role}.csv"
        observations += rows_of(path, OBSERVATION_COLUMNS, OBSERVATION_KEYS, needed)
    final = {(row["rung"], row["seed"], row["step"]) for row in observations if row["is_final"]}
    scores: list[Row] = []
    for rung, entry in params["models"]["rungs"].items():
        path = root / "scores" / ladder / entry["role"] / f"{rung}.csv"
        for row in rows_of(path, SCORE_COLUMNS, SCORE_KEYS, []):
            if (row["rung"], row["seed"], row["step"]) in final and "exact_match" in row:
                scores.append(row)
    settings = params["families"]["sets"]
    items = {
        row["id"]: Item.from_dict(row)
        for family in settings
        for row in read_jsonl(root / "data" / "items" / f"{family}.jsonl")
    }
    sizes = {row["rung"]: row["n_params"] for row in observations}
    roles = {rung: entry["role"] for rung, entry in params["models"]["rungs"].items() if rung in sizes}
    fits = {
        (fit.key.family, fit.key.elicitation, fit.key.metric): fit.used
        for fit in load_fits(results / "fits.json", ladder)
    }
    return Evidence(
        ladder=ladder,
        rungs=dict(sorted(roles.items(), key=lambda pair: sizes[pair[0]])),
        observations=observations,
        forecasts=rows_of(
            results / "before" / "holdout.csv", FORECAST_COLUMNS, FORECAST_KEYS, ["n_params", "predicted"]
        ),
        validation=rows_of(results / "validation.csv", VALIDATION_COLUMNS, FORECAST_KEYS, ["observed"]),
        surprises=rows_of(results / "surprises.csv", SURPRISE_COLUMNS, SURPRISE_KEYS, ["probability"]),
        scores=scores,
        items=items,
        fits=fits,
        settings=settings,
    )
