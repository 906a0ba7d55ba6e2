"""nano_mini through a real Slurm of two nodes: real training, lm-eval and DVC, to the bytes of a plain local run."""

from pathlib import Path

import pytest
from slurm_cluster import NODES, slurm, wait_until
from trial import Trial, by_slurm, made

from clone import Clone

pytestmark = [pytest.mark.slow, pytest.mark.pipeline, pytest.mark.heavy]

RUNGS = ("mini-1k", "mini-5k", "mini-21k")
CELLS = tuple(f"{stage}@{rung}" for stage in ("model", "respond") for rung in RUNGS)
LONGER = "mini-1k"


def before_training(finished_clone: Clone, path: Path, store: Path) -> Clone:
    """The finished clone without what cells make, and as if that had never run."""
    clone = finished_clone.copy(path)
    for cell in CELLS:
        clone.forget(cell)
    clone.run("git", "clean", "-qfdX", "models", "responses", ".work")
    clone.set(lambda params: by_slurm(params["execution"], store))
    return clone


@pytest.mark.parametrize(("nodes", "cpus"), [(NODES[:1], 1), (NODES, 1), (NODES, 2)], ids=["1", "2", "4"])
def test_so_many_workers_give_the_bytes_of_a_plain_local_run(
    finished_clone: Clone, tmp_path: Path, nodes: tuple[str, ...], cpus: int
) -> None:
    store = tmp_path / "store"
    clone = before_training(finished_clone, tmp_path / "clone", store)
    with slurm(tmp_path / "slurm", cpus, nodes) as cluster:
        trial = Trial(clone.path, store, cluster, CELLS, made(finished_clone.path))
        trial.run("submit")
        cluster.wait_idle()
        trial.is_whole()
    if (nodes, cpus) != (NODES, 1):
        return
    said = clone.run("dvc", "repro")
    assert [cell for cell in CELLS if f"{cell}: taken from the store" not in said] == []
    assert clone.outputs() == finished_clone.outputs()
    clone.run("git", "diff", "--exit-code", "--", "results", "dvc.lock")
    assert clone.ran("dvc", "repro") == []


def test_one_that_is_stopped_goes_on_from_its_last_state_to_the_same_weights(
    finished_clone: Clone, tmp_path: Path
) -> None:
    plain, clone = (finished_clone.copy(tmp_path / name) for name in ("plain", "clone"))
    for each in (plain, clone):
        each.set(lambda params: params["models"]["rungs"][LONGER]["source"].update(n_tokens=409_600))
    plain.run("dvc", "repro", f"respond@{LONGER}")
    store = tmp_path / "store"
    clone.set(lambda params: by_slurm(params["execution"], store))
    wanted = {path: sha for path, sha in made(plain.path).items() if LONGER in path}
    with slurm(tmp_path / "slurm") as cluster:
        trial = Trial(clone.path, store, cluster, (f"model@{LONGER}", f"respond@{LONGER}"), wanted)
        trial.run("submit")
        wait_until(lambda: list(store.glob("work/*/tree/.work/train/*/*/seed0.state")), "a state is kept")
        cluster.run("scancel", "--signal=USR2", trial.job(f"model@{LONGER}"))
        stage, *_ = trial.at_work(f"respond@{LONGER}", patience_s=300)
        wait_until(lambda: list(store.glob("work/*/tree/.work/respond/*/*/*.jsonl")), "some have answered")
        stage.kill()
        (log,) = store.glob(f"logs/model@{LONGER}-*")
        assert f"{LONGER} seed 0: resuming at step " in log.read_text()
        cluster.wait_idle()
        assert trial.states() == {name: "failed" if name == f"respond@{LONGER}" else "done" for name in CELLS}
        trial.run("cells", "--resubmit")
        cluster.wait_idle()
        assert set(trial.states().values()) == {"done"}
    found: dict[str, str] = {}
    for entry in (store / "entries").iterdir():
        found |= made(entry)
    assert {path: sha for path, sha in found.items() if LONGER in path} == wanted
