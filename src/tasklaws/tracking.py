"""MLflow as an index: one experiment a ladder, rebuilt from the pipeline's outputs as often as wanted."""

import fcntl
import hashlib
import json
import logging
import math
import os
import re
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, records, sha256_file
from tasklaws.core.progress import progress
from tasklaws.tables import FORECASTS, read_checkpoints

if TYPE_CHECKING:  # pydantic takes time to import, which other commands need not wait for
    from tasklaws.core.settings import Settings

_PAIR = ["family", "elicitation", "metric"]
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


def collect(root: Path, settings: "Settings") -> list[Run]:
    """The runs of the ladder in `settings`, from outputs under `root`: one a rung, then `fit` and `forecast`."""
    ladder = settings.models.name
    results, scores = root / "results" / ladder, root / "scores" / ladder
    observations = [
        row for role in ("fit", "holdout") for row in records(read_checkpoints(results / f"observations_{role}.csv"))
    ]
    forecasts = records(FORECASTS.read(results / "forecasts.csv"))
    items = hash_files(list((root / "data" / "items").glob("*.jsonl")))
    asking = {key: value for key, value in settings.raw.items() if key not in ("laws", "execution")}
    science = {key: value for key, value in settings.raw.items() if key != "execution"}
    tags = {"ladder": ladder, "items_sha256": items, "params_sha256": hash_json(asking)}
    runs = [
        rung_run(rung, scores / entry["role"], entry, [row for row in observations if row["rung"] == rung], tags)
        for rung, entry in settings.raw["models"]["rungs"].items()
    ]
    tags = {**tags, "params_sha256": hash_json(science)}
    return [*runs, fit_run(results, settings.raw["laws"], forecasts, tags), forecast_run(results, forecasts, tags)]


def rung_run(rung: str, scores: Path, entry: dict[str, Any], observations: Records, tags: dict[str, str]) -> Run:
    """A rung: its source as params; its observations by training step, averaged over seeds and for each.

    `scores` is the folder that holds its scores, and beside them what made them.
    """
    from tasklaws.ladder.card import read_made_by

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


def fit_run(results: Path, laws: Any, forecasts: Records, tags: dict[str, str]) -> Run:
    """The laws: their settings, and for every pair how it is forecast and what that rests on."""
    chosen = {
        ".".join([*(row[key] for key in _PAIR), name]): row[name]
        for row in forecasts
        for name in ("method", "fit_status")
        if name in row
    }
    names = ["fits.json", "mirage.csv", "observations_fit.csv", "structure.csv"]
    artifacts = [(results / name, "") for name in names]
    return Run("fit", "fit", texts({**flatten(laws, "laws"), **chosen}), [], tags, artifacts)


def forecast_run(results: Path, forecasts: Records, tags: dict[str, str]) -> Run:
    """The forecasts with the holdout's n_params as step, the verdicts, the errors made, and every figure."""
    metrics = [
        (metric_name(*(row[key] for key in _PAIR), name), float(row[name]), int(row["n_params"]))
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
    verdicts = {".".join([*(row[key] for key in _PAIR), "verdict"]): row["verdict"] for row in forecasts}
    names = ["forecasts.csv", "methods.csv", "validation.csv"]
    names += ["surprises.csv", "surprise_counts.csv", "surprising_skills.csv"]
    tables = [results / name for name in names]
    figures = sorted((results / "figures").glob("*.svg"))
    artifacts = [(path, "") for path in tables] + [(path, "figures") for path in figures]
    return Run("forecast", "forecast", texts(verdicts), metrics, tags, artifacts)


DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
CONTENT_TAG = "tasklaws.content_sha256"
KIND_TAG = "tasklaws.kind"
_LOCK_SECONDS = 30.0


def rebuild(root: Path, settings: "Settings") -> tuple[dict[str, Any], int]:
    """Make the experiment of the ladder in `settings` hold exactly the runs of the outputs under `root`.

    A run is found again by its content hash, which is set last: one left half-written by a kill has none, and
    is written anew. Runs that something else logged there stay. Gives the byte-stable account (names and
    hashes) and the number of runs written. A locked, broken or full store raises TasklawsError.
    """
    root = root.resolve()
    runs = collect(root, settings)
    ladder = settings.models.name
    with exclusive(root), store(root) as client:
        location = (root / ARTIFACTS / ladder).as_uri()
        experiment = client.get_experiment_by_name(ladder)
        if experiment is None:
            experiment = client.get_experiment(client.create_experiment(ladder, artifact_location=location))
        if experiment.lifecycle_stage != "active":
            client.restore_experiment(experiment.experiment_id)
        if experiment.artifact_location != location:
            raise TasklawsError(
                f"{DATABASE} keeps {ladder} in {experiment.artifact_location}, not here: remove {DATABASE}"
            )
        wanted = {run.content_sha256: run for run in runs}
        written = reconcile(client, experiment, wanted, root)
    account = [{"kind": run.kind, "name": run.name, "content_sha256": run.content_sha256} for run in runs]
    return {"experiment": ladder, "runs": account}, written


def reconcile(client: Any, experiment: Any, wanted: dict[str, Run], root: Path) -> int:
    """Delete our runs whose content is not wanted, write those that are missing; how many it wrote."""
    missing = dict(wanted)
    page = client.search_runs([experiment.experiment_id], max_results=1000)
    stored = list(page)
    while page.token:
        page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=page.token)
        stored += page
    for found in stored:
        if missing.pop(found.data.tags.get(CONTENT_TAG, ""), None) is None and KIND_TAG in found.data.tags:
            client.delete_run(found.info.run_id)
            shutil.rmtree(root / ARTIFACTS / experiment.name / found.info.run_id, ignore_errors=True)
    commit = commit_tags(root)
    with progress("track", len(missing)) as advance:
        for content, run in missing.items():
            write_run(client, experiment.experiment_id, run, {**commit, CONTENT_TAG: content})
            advance()
    return len(missing)


