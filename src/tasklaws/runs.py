"""What each MLflow run of a ladder holds, read from the pipeline's outputs."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasklaws.errors import TasklawsError
from tasklaws.files import read_json, read_table, records, sha256_file
from tasklaws.ladder.card import read_made_by
from tasklaws.schema import OBSERVATION_COLUMNS, OBSERVATION_KEYS, OBSERVATION_NUMBERS

PAIR = ["family", "elicitation", "metric"]
FORECAST_KEYS = ["rung", *PAIR]
FORECAST_NUMBERS = ["n_params", "predicted", "lower", "upper"]
FORECAST_COLUMNS = [*FORECAST_KEYS, *FORECAST_NUMBERS, "method", "fit_status", "verdict"]
OTHER_CHARACTERS = re.compile(r"[^\w\-. :/]", re.ASCII)
Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """What one MLflow run holds: metrics are (name, value, step), artifacts (file, folder in the run)."""

    kind: str
    name: str
    params: dict[str, str]
    metrics: list[tuple[str, float, int]]
    tags: dict[str, str]
    artifacts: list[tuple[Path, str]]

    @property
    def content_sha256(self) -> str:
        """The hash of everything in the run: one whose hash is already stored can be left alone."""
        files = [[path.name, folder, sha256_file(path)] for path, folder in self.artifacts]
        return hash_json([self.kind, self.name, self.params, sorted(self.metrics), self.tags, files])


def hash_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def hash_files(paths: list[Path]) -> str:
    return hash_json([[path.name, sha256_file(path)] for path in sorted(paths)])


def flatten(value: Any, name: str) -> dict[str, Any]:
    """Nested dictionaries as one, keys joined by dots: `{"a": {"b": 1}}` under `x` -> `{"x.a.b": 1}`."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: leaf for part in value for key, leaf in flatten(value[part], f"{name}.{part}").items()}


def texts(values: dict[str, Any]) -> dict[str, str]:
    """Params as MLflow takes them."""
    return {OTHER_CHARACTERS.sub("_", key): str(value) for key, value in sorted(values.items())}


def metric_name(*parts: str) -> str:
    """Parts joined by slashes, by which the UI groups charts; characters that MLflow refuses become `_`."""
    return OTHER_CHARACTERS.sub("_", "/".join(parts))


def collect(root: Path, params: dict[str, Any]) -> list[Run]:
    """The runs of the ladder in params, from outputs under `root`: one a rung, then `fit` and `forecast`."""
    ladder = params["models"]["name"]
    results, scores = root / "results" / ladder, root / "scores" / ladder
    needed = [*OBSERVATION_KEYS, "n_params", "value", "n_tokens", "train_flops"]
    observations = [
        row
        for role in ("fit", "holdout")
        for row in records(
            read_table(
                results / f"observations_{role}.csv", OBSERVATION_COLUMNS, OBSERVATION_KEYS, needed, OBSERVATION_NUMBERS
            )
        )
    ]
    needed = [*FORECAST_KEYS, "n_params", "verdict"]
    forecasts = records(
        read_table(results / "forecasts.csv", FORECAST_COLUMNS, FORECAST_KEYS, needed, FORECAST_NUMBERS)
    )
    items = hash_files(list((root / "data" / "items").glob("*.jsonl")))
    asking = {key: value for key, value in params.items() if key not in ("laws", "execution")}
    science = {key: value for key, value in params.items() if key != "execution"}
    tags = {"ladder": ladder, "items_sha256": items, "params_sha256": hash_json(asking)}
    runs = [
        rung_run(rung, scores / entry["role"], entry, [row for row in observations if row["rung"] == rung], tags)
        for rung, entry in params["models"]["rungs"].items()
    ]
    tags = {**tags, "params_sha256": hash_json(science)}
    return [*runs, fit_run(results, params, forecasts, tags), forecast_run(results, forecasts, tags)]


def rung_run(rung: str, scores: Path, entry: dict[str, Any], observations: Records, tags: dict[str, str]) -> Run:
    """A rung: its source as params; its observations by training step, averaged over seeds and for each.

    `scores` is the folder that holds its scores, and beside them what made them.
    """
    made_by = read_made_by(scores, rung)
    known = made_by.card
    if not observations:
        raise TasklawsError(f"rung {known.rung} has no observations: run `dvc repro`")
    sizes = {"n_params": known.n_params, "n_params_total": known.n_params_total}
    metrics = [(name, float(value), 0) for name, value in sizes.items()]
    by_seed: dict[tuple[str, int], list[float]] = {}
    for row in observations:
        name = metric_name(row["family"], row["elicitation"], row["metric"])
        metrics.append((f"{name}/seed{int(row['seed'])}", float(row["value"]), int(row["step"])))
        by_seed.setdefault((name, int(row["step"])), []).append(float(row["value"]))
        for scale in ("n_tokens", "train_flops"):
            by_seed.setdefault((scale, int(row["step"])), []).append(float(row[scale]))
    metrics += [(name, math.fsum(values) / len(values), step) for (name, step), values in by_seed.items()]
    hashes = {
        "card_sha256": hash_json(known.to_dict()),
        "model_sha256": known.final.weights_sha256,
        "tokenizer_sha256": known.tokenizer_sha256,
        "sandbox_sha256": hash_json(made_by.sandbox),
    }
    if known.corpus_sha256 is not None:
        hashes["corpus_sha256"] = known.corpus_sha256
    params = {**flatten(entry["source"], "source"), "role": entry["role"], **sizes}
    return Run(
        kind="rung",
        name=known.rung,
        params=texts(params),
        metrics=metrics,
        tags={**tags, **hashes, "role": entry["role"]},
        artifacts=[(scores / f"{rung}.json", "")],
    )


def fit_run(results: Path, params: dict[str, Any], forecasts: Records, tags: dict[str, str]) -> Run:
    """The laws: their settings, and for every pair how it is forecast and what that rests on."""
    chosen = {
        ".".join([*(row[key] for key in PAIR), name]): row[name]
        for row in forecasts
        for name in ("method", "fit_status")
        if name in row
    }
    names = ["fits.json", "mirage.csv", "observations_fit.csv", "structure.csv"]
    artifacts = [(results / name, "") for name in names]
    return Run("fit", "fit", texts({**flatten(params["laws"], "laws"), **chosen}), [], tags, artifacts)


def forecast_run(results: Path, forecasts: Records, tags: dict[str, str]) -> Run:
    """The forecasts with the holdout's n_params as step, the verdicts, the errors made, and every figure."""
    metrics = [
        (metric_name(*(row[key] for key in PAIR), name), float(row[name]), int(row["n_params"]))
        for row in forecasts
        for name in ("predicted", "lower", "upper")
        if name in row
    ]
    errors = flatten(read_json(results / "metrics.json"), "validation")
    metrics += [
        (metric_name(*name.split(".")), float(value), 0)
        for name, value in errors.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    ]
    verdicts = {".".join([*(row[key] for key in PAIR), "verdict"]): row["verdict"] for row in forecasts}
    names = ["forecasts.csv", "methods.csv", "validation.csv"]
    names += ["surprises.csv", "surprise_counts.csv", "surprising_skills.csv"]
    tables = [results / name for name in names]
    figures = sorted((results / "figures").glob("*.svg"))
    artifacts = [(path, "") for path in tables] + [(path, "figures") for path in figures]
    return Run("forecast", "forecast", texts(verdicts), metrics, tags, artifacts)
