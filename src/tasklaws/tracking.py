"""MLflow as an index: one experiment a ladder, rebuilt from the pipeline's outputs as often as wanted."""

import hashlib
import json
import logging
import math
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import pandas as pd
from filelock import FileLock, Timeout

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, sha256_file
from tasklaws.core.progress import progress
from tasklaws.paths import Paths
from tasklaws.tables import FORECASTS, read_checkpoints

if TYPE_CHECKING:  # pydantic takes time to import, which other commands need not wait for
    from tasklaws.core.settings import Settings

_REFUSED_CHARACTERS = re.compile(r"[^\w\-. :/]", re.ASCII)


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


def flatten(value: object, name: str) -> dict[str, object]:
    """Nested dictionaries as one, keys joined by dots: `{"a": {"b": 1}}` under `x` -> `{"x.a.b": 1}`."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: leaf for part in value for key, leaf in flatten(value[part], f"{name}.{part}").items()}


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """Params as MLflow takes them."""
    return {_REFUSED_CHARACTERS.sub("_", key): str(value) for key, value in sorted(values.items())}


def metric_name(*parts: str) -> str:
    """Parts joined by slashes, by which the UI groups charts; characters that MLflow refuses become `_`."""
    return _REFUSED_CHARACTERS.sub("_", "/".join(parts))


def collect(root: Path, settings: "Settings") -> list[Run]:
    """The runs of the ladder in `settings`, from outputs under `root`: one a rung, then `fit` and `forecast`."""
    paths, raw = Paths(settings.models.name, root), settings.raw
    observations = pd.concat([read_checkpoints(paths.observations(role)) for role in ("fit", "holdout")])
    forecasts = FORECASTS.read(paths.forecasts)
    # No setting of how to run says anything about an answer, and none of the laws about a rung.
    science = {key: value for key, value in raw.items() if key != "execution"}
    asking = {key: value for key, value in science.items() if key != "laws"}
    items = [[path.name, sha256_file(path)] for path in sorted(paths.items.glob("*.jsonl"))]
    tags = {"ladder": paths.ladder, "items_sha256": hash_json(items)}
    of_rungs = {**tags, "params_sha256": hash_json(asking)}
    tags["params_sha256"] = hash_json(science)
    runs = [
        rung_run(rung, paths, entry, observations[observations["rung"] == rung], of_rungs)
        for rung, entry in raw["models"]["rungs"].items()
    ]
    return [*runs, fit_run(paths, raw["laws"], forecasts, tags), forecast_run(paths, forecasts, tags)]


def rung_run(
    rung: str, paths: Paths, entry: Mapping[str, Any], observations: pd.DataFrame, tags: dict[str, str]
) -> Run:
    """A rung: its source as params; its observations by training step, averaged over seeds and for each."""
    from tasklaws.ladder.card import read_made_by

    role, scores = entry["role"], paths.scores(entry["role"])
    made_by = read_made_by(scores, rung)
    card = made_by.card
    if observations.empty:
        raise TasklawsError(f"{paths.observations(role)}: rung {rung} has no observations: run `dvc repro observe`")
    sizes = {"n_params": card.n_params, "n_params_total": card.n_params_total}
    metrics = [(name, float(value), 0) for name, value in sizes.items()]
    values: dict[tuple[str, int], list[float]] = {}
    for row in observations.to_dict("records"):
        name, step = metric_name(row["family"], row["elicitation"], row["metric"]), int(row["step"])
        metrics.append((f"{name}/seed{int(row['seed'])}", float(row["value"]), step))
        for scale, column in ((name, "value"), ("n_tokens", "n_tokens"), ("train_flops", "train_flops")):
            values.setdefault((scale, step), []).append(float(row[column]))
    metrics += [(name, math.fsum(each) / len(each), step) for (name, step), each in values.items()]
    hashes = {
        "card_sha256": hash_json(card.to_dict()),
        "model_sha256": card.final.weights_sha256,
        "tokenizer_sha256": card.tokenizer_sha256,
        "sandbox_sha256": hash_json(made_by.sandbox),
    }
    if card.corpus_sha256 is not None:
        hashes["corpus_sha256"] = card.corpus_sha256
    params = texts({**flatten(entry["source"], "source"), "role": role, **sizes})
    tags = {**tags, **hashes, "role": role}
    return Run("rung", card.rung, params, metrics, tags, [(scores / f"{rung}.json", "")])


def fit_run(paths: Paths, laws: Mapping[str, object], forecasts: pd.DataFrame, tags: dict[str, str]) -> Run:
    """The laws: their settings, and for every curve how it is forecast and what that rests on."""
    chosen = {**by_curve_name(forecasts, "method"), **by_curve_name(forecasts, "fit_status")}
    artifacts = [paths.fits, paths.mirage, paths.observations("fit"), paths.effective_numbers]
    return Run("fit", "fit", texts({**flatten(laws, "laws"), **chosen}), [], tags, [(path, "") for path in artifacts])


def forecast_run(paths: Paths, forecasts: pd.DataFrame, tags: dict[str, str]) -> Run:
    """The forecasts with the holdout's n_params as step, the verdicts, the errors made, and every figure."""
    metrics = [
        (metric_name(row["family"], row["elicitation"], row["metric"], name), float(row[name]), int(row["n_params"]))
        for row in forecasts.to_dict("records")
        for name in ("predicted", "lower", "upper")
    ]
    metrics += [
        (metric_name(*name.split(".")), float(value), 0)
        for name, value in flatten(read_json(paths.metrics), "validation").items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    ]
    tables = [paths.forecasts, paths.methods, paths.validation]
    tables += [paths.surprises, paths.surprise_counts, paths.surprising_skills]
    figures = sorted(paths.figures.glob("*.svg"))
    artifacts = [(path, "") for path in tables] + [(path, "figures") for path in figures]
    return Run("forecast", "forecast", texts(by_curve_name(forecasts, "verdict")), metrics, tags, artifacts)


