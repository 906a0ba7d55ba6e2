"""MLflow's store under a repository's root: a database and a folder of artifacts, of which neither holds its own path.

Runs name their artifacts by `mlflow-artifacts:`, which a server takes for `mlartifacts` in its folder, so that a moved
or copied repository keeps its store.
"""

import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tasklaws.core.errors import TasklawsError

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
_LOCK_SECONDS = 30.0
_BROKEN = "stop what else uses it, see that the disk has room, or remove it and run `tasklaws track`"
_NUMBER = "CASE WHEN is_nan THEN 'NaN' ELSE value END"  # as MLflow reads its tables of metrics
Points = list[tuple[str, float, int]]  # (name, value, step)


@dataclass
class StoredModel:
    """A LoggedModel: `status` by MLflow's number, `is_output` whether its run names it as one of its outputs."""

    identity: str = ""
    status: int = 2  # ready
    is_output: bool = True
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: Points = field(default_factory=list)


@dataclass
class StoredRun:
    """A run as MLflow has it, but for its artifacts: `latest` are the numbers that tables of runs show."""

    name: str
    identity: str = ""
    status: str = "FINISHED"
    times: tuple[int, int | None] | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: Points = field(default_factory=list)
    latest: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    models: dict[str, StoredModel] = field(default_factory=dict)


@dataclass
class StoredExperiment:
    """What MLflow holds of a ladder: the experiment's own tags, and every run in it."""

    tags: dict[str, str]
    runs: list[StoredRun]


def artifacts(root: Path, experiment: str, identity: str) -> Path:
    """The folder of a run's artifacts, where MLflow looks for them."""
    return root / ARTIFACTS / experiment / identity / "artifacts"


def location(experiment: str) -> str:
    """Where an experiment says that it keeps its artifacts."""
    return f"mlflow-artifacts:/{experiment}"


def read_experiment(root: Path, experiment: str) -> StoredExperiment | None:
    """All of an experiment; None where there is no store, or no such experiment in it.

    It reads the tables themselves: MLflow's client asks for the history of one metric of one run at a time, which are
    thousands. A broken or locked database raises TasklawsError.
    """
    with _tables(root) as database:
        if database is None:
            return None
        query = "SELECT experiment_id FROM experiments WHERE name = ? AND artifact_location = ?"
        query += " AND lifecycle_stage = 'active'"
        found = database.execute(query, (experiment, location(experiment))).fetchone()
        if found is None:
            return None
        tags = database.execute("SELECT key, value FROM experiment_tags WHERE experiment_id = ?", found)
        return StoredExperiment(dict(tags.fetchall()), _read_runs(database, found[0], location(experiment)))


def read_run(root: Path, identity: str) -> StoredRun | None:
    """The name, params, tags and latest numbers of the run of this id; None without such a run or store.

    A broken or locked database raises TasklawsError.
    """
    with _tables(root) as database:
        if database is None:
            return None
        found = database.execute("SELECT name FROM runs WHERE run_uuid = ?", (identity,)).fetchone()
        if found is None:
            return None
        params, tags, latest = (
            dict(database.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ?", (identity,)))
            for table in ("params", "tags", "latest_metrics")
        )
        return StoredRun(found[0], identity, params=params, latest=latest, tags=tags)


@contextmanager
def _tables(root: Path) -> Iterator[sqlite3.Connection | None]:
    """The database under `root` to be read by SQL, None where there is none; its failures become TasklawsError."""
    path = root / DATABASE
    if not path.exists():
        yield None
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            yield database
    except sqlite3.Error as error:
        raise TasklawsError(f"{path}: {error}: {_BROKEN}") from error


def _read_runs(database: sqlite3.Connection, experiment: int, place: str) -> list[StoredRun]:
    def rows(query: str) -> list[tuple[Any, ...]]:
        return database.execute(query, (experiment,)).fetchall()

    active = "lifecycle_stage = 'active' AND runs.experiment_id = ?"
    runs = {}
    for identity, name, status, start, end, uri in rows(
        f"SELECT run_uuid, name, status, start_time, end_time, artifact_uri FROM runs WHERE {active}"
    ):
        state = status if uri == f"{place}/{identity}/artifacts" else f"{status}, its artifacts at {uri}"
        runs[identity] = StoredRun(name, identity, state, (start, end))
    of_runs = f"JOIN runs USING (run_uuid) WHERE {active}"
    for identity, key, value in rows(f"SELECT run_uuid, key, value FROM params {of_runs}"):
        runs[identity].params[key] = value
    for identity, key, value in rows(f"SELECT run_uuid, key, value FROM tags {of_runs}"):
        runs[identity].tags[key] = value
    for identity, *point in rows(
        f"SELECT run_uuid, key, {_NUMBER}, step FROM metrics {of_runs} ORDER BY key, value, step"
    ):
        runs[identity].metrics.append((point[0], point[1], point[2]))
    for identity, key, value in rows(f"SELECT run_uuid, key, {_NUMBER} FROM latest_metrics {of_runs}"):
        runs[identity].latest[key] = value
    data = "FROM inputs JOIN runs ON destination_id = run_uuid JOIN datasets d ON source_id = dataset_uuid"
    for identity, name, digest in rows(f"SELECT run_uuid, d.name, d.digest {data} WHERE {active}"):
        runs[identity].inputs[name] = digest
    outputs = set(database.execute("SELECT source_id, destination_id FROM inputs"))
    models = {}
    of_models = "FROM logged_models WHERE lifecycle_stage = 'active' AND experiment_id = ?"
    for identity, run, name, status in rows(f"SELECT model_id, source_run_id, name, status {of_models}"):
        if run in runs:
            models[identity] = runs[run].models[name] = StoredModel(identity, status, (run, identity) in outputs)
    columns = {"params": "param_key, param_value", "tags": "tag_key, tag_value"}
    columns["metrics"] = "metric_name, metric_value, metric_step"
    for table, names in columns.items():
        of_model = f"FROM logged_model_{table} WHERE experiment_id = ? ORDER BY {names}"
        for identity, *entry in rows(f"SELECT model_id, {names} {of_model}"):
            if identity not in models:
                continue
            if table == "metrics":
                models[identity].metrics.append((entry[0], entry[1], entry[2]))
            else:
                getattr(models[identity], table)[entry[0]] = entry[1]
    return list(runs.values())


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the store's lock file, for two processes that migrate one new database break it."""
    try:
        with FileLock(root / f"{DATABASE}.lock", timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise TasklawsError(f"another process is rebuilding {root / DATABASE}: wait until it ends") from error


@contextmanager
def opened(root: Path) -> Iterator[Any]:
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
            raise TasklawsError(f"{database}: {reason[:300]}: {_BROKEN}") from error
