"""MLflow as an index: one experiment a ladder, rebuilt from the pipeline's outputs as often as wanted."""

import fcntl
import logging
import os
import shutil
import subprocess
import time
import warnings
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasklaws.config import load_params
from tasklaws.errors import TasklawsError
from tasklaws.runs import Run, collect

DATABASE = "mlflow.db"
ARTIFACTS = "mlartifacts"
CONTENT_TAG = "tasklaws.content_sha256"
KIND_TAG = "tasklaws.kind"
LOCK_SECONDS = 30.0


def rebuild(root: Path, params: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Make the experiment of the ladder in `params` hold exactly the runs of the outputs under `root`.

    A run is found again by its content hash, which is set last: one left half-written by a kill has none, and
    is written anew. Runs that something else logged there stay. Gives the byte-stable account (names and
    hashes) and the number of runs written. A locked, broken or full store raises TasklawsError.
    """
    root = root.resolve()
    runs = collect(root, params)
    ladder = params["models"]["name"]
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
    for content, run in missing.items():
        write_run(client, experiment.experiment_id, run, {**commit, CONTENT_TAG: content})
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
        deadline = time.monotonic() + LOCK_SECONDS
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


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("track", help="rebuild MLflow from the pipeline's outputs")
    parser.set_defaults(run=track)


def track(arguments: Namespace) -> None:
    account, written = rebuild(Path(), load_params())
    print(
        f"{account['experiment']}: {len(account['runs'])} runs in {DATABASE}, {written} of them written now; "
        f"see them with `mlflow ui --backend-store-uri sqlite:///{DATABASE}`"
    )
