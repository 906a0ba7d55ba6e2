"""tasklaws.tracking: the MLflow store is a function of the outputs, however often and however rudely it is rebuilt."""

import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from results_tree import finish, params_of, write_results
from tasklaws import tracking
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.settings import Settings
from tasklaws.tracking import CONTENT_TAG, collect, flatten, metric_name, rebuild

FAMILIES = ("sha256_power", "largest_of_four")
PARAMS = params_of("nano_mini", FAMILIES)
SETTINGS = Settings.of(PARAMS)
SMALL, MIDDLE, TOP = PARAMS["models"]["rungs"]
RUNS = [SMALL, MIDDLE, TOP, "fit", "forecast"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature ladder's outputs, figures included, that no test changes."""
    root = tmp_path_factory.mktemp("finished")
    write_results(root, PARAMS)
    figure = root / "results" / "nano_mini" / "figures" / "ladder.svg"
    figure.parent.mkdir()
    figure.write_text("<svg/>")
    return root


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without experiments: creating one takes seconds."""
    root = tmp_path_factory.mktemp("empty")
    with tracking.store(root):
        pass
    return root / "mlflow.db"


@pytest.fixture
def root(finished: Path, empty_store: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


def stored(root: Path) -> dict[str, Any]:
    """The experiment's runs by name, as a client sees them."""
    with tracking.store(root) as client:
        experiment = client.get_experiment_by_name("nano_mini")
        runs = list(client.search_runs([experiment.experiment_id]))
    found = {run.info.run_name: run for run in runs}
    assert len(found) == len(runs), "two runs of one name"
    return found


def test_a_run_a_rung_then_fit_and_forecast(root: Path) -> None:
    account, written = rebuild(root, SETTINGS)
    runs = stored(root)
    assert written == 5
    assert [run["name"] for run in account["runs"]] == RUNS
    assert set(runs) == {run["name"] for run in account["runs"]}
    rung = runs[TOP].data
    assert rung.params["source.width"] == str(PARAMS["models"]["rungs"][TOP]["source"]["width"])
    assert rung.tags["role"] == "holdout"
    assert {"items_sha256", "params_sha256", "card_sha256", "model_sha256", "corpus_sha256"} <= set(rung.tags)
    assert "sha256_power/python/exact_match" in rung.metrics
    assert runs["fit"].data.params["laws.replicates"] == "50"
    assert runs["forecast"].data.params["sha256_power.python.exact_match.verdict"] == "not enough rungs"
    assert "validation/exact_match/mae_forecast" in runs["forecast"].data.metrics
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_metrics_by_step_are_means_over_seeds(root: Path) -> None:
    rebuild(root, SETTINGS)
    run = stored(root)[MIDDLE]
    with tracking.store(root) as client:
        name = "sha256_power/python/exact_match"
        mean = {m.step: m.value for m in client.get_metric_history(run.info.run_id, name)}
        one = {m.step: m.value for m in client.get_metric_history(run.info.run_id, f"{name}/seed0")}
        artifacts = [file.path for file in client.list_artifacts(stored(root)["forecast"].info.run_id, "figures")]
    assert len(mean) == 2
    assert mean == one
    assert artifacts == ["figures/ladder.svg"]


def test_seeds_are_averaged(tmp_path: Path) -> None:
    params = params_of("nano_ladder", ("sha256_power",))
    rungs = params["models"]["rungs"]
    params["models"]["rungs"] = {rung: rungs[rung] for rung in list(rungs)[-3:]}
    write_results(tmp_path, params)
    run = collect(tmp_path, Settings.of(params))[0]
    last = max(step for _, _, step in run.metrics)
    name = "sha256_power/python/target_bits_per_byte"
    values = {key: value for key, value, step in run.metrics if step == last and key.startswith(name)}
    assert values[name] == pytest.approx((values[f"{name}/seed0"] + values[f"{name}/seed1"]) / 2)


def test_twice_gives_the_same_runs(root: Path) -> None:
    first, _ = rebuild(root, SETTINGS)
    before = {name: run.info.run_id for name, run in stored(root).items()}
    second, written = rebuild(root, SETTINGS)
    assert written == 0
    assert first == second
    assert {name: run.info.run_id for name, run in stored(root).items()} == before


def test_the_account_depends_on_the_outputs_alone(root: Path, finished: Path) -> None:
    first, _ = rebuild(root, SETTINGS)
    here = collect(finished, SETTINGS)
    assert [run["content_sha256"] for run in first["runs"]] == [run.content_sha256 for run in here]
    assert str(root) not in json.dumps(first)


def test_a_changed_output_replaces_its_run_only(root: Path) -> None:
    rebuild(root, SETTINGS)
    before = stored(root)
    metrics = root / "results" / "nano_mini" / "metrics.json"
    metrics.write_text(json.dumps({**read_json(metrics), "new": 1.0}))
    _, written = rebuild(root, SETTINGS)
    after = stored(root)
    assert written == 1
    assert after["forecast"].data.metrics["validation/new"] == 1.0
    changed = {name for name in after if after[name].info.run_id != before[name].info.run_id}
    assert changed == {"forecast"}
    assert not (root / "mlartifacts" / "nano_mini" / before["forecast"].info.run_id).exists()


def test_a_changed_law_leaves_rungs_alone(root: Path) -> None:
    rebuild(root, SETTINGS)
    changed = {**PARAMS, "laws": {**PARAMS["laws"], "replicates": 60}}
    finish(root, changed)
    assert rebuild(root, Settings.of(changed))[1] == 2


def test_a_killed_rebuild_is_mended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tracking.write_run

    def killed(client: Any, experiment: str, run: Any, last: dict[str, str]) -> None:
        if run.name == "fit":
            client.create_run(experiment, run_name=run.name, tags={tracking.KIND_TAG: run.kind})
            raise KeyboardInterrupt
        real(client, experiment, run, last)

    monkeypatch.setattr(tracking, "write_run", killed)
    with pytest.raises(KeyboardInterrupt):
        rebuild(root, SETTINGS)
    monkeypatch.undo()
    _, written = rebuild(root, SETTINGS)
    runs = stored(root)
    assert written == 2
    assert len(runs) == 5
    assert all(CONTENT_TAG in run.data.tags for run in runs.values())


def test_runs_of_others_stay(root: Path) -> None:
    rebuild(root, SETTINGS)
    with tracking.store(root) as client:
        experiment = client.get_experiment_by_name("nano_mini").experiment_id
        client.create_run(experiment, run_name="mine")
    rebuild(root, SETTINGS)
    assert "mine" in stored(root)


def test_commit_and_dirty(root: Path) -> None:
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    (root / "source.py").write_text("1")
    subprocess.run([*git, "add", "source.py", "results"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    (root / "results" / "nano_mini" / "validation.csv").write_text("changed by the pipeline")
    assert tracking.commit_tags(root)["dirty"] == "false"
    (root / "source.py").write_text("2")
    tags = tracking.commit_tags(root)
    assert tags["dirty"] == "true"
    assert len(tags["commit"]) == 40


def test_no_repository_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert tracking.commit_tags(tmp_path) == {}


def test_a_locked_database_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuild(root, SETTINGS)
    from mlflow.store.db import utils

    # MLflow waits for twenty seconds otherwise.
    text = utils.sql.text
    monkeypatch.setattr(
        utils.sql, "text", lambda words: text(words.replace("busy_timeout = 20000", "busy_timeout = 200"))
    )
    (root / "results" / "nano_mini" / "metrics.json").write_text('{"new": 1.0}')
    holder = sqlite3.connect(root / "mlflow.db", isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TasklawsError, match=r"mlflow\.db: .*database is locked"):
            rebuild(root, SETTINGS)
    finally:
        holder.close()


def test_two_rebuilds_at_once_wait_for_each_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_LOCK_SECONDS", 0.3)
    with tracking.exclusive(root), pytest.raises(TasklawsError, match="another process is rebuilding"):
        rebuild(root, SETTINGS)


def test_no_database_at_all_is_one_line(root: Path) -> None:
    (root / "mlflow.db").write_text("this is no database" * 100)
    with pytest.raises(TasklawsError, match="file is not a database"):
        rebuild(root, SETTINGS)


def test_a_moved_store_is_refused(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    rebuild(root, SETTINGS)
    elsewhere = tmp_path_factory.mktemp("moved")
    shutil.copytree(root, elsewhere, dirs_exist_ok=True)
    with pytest.raises(TasklawsError, match=r"not here: remove mlflow\.db"):
        rebuild(elsewhere, SETTINGS)


def test_a_rung_without_observations_is_named(root: Path) -> None:
    path = root / "results" / "nano_mini" / "observations_holdout.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(TasklawsError, match=r"observations_holdout\.csv: .*run `dvc repro observe`"):
        rebuild(root, SETTINGS)


def test_a_changed_card_replaces_its_rung_only(root: Path) -> None:
    rebuild(root, SETTINGS)
    path = root / "scores" / "nano_mini" / "fit" / f"{MIDDLE}.json"
    content = read_json(path)
    content["card"]["tokenizer_sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    assert rebuild(root, SETTINGS)[1] == 1


def test_names() -> None:
    assert metric_name("acc,none", "a@b") == "acc_none/a_b"
    assert flatten({"a": {"b": 1}, "c": [2]}, "x") == {"x.a.b": 1, "x.c": [2]}


def command(root: Path, **limits: Any) -> subprocess.CompletedProcess[str]:
    code = "from tasklaws.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "track"], cwd=root, capture_output=True, text=True, check=False, **limits
    )


@pytest.mark.slow
def test_the_command_builds_a_store_from_nothing(root: Path) -> None:
    (root / "mlflow.db").unlink()
    (root / "mlflow.db.partial").write_text("what a kill left behind")
    ended = command(root)
    assert ended.returncode == 0, ended.stderr
    assert "5 runs" in ended.stdout
    assert ended.stderr == ""
    assert not (root / "mlflow.db.partial").exists()
    assert len(stored(root)) == 5


@pytest.mark.slow
def test_a_full_disk_is_one_line(root: Path) -> None:
    size = (root / "mlflow.db").stat().st_size

    def small_files() -> None:
        # Writing past the limit then fails as a full disk does, instead of killing the process.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, size + 8192))

    ended = command(root, preexec_fn=small_files)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1


@pytest.fixture
def server(root: Path) -> Iterator[str]:
    """The address of a real `mlflow ui` on the rebuilt store."""
    rebuild(root, SETTINGS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    arguments = ["ui", "--backend-store-uri", f"sqlite:///{root}/mlflow.db", "--port", str(port), "--workers", "1"]
    with (root / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *arguments],
            cwd=root,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                assert time.monotonic() < deadline, (root / "server.log").read_text()
                assert process.poll() is None, (root / "server.log").read_text()
                time.sleep(0.3)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.network
def test_mlflow_ui_shows_the_runs(server: str) -> None:
    experiment = ask(server, "experiments/get-by-name?experiment_name=nano_mini")["experiment"]
    found = ask(server, "runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
    runs = {run["info"]["run_name"]: run for run in found}
    assert set(runs) == set(RUNS)
    identity = runs[SMALL]["info"]["run_id"]
    history = ask(server, f"metrics/get-history?run_id={identity}&metric_key=corpus/likelihood/loss_nats")["metrics"]
    assert len({point["step"] for point in history}) == 2
    identity = runs["forecast"]["info"]["run_id"]
    listed = ask(server, f"artifacts/list?run_id={identity}&path=figures")["files"]
    assert [file["path"] for file in listed] == ["figures/ladder.svg"]
    with urllib.request.urlopen(f"{server}/get-artifact?path=figures/ladder.svg&run_uuid={identity}") as answer:
        assert answer.read() == b"<svg/>"
