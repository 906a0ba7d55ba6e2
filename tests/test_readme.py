"""Every command in the README is run, on the miniature ladder where it would take long."""

import re
import shlex
import subprocess
import time
import urllib.request

import pytest

from clone import ROOT, Clone

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

# Commands that take long or need the world outside are run elsewhere: here with what runs them.
ELSEWHERE = {
    "make test": "this very run",
    "make repro": "conftest.py: clone",
    "dvc exp run -S models=pythia_ladder": "test_pythia_pipeline.py",
    "dvc exp run -S models=nano_large": "test_it_composes",
    "dvc exp run -S experiment=overlap": "test_pipeline.py: an experiment, tiny",
    "python benchmarks/stages.py": "test_benchmarks_start",
    "python benchmarks/harness.py": "test_benchmarks_start",
    "python benchmarks/sandbox.py": "test_benchmarks_start",
    "python benchmarks/backtest.py": "test_benchmarks_start",
    "python benchmarks/chinchilla.py": "test_benchmarks_start",
    "python benchmarks/learning_curves.py": "test_benchmarks_start",
    "python benchmarks/difficulty.py": "test_benchmarks_start",
    "tasklaws new-family multiplication": "harness/test_scaffold.py",
    "source .venv/bin/activate": "the environment of this run",
    "mlflow ui --backend-store-uri sqlite:///mlflow.db": "test_mlflow_ui_serves",
}
ROOMS = {
    "models=nano_ladder": "models=nano_mini",
    "nano-149k": "mini-21k",
    "results/nano_ladder": "results/nano_mini",
    "n_params < 1e5": "n_params < 1e4",
    "n_params > 1e5": "n_params > 1e4",
    "--rolling 1": "--rolling 1 --min-rungs 2",
}


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [
        line.split("  #")[0].split("   #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()
    ]


def test_every_command_of_the_readme_runs(clone: Clone) -> None:
    (clone.path / "program.py").write_text("print(6 * 7)")
    run = []
    for command in commands():
        clean = re.sub(r"\s+#.*", "", command)
        if clean in ELSEWHERE:
            continue
        for wanted, smaller in ROOMS.items():
            clean = clean.replace(wanted, smaller)
        if clean not in run:
            clone.run(*shlex.split(clean))
            run.append(clean)
    assert "dvc exp show" in run
    assert any(command.startswith("lm_eval") for command in run)
    assert any(command.startswith("tasklaws sandbox") for command in run)


def test_nothing_is_listed_as_run_elsewhere_that_the_readme_lacks() -> None:
    assert set(ELSEWHERE) <= {re.sub(r"\s+#.*", "", command) for command in commands()}


def test_it_composes(clone: Clone) -> None:
    clone.run("tasklaws", "compose", "models=nano_large")
    assert "nano-1m" in (clone.path / "params.yaml").read_text()
    clone.run("git", "checkout", "params.yaml")


def test_mlflow_ui_serves(clone: Clone) -> None:
    server = subprocess.Popen(
        ["mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db", "--port", "5917", "--workers", "1"],
        cwd=clone.path,
        env={**clone.env, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen("http://127.0.0.1:5917/health", timeout=5) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                time.sleep(0.5)
        pytest.fail("mlflow ui did not start in two minutes")
    finally:
        server.terminate()
        server.wait()


BENCHMARKS = ["stages", "harness", "sandbox", "backtest", "chinchilla", "learning_curves", "difficulty"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_start(clone: Clone, name: str) -> None:
    assert compile((ROOT / "benchmarks" / f"{name}.py").read_text(), name, "exec")
    clone.run("python", "-c", f"import runpy; runpy.run_path('benchmarks/{name}.py', run_name='imported')")


def test_the_picture_and_the_files_that_it_names_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / name).exists(), name
