"""A run of MLflow's store, read from its tables: MLflow itself takes seconds to import."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tasklaws.core.errors import TasklawsError

DATABASE = "mlflow.db"
TAG = "provenance"
"""The tag of a run that holds the digest of the record of the output it shows."""


@dataclass(frozen=True)
class StoredRun:
    """The name, params, tags and last metrics of a run."""

    name: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]


def read_run(root: Path, identity: str) -> StoredRun | None:
    """The run of this id in `root`/mlflow.db; None without such a run or store, TasklawsError for a broken store."""
    database = root / DATABASE
    if not database.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as store:
            found = store.execute("SELECT name FROM runs WHERE run_uuid = ?", (identity,)).fetchone()
            params, tags, metrics = (
                dict(store.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ?", (identity,)))
                for table in ("params", "tags", "latest_metrics")
            )
    except sqlite3.Error as error:
        raise TasklawsError(f"{database}: {error}: remove it and run `tasklaws track`") from error
    return None if found is None else StoredRun(found[0], params, tags, metrics)
