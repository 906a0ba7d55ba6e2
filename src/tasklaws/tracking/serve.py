"""MLflow's pages of the store, on this machine alone."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tasklaws.core.errors import TasklawsError
from tasklaws.tracking.store import ARTIFACTS, DATABASE, opened
from tasklaws.tracking.view import VIEW

HOST = "127.0.0.1"
USUAL_PORT = 5000
_PATIENCE = 120.0  # seconds; on two busy cores it takes twenty
_ENVIRONMENT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def free_port(wanted: int | None = None) -> int:
    """The port to serve on: `wanted`, which raises TasklawsError if it is taken; else 5000 or, if taken, any other."""
    for port in (wanted,) if wanted is not None else (USUAL_PORT, 0):
        with socket.socket() as probe:
            # As the server does: an address that a closed connection still holds is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise TasklawsError(f"port {wanted} of {HOST} cannot be had: give another with --port, or none")


def links(root: Path, ladders: list[str], port: int) -> dict[str, str]:
    """Where each ladder's runs are shown, in the view that the experiment's tags hold. Without `workflowType` MLflow
    opens on its pages of traces, which are empty."""
    with opened(root.resolve()) as client:
        ids = {ladder: client.get_experiment_by_name(ladder).experiment_id for ladder in ladders}
    page = f"http://{HOST}:{port}/#/experiments"
    query = f"workflowType=machine_learning&viewStateShareKey={VIEW}"
    return {ladder: f"{page}/{ids[ladder]}/runs?{query}" for ladder in ladders}


@contextmanager
def serving(root: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server of the store under `root` that answers, until the block ends; one that does not raises TasklawsError."""
    root = root.resolve()
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{root / DATABASE}", "--artifacts-destination", str(root / ARTIFACTS)]
    with tempfile.TemporaryFile() as said:
        # In a session of its own: it has children, which are stopped with it.
        process = subprocess.Popen(
            command, cwd=root, env={**os.environ, **_ENVIRONMENT}, stdout=said, stderr=said, start_new_session=True
        )
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the server ends with this process
        try:
            _wait(process, port, said)
            yield process
        finally:
            signal.signal(signal.SIGTERM, before)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, said: IO[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    said.seek(0)
    last = said.read().decode(errors="replace").strip().splitlines()[-1:]
    raise TasklawsError(f"MLflow does not serve on port {port} ({' '.join(last)}): give another with --port")
