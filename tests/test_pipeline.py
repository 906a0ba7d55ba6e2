"""The whole pipeline on the miniature ladder: real DVC, real training, real lm-eval, real sandbox, in a copy of the repository."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]


class Clone:
    """A fresh clone of this repository's working tree, with a DVC cache of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.env = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in listed.stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)
        self.run("git", "init", "-q")
        self.commit("a fresh clone")

    def run(self, *command: str, fails: bool = False) -> str:
        done = subprocess.run(
            command, cwd=self.path, env=self.env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        return said

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", message)

    def set(self, change) -> None:
        """Change params.yaml in place."""
        file = self.path / "params.yaml"
        params = yaml.safe_load(file.read_text())
        change(params)
        file.write_text(yaml.safe_dump(params, sort_keys=False, width=110))

    def ran(self, *command: str) -> list[str]:
        """The stages that a command ran, in order."""
        said = self.run(*command)
        return [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage '")]

    def outputs(self) -> dict[str, str]:
        """The hash of every stage output, as dvc.lock has them."""
        lock = yaml.safe_load((self.path / "dvc.lock").read_text())
        return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """A clone in which `dvc repro` has run on the miniature ladder."""
    clone = Clone(tmp_path_factory.mktemp("clone"))
    clone.run("tasklaws", "compose", "models=nano_mini")
    clone.commit("the miniature ladder")
    clone.order = clone.ran("dvc", "repro")
    clone.commit("its results")
    return clone


def test_it_goes_from_nothing_to_the_report(clone):
    page = (clone.path / "reports/index.html").read_text()
    assert "nano_mini" in page
    assert "sha256_power" in page
    results = clone.path / "results/nano_mini"
    for name in ("observations_fit.csv", "observations_holdout.csv", "validation.csv", "metrics.json", "tracking.json"):
        assert (results / name).stat().st_size > 0
    observed = pd.read_csv(results / "observations_holdout.csv")
    assert set(observed["rung"]) == {"mini-21k"}
    assert observed["value"].notna().all()


def test_the_forecast_is_written_before_the_holdout_is_scored(clone):
    order = clone.order
    assert order.index("forecast") < order.index("score@mini-21k") < order.index("validate")
    assert order.index("score@mini-1k") < order.index("fit")


def test_a_second_repro_does_nothing(clone):
    before = (clone.path / "dvc.lock").read_bytes()
    assert clone.ran("dvc", "repro") == []
    assert (clone.path / "dvc.lock").read_bytes() == before


def test_metrics_and_plots_show(clone):
    assert "metrics.json" in clone.run("dvc", "metrics", "show")
    clone.run("dvc", "plots", "show", "-o", "plots_html")
    page = (clone.path / "plots_html/index.html").read_text()
    shutil.rmtree(clone.path / "plots_html")
    assert '"type": "log"' in page or '"type":"log"' in page


def test_a_laws_setting_asks_no_model_again(clone):
    clone.set(lambda params: params["laws"].update(replicates=params["laws"]["replicates"] + 20))
    ran = clone.ran("dvc", "repro")
    assert ran[0] == "fit"
    assert not [stage for stage in ran if stage.startswith(("model@", "respond@", "items", "corpus"))]
    clone.run("git", "checkout", "params.yaml")
    # What was there before comes back from the run cache.
    assert clone.ran("dvc", "repro") == []
    clone.run("git", "diff", "--exit-code")


def test_one_rungs_budget_reruns_that_rung_and_what_follows_only(clone):
    clone.set(lambda params: params["models"]["rungs"]["mini-5k"]["source"].update(n_tokens=307200))
    ran = clone.ran("dvc", "repro")
    assert [stage for stage in ran if stage.startswith(("model@", "respond@"))] == ["model@mini-5k", "respond@mini-5k"]
    assert {"observe@fit", "fit", "forecast", "validate", "report", "track"} <= set(ran)
    assert "observe@holdout" not in ran or "score@mini-21k" in ran
    clone.run("git", "checkout", "params.yaml")
    assert clone.ran("dvc", "repro") == []
    clone.run("git", "diff", "--exit-code")


@pytest.mark.parametrize(
    "stage", ["items", "corpus", "model@mini-1k", "respond@mini-1k", "score@mini-1k", "fit", "report", "track"]
)
def test_kill_9_in_the_middle_of_a_stage_then_repro_gives_the_same(clone, stage):
    before = clone.outputs()
    script = stage.split("@")[0]
    process = subprocess.Popen(
        ["dvc", "repro", "--single-item", "--force", "--no-run-cache", stage],
        cwd=clone.path,
        env=clone.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not stage_started(clone.path, script):
        time.sleep(0.05)
    time.sleep({"model": 9.0, "respond": 9.0, "corpus": 4.0}.get(script, 0.8))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for lock in (clone.path / ".dvc/tmp/rwlock", clone.path / ".dvc/tmp/lock"):
        lock.unlink(missing_ok=True)
    clone.run("dvc", "repro")
    assert clone.outputs() == before
    leftovers = [path for path in clone.path.rglob(".*.*") if path.is_file() and path.name.startswith(".params")]
    assert not leftovers


def stage_started(root: Path, script: str) -> bool:
    """Whether a process runs the stage's script in this clone."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
            if f"stages/{script}.py".encode() in words and (entry.parent / "cwd").readlink() == root:
                return True
        except OSError:
            continue
    return False


def test_training_again_gives_the_same_bytes(clone, tmp_path):
    again = Clone(tmp_path / "again")
    again.run("tasklaws", "compose", "models=nano_mini")
    again.run("dvc", "repro")
    assert again.outputs() == clone.outputs()


def test_an_experiment_switches_ladders_and_back(clone):
    """`dvc exp run -S` recomposes and runs, `dvc exp show` lists it, going back runs nothing again."""
    before = clone.outputs()
    said = clone.run("dvc", "exp", "run", "-n", "smaller", "-S", "models=nano_mini", "-S", "~models.rungs.mini-5k")
    assert "Running stage 'fit'" in said
    assert "Running stage 'model@" not in said
    assert clone.outputs() != before
    assert "smaller" in clone.run("dvc", "exp", "show", "--csv")
    assert "Running stage" not in clone.run("dvc", "exp", "run", "-S", "models=nano_mini")
    assert clone.outputs() == before