def write_run(client: Any, experiment: str, run: Run, last: dict[str, str]) -> None:
    """Write one run in a few batches (MLflow takes 1000 metrics and 100 params in each), its hash last."""
    from mlflow.entities import Metric, Param, RunTag

    created = client.create_run(experiment, run_name=run.name, tags={KIND_TAG: run.kind, **run.tags})
    identity, now = created.info.run_id, created.info.start_time
    metrics = [Metric(name, value, now, step) for name, value, step in run.metrics]
    params = [Param(name, value) for name, value in run.params.items()]
    for start in range(0, len(metrics), 1000):
        client.log_batch(identity, metrics=metrics[start : start + 1000])
    for start in range(0, len(params), 100):
        client.log_batch(identity, params=params[start : start + 100])
    for path, folder in run.artifacts:
        client.log_artifact(identity, str(path), folder or None)
    client.set_terminated(identity)
    client.log_batch(identity, tags=[RunTag(name, value) for name, value in last.items()])


def commit_tags(root: Path) -> dict[str, str]:
    """The commit under `root` and whether the sources differ from it; nothing outside a repository."""
    # The pipeline's own outputs change while it runs, and say nothing about the sources.
    outputs = [":!dvc.lock", ":!results", ":!reports"]
    git = ["git", "-C", str(root)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return {}
    status = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", *outputs],
        capture_output=True,
        text=True,
        check=True,
    )
    commit = head.stdout.strip()
    dirty = "true" if status.stdout else "false"
    return {"commit": commit, "dirty": dirty, "mlflow.source.git.commit": commit}


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the store's lock file, for two processes that migrate one new database break it."""
    with (root / f"{DATABASE}.lock").open("w") as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TasklawsError(
                        f"another process is rebuilding {root / DATABASE}: wait until it ends"
                    ) from None
                time.sleep(0.2)
        yield


@contextmanager
def store(root: Path) -> Iterator[Any]:
    """A client of the store under `root`, created whole or not at all; its failures become TasklawsError."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"
    with warnings.catch_warnings():
        # MLflow's own imports use what its dependencies deprecate.
        warnings.simplefilter("ignore")
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SQLAlchemyError

        # It prints what it also raises.
        logging.getLogger("mlflow").setLevel(logging.CRITICAL)

        database = root / DATABASE
        try:
            if not database.exists():
                partial = root / f"{DATABASE}.partial"
                partial.unlink(missing_ok=True)
                MlflowClient(tracking_uri=f"sqlite:///{partial}").search_experiments()
                partial.replace(database)
            yield MlflowClient(tracking_uri=f"sqlite:///{database}")
        except (MlflowException, SQLAlchemyError) as error:
            reason = next((line for line in str(error).splitlines() if "(sqlite3" in line), str(error))
            raise TasklawsError(
                f"{database}: {reason[:300]}: stop what else uses it, see that the disk has room, or remove "
                "it and run `tasklaws track`"
            ) from error
