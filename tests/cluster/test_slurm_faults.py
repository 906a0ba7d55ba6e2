"""Faults of a cluster, on a real Slurm of two nodes: none loses or doubles a cell, and one `--resubmit` ends it.

The cells' work is that of toy.py, which waits until it is let go, so that each fault strikes where it should.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_cluster
from slurm_cluster import CONTROLLER, NODES, Slurm, slurm, wait_until
from trial import Trial, by_slurm, made

from toy import Toy

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

CELLS = ("model@one", "model@two", "respond@one", "respond@two")
ONE = {"model@one", "respond@one"}
SBATCH = """#!/bin/sh
# sbatch, whose caller gets a signal at a call: {call}, {when} it is sent.
echo >> {calls}
if [ $(wc -l < {calls}) = {call} ]; then
  [ {when} = before ] || {sbatch} "$@"
  kill -{sign} $PPID
  exit
fi
exec {sbatch} "$@"
"""


class Faults(Trial):
    """A trial of the toy's ladder."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        plain = Toy(folder / "plain" / "toy")
        for cell in CELLS:
            stage, _, rung = cell.partition("@")
            subprocess.run([sys.executable, "-P", f"stages/{stage}.py", rung], cwd=plain.root, check=True)
        self.toy = Toy(folder / "toy")
        self.reset(folder / "store")
        super().__init__(self.toy.root, folder / "store", slurm, CELLS, made(plain.root))

    def reset(self, store: Path, **resources: object) -> None:
        """Another store, or other resources."""
        self.store = store
        by_slurm(self.toy.params["execution"], store, **resources)
        self.toy.save()

    def held(self, *cells: str) -> None:
        """Submit, and wait until these cells are at work and go on only when they are let go."""
        for cell in cells:
            self.toy.fault(cell, "hold")
        self.run("submit")
        for cell in cells:
            self.at_work(cell)

    def let_go(self, *cells: str) -> None:
        for cell in cells:
            self.toy.fault(cell, "")

    def begun(self, cell: str) -> int:
        """How often a cell's work was begun, as its log says."""
        return sum(log.read_text().count("begun ") for log in (self.store / "logs").glob(f"{cell}-*"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm(tmp_path_factory.mktemp("cluster") / "slurm") as running:
        yield running


@pytest.fixture
def trial(cluster: Slurm, tmp_path: Path) -> Iterator[Faults]:
    cluster.mend()
    yield Faults(tmp_path, cluster)
    cluster.run("scancel", "--me", check=False)


Fault = Callable[[Faults], set[str]]
FAULTS: list[Fault] = []


def fault(strike: Fault) -> Fault:
    """One that strikes a ladder that was just submitted, and says which cells it costs."""
    FAULTS.append(strike)
    return strike


@fault
def a_waiting_cell_is_cancelled(trial: Faults) -> set[str]:
    trial.held("model@one")
    trial.slurm.run("scancel", trial.job("respond@one"))
    trial.let_go("model@one")
    return {"respond@one"}


@fault
def a_running_cell_is_cancelled(trial: Faults) -> set[str]:
    trial.held("model@one")
    trial.slurm.run("scancel", trial.job("model@one"))
    trial.let_go("model@one")
    return ONE


@fault
def all_are_cancelled(trial: Faults) -> set[str]:
    trial.held("model@one", "model@two")
    trial.slurm.run("scancel", "--me")
    trial.let_go("model@one", "model@two")
    return set(CELLS)


@fault
def a_running_cell_is_requeued(trial: Faults) -> set[str]:
    trial.held("model@one")
    trial.slurm.run("scontrol", "requeue", trial.job("model@one"))
    trial.let_go("model@one")
    return set()


@fault
def a_slurmd_is_killed(trial: Faults) -> set[str]:
    trial.held("model@one")
    trial.slurm.kill(trial.node("model@one"))
    trial.let_go("model@one")
    return set()


@fault
def the_controller_is_killed_and_cells_end_without_it(trial: Faults) -> set[str]:
    trial.held("model@one", "model@two")
    trial.slurm.wait_saved()
    trial.slurm.kill(CONTROLLER)
    assert "Slurm does not answer" in trial.run("cells", fails=True)
    trial.let_go("model@one", "model@two")
    wait_until(lambda: not trial.slurm.processes(), "both have ended")
    return set()


@fault
def the_controller_forgets_all_it_knew(trial: Faults) -> set[str]:
    """It ends what runs that it does not know, and counts its jobs from 1 again."""
    trial.held("model@one")
    trial.wait_for("respond@two", "done")
    trial.slurm.kill(CONTROLLER)
    shutil.rmtree(trial.slurm.root / "state")
    (trial.slurm.root / "state").mkdir()
    trial.slurm.start(CONTROLLER)
    wait_until(lambda: not trial.slurm.processes(), "what it does not know is ended")
    trial.let_go("model@one")
    return ONE


@fault
def the_daemon_that_signs_is_killed(trial: Faults) -> set[str]:
    trial.held("model@one")
    trial.slurm.kill("munged")
    trial.let_go("model@one")
    return set()


def killed_at(trial: Faults, call: int, when: str, sign: str = "KILL") -> None:
    """Submit, and kill the submitter before or after it sends its array of this number, or send it another signal."""
    folder, sbatch = trial.store.parent / "bin", shutil.which("sbatch")
    folder.mkdir()
    (folder / "sbatch").write_text(
        SBATCH.format(call=call, when=when, sign=sign, calls=folder / "calls", sbatch=sbatch)
    )
    (folder / "sbatch").chmod(0o755)
    submitter = trial.command("submit", PATH=f"{folder}:{trial.env['PATH']}")
    submitter.communicate()
    assert submitter.returncode == -signal.Signals[f"SIG{sign}"]


@fault
def the_submitter_is_killed_before_it_sends_anything(trial: Faults) -> set[str]:
    killed_at(trial, 1, "before")
    return set(CELLS)


@fault
def the_submitter_is_killed_between_its_arrays(trial: Faults) -> set[str]:
    killed_at(trial, 2, "before")
    return {"respond@one", "respond@two"}


@fault
def the_submitter_is_killed_when_its_first_array_is_sent(trial: Faults) -> set[str]:
    """The jobs find nothing to do: submitit would have written that next. They wait for it a minute."""
    killed_at(trial, 1, "after")
    return set(CELLS)


@fault
def the_submitter_is_killed_when_its_last_array_is_sent(trial: Faults) -> set[str]:
    killed_at(trial, 2, "after")
    return {"respond@one", "respond@two"}


@fault
def the_submitter_is_ended_while_slurm_takes_its_first_array(trial: Faults) -> set[str]:
    """By SIGTERM; SIGINT goes the same way, but a shell that runs tests in the background ignores it."""
    killed_at(trial, 1, "after", "TERM")
    return {"respond@one", "respond@two"}


@fault
def a_setup_fails_before_cells_begin(trial: Faults) -> set[str]:
    trial.reset(trial.store, setup=["no_such_module load cuda"])
    trial.run("submit")
    trial.slurm.wait_idle()
    found = trial.cells()
    for cell in ("model@one", "model@two"):
        assert (found[cell]["state"], found[cell]["failed"]) == ("failed", 1)
        assert "no_such_module" in found[cell]["reason"]
        assert "no_such_module" in Path(found[cell]["log"]).read_text()
    trial.reset(trial.store, setup=[])
    return set(CELLS)


@fault
def a_training_stage_is_killed(trial: Faults) -> set[str]:
    trial.held("model@one")
    trial.at_work("model@one")[0].kill()
    trial.let_go("model@one")
    return ONE


@fault
def an_asking_stage_is_killed(trial: Faults) -> set[str]:
    trial.held("respond@one")
    trial.at_work("respond@one")[0].kill()
    trial.let_go("respond@one")
    return {"respond@one"}


@fault
def the_process_that_runs_a_cell_is_killed(trial: Faults) -> set[str]:
    trial.held("model@one")
    stage, runner, *_ = trial.at_work("model@one")
    runner.kill()
    wait_until(lambda: not stage.is_running(), "the stage ends with it")
    trial.let_go("model@one")
    return ONE


@fault
def a_node_is_drained(trial: Faults) -> set[str]:
    trial.held("model@one", "model@two")
    trial.slurm.run("scontrol", "update", "nodename=n2", "state=drain", "reason=trial")
    trial.let_go("model@one", "model@two")
    for cell in CELLS:
        trial.wait_for(cell, "done")
    return set()


@fault
def all_nodes_are_drained(trial: Faults) -> set[str]:
    for node in NODES:
        trial.slurm.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=trial")
    trial.run("submit")
    found = trial.cells()
    assert {cell["state"] for cell in found.values()} == {"waiting"}
    assert all(cell["reason"] for cell in found.values())
    return set()


@fault
def a_node_goes_down(trial: Faults) -> set[str]:
    trial.held("model@one")
    trial.slurm.run("scontrol", "update", f"nodename={trial.node('model@one')}", "state=down", "reason=trial")
    trial.let_go("model@one")
    return set()


@fault
def a_nodes_daemon_is_killed_and_the_node_given_up(trial: Faults) -> set[str]:
    trial.held("model@one")
    node = trial.node("model@one")
    trial.slurm.kill(node)
    wait_until(lambda: trial.slurm.node_state(node).startswith("down"), "the node is given up")
    trial.let_go("model@one")
    return set()


@fault
def it_is_told_that_its_time_is_over(trial: Faults) -> set[str]:
    trial.held("model@one")
    first = trial.at_work("model@one")[0]
    trial.slurm.run("scancel", "--signal=USR2", trial.job("model@one"))
    wait_until(lambda: not first.is_running(), "the first run ends")
    trial.let_go("model@one")
    return set()


@fault
def its_time_is_over(trial: Faults) -> set[str]:
    """Slurm's signal comes 90 s before the end, and so, of one minute, at once."""
    trial.reset(trial.store, minutes=1)
    trial.held("model@one")
    first = trial.at_work("model@one")[0]
    wait_until(lambda: not first.is_running(), "the first run ends")
    trial.let_go("model@one")
    return set()


@fault
def another_job_takes_its_node(trial: Faults) -> set[str]:
    trial.held("model@one", "model@two")
    first = trial.at_work("model@one")[0]
    trial.slurm.run("sbatch", "--partition=urgent", "--nodes=2", "--output=/dev/null", "--wrap", "sleep 1")
    wait_until(lambda: not first.is_running(), "the first run ends")
    trial.let_go("model@one", "model@two")
    return set()


@fault
def two_submit_at_once(trial: Faults) -> set[str]:
    both = [trial.command("submit") for _ in range(2)]
    for each in both:
        each.communicate()
    assert any(each.returncode == 0 for each in both)
    trial.slurm.wait_idle()
    assert [trial.begun(cell) for cell in CELLS] == [1] * len(CELLS)
    return set()


def after_all_is_done(trial: Faults) -> None:
    trial.run("submit")
    trial.slurm.wait_idle()
    assert set(trial.states().values()) == {"done"}


def entry_with(trial: Faults, name: str) -> Path:
    (path,) = (trial.store / "entries").glob(f"*/{name}")
    return path


@fault
def a_model_in_the_store_is_damaged(trial: Faults) -> set[str]:
    """What it said cannot be found by a damaged model, and is found again once the model is there."""
    after_all_is_done(trial)
    entry_with(trial, "models/one/weights").write_text("other weights")
    return ONE


@fault
def responses_in_the_store_are_cut_off(trial: Faults) -> set[str]:
    after_all_is_done(trial)
    os.truncate(entry_with(trial, "responses/toy/one.jsonl"), 3)
    return {"respond@one"}


@fault
def an_entry_is_half_there(trial: Faults) -> set[str]:
    """As of a file system that lost what was written last; and what a kill in the middle of a write leaves."""
    after_all_is_done(trial)
    path = entry_with(trial, "responses/toy/one.jsonl")
    path.unlink()
    shutil.copytree(path.parents[2], path.parents[3] / f".{path.parents[2].name}.left")
    return {"respond@one"}


@fault
def a_manifest_is_empty(trial: Faults) -> set[str]:
    after_all_is_done(trial)
    os.truncate(entry_with(trial, "responses/toy/one.jsonl").parents[2] / "manifest.json", 0)
    return {"respond@one"}


def test_the_cluster_of_the_page_runs_beside_another_and_leaves_nothing(cluster: Slurm, tmp_path: Path) -> None:
    words = [sys.executable, slurm_cluster.__file__, str(tmp_path / "slurm")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout
        conf = page.stdout.readline().strip().removeprefix("export SLURM_CONF=")
        other = Slurm(Path(conf).parent)
        assert [other.node_state(node) for node in NODES] == ["idle", "idle"]
        other.run("sbatch", "--output=/dev/null", "--wrap", "sleep 600")
        wait_until(lambda: other.queue("RUNNING"), "a job runs there")
        assert cluster.queue() == []
        bystander = subprocess.Popen(["sleep", "600"], env=other.env)  # from a terminal where SLURM_CONF is exported
        page.terminate()
    assert [process.pid for process in other.processes()] == [bystander.pid]
    bystander.kill()
    bystander.wait()


@pytest.mark.parametrize("strike", FAULTS, ids=lambda strike: strike.__name__)
def test_one_resubmit_ends_it_where(trial: Faults, strike: Fault) -> None:
    lost = strike(trial)
    trial.ends(lost)


def test_a_cell_that_always_fails_is_named_and_the_others_are_kept(trial: Faults) -> None:
    trial.toy.fault("model@one", "fail")
    trial.run("submit")
    for count in (1, 2, 3):
        trial.slurm.wait_idle()
        found = trial.cells()
        assert {name: cell["state"] for name, cell in found.items()} == {
            "model@one": "failed",
            "model@two": "done",
            "respond@one": "missing",
            "respond@two": "done",
        }
        assert (found["model@one"]["failed"], "it was told to fail" in found["model@one"]["reason"]) == (count, True)
        said = trial.run("cells", "--resubmit", fails=count == 3)
    assert "error: model@one failed" in said
    assert trial.slurm.queue() == []
    trial.let_go("model@one")
    for folder in (trial.store / "failures").iterdir():
        shutil.rmtree(folder)
    trial.ends(ONE)


@pytest.fixture
def small_disk(trial: Faults, tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB in memory, on which the store lies."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs a small file system, which cannot be mounted here: {mounted.stderr.strip()}")
    trial.reset(disk / "store")
    yield disk
    trial.slurm.run("scancel", "--me", check=False)
    wait_until(lambda: not trial.slurm.processes(), "nothing uses it")
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Write until there is no room left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return filler


def test_a_full_store_costs_what_was_to_be_written_and_nothing_else(trial: Faults, small_disk: Path) -> None:
    trial.held("model@one")
    trial.wait_for("respond@two", "done")
    filler = fill(small_disk)
    trial.let_go("model@one")
    trial.slurm.wait_idle()
    assert trial.states() == {name: "missing" if name in ONE else "done" for name in CELLS}
    assert f"disk full while writing {small_disk}" in trial.run("cells", "--resubmit", fails=True)
    filler.unlink()
    trial.ends(ONE)


def test_a_store_that_is_full_from_the_start_is_told_in_a_line(trial: Faults, small_disk: Path) -> None:
    filler = fill(small_disk)
    assert f"disk full while writing {small_disk}" in trial.run("submit", fails=True)
    assert trial.slurm.queue() == []
    filler.unlink()
    trial.ends(set(CELLS))


def test_a_store_that_turns_read_only(trial: Faults, small_disk: Path) -> None:
    for node in NODES:
        trial.slurm.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=trial")
    trial.run("submit")
    remount = ["mount", "-o", "remount,{}", str(small_disk)]
    subprocess.run([word.format("ro") for word in remount], check=True)
    trial.slurm.mend()
    trial.slurm.wait_idle()
    assert set(trial.states().values()) == {"missing"}
    assert "ead-only" in trial.run("cells", "--resubmit", fails=True)
    subprocess.run([word.format("rw") for word in remount], check=True)
    trial.ends(set(CELLS))
