"""tasklaws.tracking: the MLflow store is a function of the outputs, however often and however rudely it is rebuilt."""

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from results_tree import finish, params_of, write_results
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, write_json
from tasklaws.core.runs import write_note
from tasklaws.forecast.headline import headline
from tasklaws.provenance.chain import md5, read_chain
from tasklaws.tracking import compare, serve, store
from tasklaws.tracking import rebuild as rebuilding
from tasklaws.tracking.rebuild import Account, content_sha256, rebuild, rebuild_all
from tasklaws.tracking.run import KIND_TAG, Run, allowed
from tasklaws.tracking.runs import collect
from tasklaws.tracking.store import StoredRun

FAMILIES = ("sha256_power", "largest_of_four")
PARAMS = params_of("nano_mini", FAMILIES)
SMALL, MIDDLE, TOP = PARAMS["models"]["rungs"]
RUNGS = (SMALL, MIDDLE, TOP)
RUNS = ["nano_mini", *(name for rung in RUNGS for name in (rung, f"{rung} seed 0")), "fit", "forecast"]
SCORE = "score/sha256_power_python"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature ladder's outputs, figures included, that no test changes."""
    root = tmp_path_factory.mktemp("finished")
    write_results(root, PARAMS)
    figures = root / "results" / "nano_mini" / "figures"
    figures.mkdir()
    for name in ("ladder", "sha256_power-python-exact_match"):
        (figures / f"{name}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    return root


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without experiments: creating one takes seconds."""
    root = tmp_path_factory.mktemp("empty")
    with store.opened(root):
        pass
    return root / store.DATABASE


@pytest.fixture(scope="module")
def tracked(finished: Path, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with its store, which no test changes either."""
    root = tmp_path_factory.mktemp("tracked")
    shutil.copytree(finished, root, dirs_exist_ok=True)
    shutil.copy(empty_store, root)
    track(root)
    return root


@pytest.fixture
def root(tracked: Path, tmp_path: Path) -> Path:
    """A copy, the store too: it does not hold its own path."""
    shutil.copytree(tracked, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def untracked(finished: Path, empty_store: Path, tmp_path: Path) -> Path:
    """A copy whose store is empty."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shutil.copy(empty_store, tmp_path)
    return tmp_path


def differences(root: Path) -> list[str]:
    return compare.differences(root, read_chain(root))


def track(root: Path, ladder: str = "nano_mini") -> tuple[Account, int]:
    return rebuild(root, read_chain(root), ladder)


def stored(root: Path, ladder: str = "nano_mini") -> dict[str, StoredRun]:
    """The experiment's runs by name."""
    found = store.read_experiment(root, ladder)
    assert found is not None
    runs = {run.name: run for run in found.runs}
    assert len(runs) == len(found.runs), "two runs of one name"
    return runs


def sql(root: Path, statement: str) -> None:
    database = sqlite3.connect(root / store.DATABASE)
    with database:
        assert database.execute(statement).rowcount > 0
    database.close()


def test_a_run_of_the_ladder_of_each_rung_and_seed_then_fit_and_forecast(root: Path) -> None:
    runs = stored(root)
    assert set(runs) == set(RUNS)
    assert {run.status for run in runs.values()} == {"FINISHED"}
    rung, seed = runs[TOP], runs[f"{TOP} seed 0"]
    assert rung.params["source.width"] == str(PARAMS["models"]["rungs"][TOP]["source"]["width"])
    assert rung.tags["role"] == "holdout"
    assert {"provenance", "items_md5", "card_sha256", "model_sha256", "corpus_sha256"} <= set(rung.tags)
    assert rung.inputs == {"data/items": md5(root / "data/items")}
    parents = {name: run.tags.get("mlflow.parentRunId") for name, run in runs.items()}
    above = dict.fromkeys((*RUNGS, "fit", "forecast"), runs["nano_mini"].identity)
    below = {f"{name} seed 0": runs[name].identity for name in RUNGS}
    assert parents == {"nano_mini": None, **above, **below}
    assert runs["fit"].params["laws.replicates"] == "50"
    assert runs["forecast"].params["verdict/exact_match/sha256_power_python"] == "not enough rungs"
    assert "validation/exact_match/mae_forecast" in runs["forecast"].latest
    assert set(seed.models) == {f"{TOP}-seed0-step{step}" for step in {step for _, _, step in seed.metrics} - {0}}


def test_the_ladders_run_has_few_numbers_and_says_what_they_mean(root: Path) -> None:
    run, top = stored(root)["nano_mini"], stored(root)[TOP]
    task = "sha256_power_python"
    assert len(run.latest) < 20
    first = headline(read_json(root / "results/nano_mini/metrics.json"))
    assert first
    assert first.items() <= run.latest.items()
    assert run.latest[f"score/{task}"] == top.latest[f"score/{task}"]
    assert run.latest[f"error/{task}"] == pytest.approx(run.latest[f"forecast/{task}"] - run.latest[f"score/{task}"])
    assert run.params[f"verdict/{task}"] == "not enough rungs"
    note = run.tags["mlflow.note.content"]
    assert f"What does {TOP} score on each task" in note
    assert f"tasklaws trace largest_of_four_choice@{TOP}" in note
    picture = f"get-artifact?run_uuid={run.identity}&path=figures/sha256_power-python-exact_match.svg)"
    assert picture in note
    assert picture in top.tags["mlflow.note.content"]


def test_a_models_metrics_are_those_of_its_step(root: Path) -> None:
    seed = stored(root)[f"{MIDDLE} seed 0"]
    for name, model in seed.models.items():
        step = int(name.rpartition("step")[2])
        assert model.metrics == sorted(point for point in seed.metrics if point[2] == step)
        assert SCORE in {point[0] for point in model.metrics}
        assert model.params["step"] == str(step)


def test_responses_are_a_table_of_what_the_final_checkpoint_said(root: Path) -> None:
    seed = stored(root)[f"{TOP} seed 0"]
    table = read_json(store.artifacts(root, "nano_mini", seed.identity) / "responses.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert json.loads(seed.tags["mlflow.loggedArtifacts"]) == [{"path": "responses.json", "type": "table"}]
    scores = [row["score"] for row in rows if row["task"] == "sha256_power_python"]
    assert sum(scores) / len(scores) == pytest.approx(seed.latest[SCORE])
    assert {row["response"] for row in rows if row["task"] == "sha256_power_python"} <= {f"{TOP} 1.0", f"{TOP} 0.0"}
    assert all(row["question"] and row["answer"] for row in rows)


def test_metrics_by_step_are_means_over_seeds(root: Path) -> None:
    runs = stored(root)
    mean, one = (
        {step: value for name, value, step in run.metrics if name == SCORE}
        for run in (runs[MIDDLE], runs[f"{MIDDLE} seed 0"])
    )
    assert len(mean) == 2
    assert mean == one


def test_seeds_are_averaged(tmp_path: Path) -> None:
    params = params_of("nano_ladder", ("sha256_power",))
    rungs = params["models"]["rungs"]
    params["models"]["rungs"] = {rung: rungs[rung] for rung in list(rungs)[-3:]}
    write_results(tmp_path, params)
    runs = {run.name: run for run in collect(tmp_path, read_chain(tmp_path), "nano_ladder")}
    rung = list(rungs)[-3]
    name = "loss_nats/corpus_likelihood"
    mean, *each = (
        {metric.step: metric.value for metric in runs[run].metrics if metric.name == name}
        for run in (rung, f"{rung} seed 0", f"{rung} seed 1")
    )
    last = max(mean)
    assert mean[last] == pytest.approx(sum(one[last] for one in each) / 2)
    assert each[0][last] != each[1][last]


def test_twice_gives_the_same_runs(root: Path) -> None:
    before = {name: run.identity for name, run in stored(root).items()}
    assert track(root)[1] == 0
    assert {name: run.identity for name, run in stored(root).items()} == before


def test_the_account_depends_on_the_outputs_alone(root: Path, finished: Path) -> None:
    account, _ = track(root)
    here = collect(finished, read_chain(finished), "nano_mini")
    assert [run["name"] for run in account["runs"]] == RUNS
    assert [run["content_sha256"] for run in account["runs"]] == [content_sha256(run) for run in here]
    assert str(root) not in json.dumps(account)


def test_a_changed_output_replaces_its_run_only(root: Path) -> None:
    before = stored(root)
    metrics = root / "results" / "nano_mini" / "metrics.json"
    metrics.write_text(json.dumps({**read_json(metrics), "new": 1.0}))
    assert track(root)[1] == 1
    after = stored(root)
    assert after["forecast"].latest["validation/new"] == 1.0
    changed = {name for name in after if after[name].identity != before[name].identity}
    assert changed == {"forecast"}
    assert not (root / "mlartifacts" / "nano_mini" / before["forecast"].identity).exists()


def test_a_changed_law_leaves_rungs_alone(root: Path) -> None:
    before = stored(root)
    finish(root, {**PARAMS, "laws": {**PARAMS["laws"], "replicates": 60}})
    track(root)
    after = stored(root)
    assert after["fit"].params["laws.replicates"] == "60"
    kept = {name for name in after if after[name].identity == before[name].identity}
    assert {f"{SMALL} seed 0", SMALL, MIDDLE} <= kept
    assert "fit" not in kept


def of_run(name: str) -> str:
    return f"run_uuid = (SELECT run_uuid FROM runs WHERE name = '{name}' AND lifecycle_stage = 'active')"


EDITS = {
    "a number": f"UPDATE metrics SET value = value + 0.1 WHERE key = '{SCORE}' AND {of_run(TOP)}",
    "a number of the table": f"UPDATE latest_metrics SET value = 1 WHERE key = '{SCORE}' AND {of_run(SMALL)}",
    "a number more": f"INSERT INTO metrics SELECT 'b', 1, 1, run_uuid, 0, 0 FROM runs WHERE {of_run(TOP)}",
    "a number less": f"DELETE FROM metrics WHERE key = '{SCORE}' AND {of_run(TOP)}",
    "a param": f"UPDATE params SET value = 'lawful' WHERE key LIKE 'verdict/%' AND {of_run('nano_mini')}",
    "a tag": f"UPDATE tags SET value = '0' WHERE key = 'provenance' AND {of_run('fit')}",
    "the description": f"UPDATE tags SET value = '0' WHERE key = 'mlflow.note.content' AND {of_run(MIDDLE)}",
    "the parent": f"UPDATE tags SET value = '0' WHERE key = 'mlflow.parentRunId' AND {of_run(MIDDLE)}",
    "a number that is none": f"UPDATE latest_metrics SET is_nan = 1 WHERE key = '{SCORE}' AND {of_run(SMALL)}",
    "the place of artifacts": f"UPDATE runs SET artifact_uri = '/tmp/x' WHERE {of_run('fit')}",
    "the status": f"UPDATE runs SET status = 'FAILED' WHERE {of_run('fit')}",
    "a data set": "UPDATE datasets SET digest = '0'",
    "a model's number": f"UPDATE logged_model_metrics SET metric_value = 1 WHERE metric_name = '{SCORE}'",
    "a model's weights": "UPDATE logged_model_tags SET tag_value = '0' WHERE tag_key = 'weights_sha256'",
    "a model's param": "UPDATE logged_model_params SET param_value = '0' WHERE param_key = 'loss_nats'",
    "a model less": f"UPDATE logged_models SET lifecycle_stage = 'deleted' WHERE name LIKE '{TOP}%'",
    "a model of no run": "DELETE FROM inputs WHERE source_type = 'RUN_OUTPUT'",
    "a run less": f"UPDATE runs SET lifecycle_stage = 'deleted' WHERE {of_run('forecast')}",
    "a run twice": f"UPDATE runs SET name = '{TOP}' WHERE {of_run(MIDDLE)}",
    "a run of no result": f"UPDATE runs SET name = 'other' WHERE {of_run('fit')}",
}


def test_every_edit_of_the_store_is_found_and_mended(root: Path) -> None:
    assert differences(root) == []
    whole = (root / store.DATABASE).read_bytes()
    for name, statement in EDITS.items():
        sql(root, statement)
        assert differences(root), name
        (root / store.DATABASE).write_bytes(whole)
    for statement in EDITS.values():
        sql(root, statement)
    assert track(root)[1] > 5
    assert differences(root) == []
    assert set(stored(root)) == set(RUNS)


ARTIFACTS: dict[str, Callable[[Path], object]] = {
    "a byte": lambda path: path.write_bytes(path.read_bytes()[:-1] + b" "),
    "away": lambda path: path.unlink(),
    "one more": lambda path: path.with_name("another.csv").write_text(""),
}


@pytest.mark.parametrize("name", ARTIFACTS)
def test_every_edit_of_an_artifact_is_found_and_mended(root: Path, name: str) -> None:
    folder = store.artifacts(root, "nano_mini", stored(root)["forecast"].identity)
    ARTIFACTS[name](folder / "validation.csv")
    assert differences(root) == ["MLflow run forecast of nano_mini: other artifacts"]
    assert track(root)[1] == 1
    assert differences(root) == []


def test_a_killed_rebuild_is_mended(untracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = rebuilding._write

    def killed(client: Any, root: Path, ladder: str, experiment: str, run: Run) -> str:
        if run.name == "fit":
            client.create_run(experiment, None, {KIND_TAG: run.kind}, run.name)
            raise KeyboardInterrupt
        return real(client, root, ladder, experiment, run)

    monkeypatch.setattr(rebuilding, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        track(untracked)
    monkeypatch.undo()
    assert track(untracked)[1] == 2
    assert set(stored(untracked)) == set(RUNS)
    assert differences(untracked) == []


def test_what_a_person_adds_stays(root: Path) -> None:
    with store.opened(root) as client:
        experiment = client.get_experiment_by_name("nano_mini").experiment_id
        client.create_run(experiment, run_name="mine")
        client.set_tag(stored(root)[TOP].identity, "seen", "by me")
    assert differences(root) == []
    track(root)
    assert "mine" in stored(root)
    assert stored(root)[TOP].tags["seen"] == "by me"


def test_every_ladder_with_results_has_its_runs_by_the_params_in_dvc_lock(root: Path) -> None:
    other = json.loads(json.dumps(PARAMS).replace("mini-", "tiny-").replace("nano_mini", "nano_tiny"))
    other["laws"]["replicates"] = 55
    write_results(root, other)
    (root / "params.yaml").unlink()
    written, notes = rebuild_all(root)
    assert written == {"nano_mini": 0, "nano_tiny": len(RUNS)}
    assert notes == []
    assert stored(root, "nano_tiny")["fit"].params["laws.replicates"] == "55"
    assert differences(root) == []
    (root / "scores/nano_tiny/holdout" / f"{TOP.replace('mini', 'tiny')}.csv").unlink()
    written, notes = rebuild_all(root)
    assert written == {"nano_mini": 0}
    assert "scores/nano_tiny/holdout/tiny-21k.csv is not here" in notes[0]
    assert differences(root) == []


def test_a_ladder_that_was_asked_other_items_is_left_as_it_is(root: Path) -> None:
    (root / "data/items/extra.jsonl").write_text("{}\n")
    assert differences(root) == []
    with pytest.raises(TasklawsError, match="holds other items than nano_mini was asked"):
        rebuild_all(root)


def test_a_digest_of_what_dvc_lock_no_longer_has_whole_is_left_as_it_was(root: Path) -> None:
    before = {name: run.tags["provenance"] for name, run in stored(root).items()}
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    made = {"path": f"responses/nano_mini/{TOP}.jsonl", "md5": "0" * 32, "size": 1}
    lock["stages"][f"respond@{TOP}"]["outs"] = [made]
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert differences(root) == []
    assert track(root)[1] == 0
    sql(root, f"UPDATE tags SET value = '0' WHERE key = 'role' AND {of_run(TOP)}")
    assert track(root)[1] == 1
    assert {name: run.tags["provenance"] for name, run in stored(root).items()} == before


def test_no_results_no_runs(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {}}))
    with pytest.raises(TasklawsError, match="no ladder has results here: run `dvc repro`"):
        rebuild_all(tmp_path)


def test_times_and_commit_are_those_of_the_process_that_made_it_where_they_are_known(untracked: Path) -> None:
    fits = md5(untracked / "results/nano_mini/fits.json")
    note = {"stage": "fit@nano_mini", "started": "2026-01-02T03:04:05Z", "seconds": 61.5, "commit": "c" * 40}
    write_note(untracked / ".work/runs/fit@nano_mini-1.json", {**note, "dirty": False, "wrote_md5": [fits]})
    write_note(untracked / ".work/runs/forecast@nano_mini-1.json", {**note, "wrote_md5": ["of another result"]})
    write_json(untracked / ".work/runs/fit@nano_mini-2.json", {**note, "started": "2027", "wrote_md5": [fits]})
    (untracked / ".work/runs/damaged.json").write_text("{")
    track(untracked)
    runs = stored(untracked)
    assert runs["fit"].times == (1767323045000, 1767323106500)
    assert (runs["fit"].tags["commit"], runs["fit"].tags["dirty"]) == ("c" * 40, "false")
    assert runs["forecast"].times is not None
    assert runs["forecast"].times[1] is None, "nobody knows when it ended"
    sql(untracked, "UPDATE runs SET end_time = end_time + 1 WHERE name = 'fit'")
    assert differences(untracked) == ["MLflow run fit of nano_mini: other times"]


def test_a_locked_database_is_one_line(root: Path) -> None:
    (root / "results" / "nano_mini" / "metrics.json").write_text('{"exact_match": {}, "new": 1.0}')
    holder = sqlite3.connect(root / "mlflow.db", isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TasklawsError, match=r"mlflow\.db: .*database is locked"):
            track(root)
    finally:
        holder.close()


def test_two_rebuilds_at_once_wait_for_each_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_LOCK_SECONDS", 0.3)
    with store.exclusive(root), pytest.raises(TasklawsError, match="another process is rebuilding"):
        track(root)


def test_no_database_at_all_is_one_line(root: Path) -> None:
    (root / "mlflow.db").write_text("this is no database" * 100)
    with pytest.raises(TasklawsError, match="file is not a database"):
        track(root)


def test_a_store_of_an_earlier_layout_makes_room(untracked: Path) -> None:
    with store.opened(untracked) as client:
        client.create_run(client.create_experiment("nano_mini", artifact_location="file:///elsewhere"))
    assert differences(untracked) == []
    assert track(untracked)[1] == len(RUNS)
    assert set(stored(untracked)) == set(RUNS)


def test_a_rung_without_observations_is_named(root: Path) -> None:
    path = root / "results" / "nano_mini" / "observations_holdout.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(TasklawsError, match=r"observations_holdout\.csv: .*run `dvc repro observe`"):
        track(root)


def test_a_changed_card_replaces_its_rung_and_seeds_only(root: Path) -> None:
    path = root / "scores" / "nano_mini" / "fit" / f"{MIDDLE}.json"
    content = read_json(path)
    content["card"]["tokenizer_sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    assert [line.split(" of ")[0] for line in differences(root)] == [
        f"MLflow run {MIDDLE}",
        f"MLflow run {MIDDLE} seed 0",
    ]
    assert track(root)[1] == 2
    assert differences(root) == []


def test_names() -> None:
    assert allowed("acc,none/a@b") == "acc_none/a_b"


def command(root: Path, **limits: Any) -> subprocess.CompletedProcess[str]:
    code = "from tasklaws.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "track"], cwd=root, capture_output=True, text=True, check=False, **limits
    )


@pytest.mark.slow
def test_the_command_builds_a_store_from_nothing(untracked: Path) -> None:
    (untracked / store.DATABASE).unlink()
    (untracked / "mlflow.db.partial").write_text("what a kill left behind")
    ended = command(untracked)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"MLflow nano_mini: {len(RUNS)} runs written\n"
    assert not (untracked / "mlflow.db.partial").exists()
    assert set(stored(untracked)) == set(RUNS)


@pytest.mark.slow
def test_a_full_disk_is_one_line(root: Path) -> None:
    (root / "results" / "nano_mini" / "metrics.json").write_text('{"exact_match": {}, "new": 1.0}')
    size = (root / "mlflow.db").stat().st_size

    def small_files() -> None:
        # Writing past the limit then fails as a full disk does, instead of killing the process.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, size + 8192))

    ended = command(root, preexec_fn=small_files)
    assert ended.returncode == 1
    # A busy machine also says how far it is.
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith("track: ")]
    assert line.startswith("error: ")


def test_a_taken_port_is_one_line() -> None:
    taken = serve.free_port()
    with serve.socket.socket() as other:
        other.bind((serve.HOST, taken))
        other.listen()
        assert serve.free_port() != taken
        with pytest.raises(TasklawsError, match=f"port {taken} .* cannot be had: give another with --port"):
            serve.free_port(taken)


@pytest.fixture
def server(root: Path) -> Iterator[str]:
    """The address of a real `mlflow ui` on the store."""
    port = serve.free_port()
    with serve.serving(root, port):
        yield f"http://{serve.HOST}:{port}"


def ask(address: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.slow
@pytest.mark.network
def test_mlflow_ui_shows_the_runs_of_a_copied_store(server: str) -> None:
    experiment = ask(server, "experiments/get-by-name?experiment_name=nano_mini")["experiment"]
    found = ask(server, "runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
    runs = {run["info"]["run_name"]: run for run in found}
    assert set(runs) == set(RUNS)
    identity = runs[SMALL]["info"]["run_id"]
    name = "loss_nats/corpus_likelihood"
    history = ask(server, f"metrics/get-history?run_id={identity}&metric_key={name}")["metrics"]
    assert len({point["step"] for point in history}) == 2
    identity = runs["forecast"]["info"]["run_id"]
    listed = ask(server, f"artifacts/list?run_id={identity}&path=figures")["files"]
    assert [file["path"] for file in listed] == ["figures/ladder.svg", "figures/sha256_power-python-exact_match.svg"]
    with urllib.request.urlopen(f"{server}/get-artifact?path=figures/ladder.svg&run_uuid={identity}") as answer:
        assert answer.read().startswith(b"<svg")
