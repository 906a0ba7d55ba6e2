"""nano_mini through a real Slurm of two nodes: real training, lm-eval and DVC, to the bytes of a plain local run."""

from pathlib import Path

import pytest
from slurm_cluster import NODES, slurm, wait_until
from trial import Trial, by_slurm, made

from clone import Clone

pytestmark = [pytest.mark.slow, pytest.mark.pipeline, pytest.mark.heavy]

RUNGS = ("mini-1k", "mini-5k", "mini-21k")
CELLS = tuple(f"{stage}@{rung}" for stage in ("model", "respond") for rung in RUNGS)
SCORES = tuple(f"score@{rung}" for rung in RUNGS)
LONGER = "mini-1k"


def before_training(finished_clone: Clone, path: Path, store: Path) -> Clone:
    """The finished clone without what cells make and its scores, and as if that had never run."""
    clone = finished_clone.copy(path)
    for stage in (*CELLS, *SCORES):
        clone.forget(stage)
    clone.run("git", "clean", "-qfdX", "models", "responses", "scores", ".work")
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
    said = clone.run("dvc", "repro", "--no-run-cache")
    assert all(f"Running stage '{stage}'" in said for stage in (*CELLS, *SCORES))
    assert [cell for cell in CELLS if f"{cell}: taken from the store" not in said] == []
    assert clone.locked() == finished_clone.locked()
    assert clone.ran("dvc", "repro") == []


def test_what_is_stopped_goes_on_from_its_last_state_and_a_lost_shard_is_asked_again_to_the_same_bytes(
    finished_clone: Clone, tmp_path: Path
) -> None:
    plain, clone = (finished_clone.copy(tmp_path / name) for name in ("plain", "clone"))
    for each in (plain, clone):
        each.set(lambda params: params["models"]["rungs"][LONGER]["source"].update(n_tokens=1_638_400))
    plain.run("dvc", "repro", f"respond@{LONGER}")
    store = tmp_path / "store"
    clone.set(lambda params: by_slurm(params["execution"], store))
    shards = {"rungs": {LONGER: {"shards": 2}}}
    clone.set(lambda params: params["execution"]["resources"]["respond"].update(shards))
    model, first, second = (f"model@{LONGER}", f"respond@{LONGER}:1of2", f"respond@{LONGER}:2of2")
    with slurm(tmp_path / "slurm") as cluster:
        trial = Trial(clone.path, store, cluster, (), {})
        trial.run("submit")
        wait_until(lambda: list(store.glob("work/*/tree/.work/train/*/*/seed0.state")), "a state is kept")
        cluster.run("scancel", "--signal=USR2", trial.job(model))
        trial.at_work(first)[0].kill()
        cluster.wait_idle()
        (log,) = store.glob(f"logs/{model}-*")
        assert f"{LONGER} seed 0: resuming at step " in log.read_text()
        states = trial.states()
        assert (states.pop(first), states.pop(second), set(states.values())) == ("failed", "done", {"done"})
        trial.run("cells", "--resubmit")
        cluster.wait_idle()
    said = clone.run("dvc", "repro", f"respond@{LONGER}")
    assert all(f"{stage}@{LONGER}: taken from the store" in said for stage in ("model", "respond"))
    assert made(clone.path) == made(plain.path)