def by_curve_name(forecasts: pd.DataFrame, column: str) -> dict[str, str]:
    """A column's entries by "family.elicitation.metric.column"; that of the last rung where a curve has several."""
    names = forecasts["family"] + "." + forecasts["elicitation"] + "." + forecasts["metric"] + f".{column}"
    return dict(zip(names, forecasts[column], strict=True))


DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
CONTENT_TAG = "tasklaws.content_sha256"
KIND_TAG = "tasklaws.kind"
_LOCK_SECONDS = 30.0


class Account(TypedDict):
    """What results/<ladder>/tracking.json holds: the kind, name and content_sha256 of every run."""

    experiment: str
    runs: list[dict[str, str]]


def rebuild(root: Path, settings: "Settings") -> tuple[Account, int]:
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
            where = experiment.artifact_location
            raise TasklawsError(f"{DATABASE} keeps {ladder} in {where}, not here: remove {DATABASE}")
        wanted = {run.content_sha256: run for run in runs}
        written = reconcile(client, experiment, wanted, root)
    account = [{"kind": run.kind, "name": run.name, "content_sha256": run.content_sha256} for run in runs]
    return {"experiment": ladder, "runs": account}, written


def reconcile(client: Any, experiment: Any, wanted: dict[str, Run], root: Path) -> int:
    """Delete our runs whose content is not wanted, write those that are missing; how many it wrote."""
    missing, stored, token = dict(wanted), [], None
    while token != "":
        page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
        stored += page
        token = page.token or ""
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
    command = [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", *outputs]
    changed = subprocess.run(command, capture_output=True, check=True).stdout
    commit = head.stdout.strip()
    return {"commit": commit, "dirty": "true" if changed else "false", "mlflow.source.git.commit": commit}


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the store's lock file, for two processes that migrate one new database break it."""
    try:
        with FileLock(root / f"{DATABASE}.lock", timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise TasklawsError(f"another process is rebuilding {root / DATABASE}: wait until it ends") from error


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
            remedy = "stop what else uses it, see that the disk has room, or remove it and run `tasklaws track`"
            raise TasklawsError(f"{database}: {reason[:300]}: {remedy}") from error
