"""Every command in the README is run, on the miniature ladder where it would take long."""

import re
import shlex
import subprocess
import sys
from contextlib import chdir

import pytest
import typer

from clone import ROOT, Clone
from command import run
from tasklaws import cli
from tasklaws.compose import compose

# Commands that take long or need the world outside are run elsewhere: here with what runs them.
ELSEWHERE = {
    "make test": "this very run",
    "make repro": "conftest.py: finished_clone",
    "dvc exp run -S models=pythia_ladder": "test_pythia_pipeline.py",
    "tasklaws repair-lock": "test_lock_kills.py",
    "tasklaws trace gauss_sum_python@nano-234k": "trace/test_trace_pipeline.py",
    "dvc metrics show": "test_pipeline.py: metrics and plots",
    "dvc plots show": "test_pipeline.py: metrics and plots",
    "dvc remote add --local -d store ../store": "test_pipeline.py: a clone that pulled",
    "dvc push": "test_pipeline.py: a clone that pulled",
    "dvc pull": "test_pipeline.py: a clone that pulled",
    "tasklaws ask models/nano-234k --tasks sha256_power_python --limit 20 --out asked": "harness/test_one_model.py",
    "tasklaws plan-run models=pythia_ladder": "budget/test_plan_run.py: refused where it does not fit in memory",
    "dvc exp run -S models=nano_large": "test_it_composes",
    "dvc exp run -S models=nano_mini -S benchmarks=mine": "test_pipeline.py: benchmarks, over local files",
    "dvc exp run -S experiment=overlap": "test_pipeline.py: an experiment, tiny",
    "tasklaws new-family multiplication": "harness/test_scaffold.py",
    "tasklaws check claim.json outcomes.csv": "claims/test_claim_check.py",
    "source .venv/bin/activate": "the environment of this run",
    "make ui": "test_tracking_browser.py",
}
ROOMS = {
    "models=nano_ladder": "models=nano_mini",
    "nano-234k": "mini-21k",
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


def without_remark(command: str) -> str:
    return re.sub(r"\s+#.*", "", command)


@pytest.mark.slow
@pytest.mark.pipeline
def test_every_command_of_the_readme_runs(clone: Clone) -> None:
    (clone.path / "program.py").write_text("print(6 * 7)")
    ran = []
    for command in commands():
        clean = without_remark(command)
        if clean in ELSEWHERE or clean.startswith("python benchmarks/"):  # test_benchmarks_start
            continue
        for wanted, smaller in ROOMS.items():
            clean = clean.replace(wanted, smaller)
        if clean not in ran:
            words = shlex.split(clean)
            if words[0] == "tasklaws":  # here, where its libraries are imported already
                with chdir(clone.path):
                    assert run(*words[1:]) == 0, clean
            else:
                clone.run(*words)
            ran.append(clean)
    assert any(command.startswith("dvc exp show") for command in ran)
    assert any(command.startswith("lm_eval") for command in ran)
    assert any(command.startswith("tasklaws sandbox") for command in ran)


def test_every_command_of_ours_is_right_usage() -> None:
    group = typer.main.get_command(cli.app)
    for command in commands():
        program, *words = shlex.split(without_remark(command))
        if program == "tasklaws":
            group.commands[words[0]].make_context(words[0], cli.expanded(words[1:])).close()


def test_nothing_is_listed_as_run_elsewhere_that_the_readme_lacks() -> None:
    assert set(ELSEWHERE) <= {without_remark(command) for command in commands()}


def test_it_composes() -> None:
    assert "nano-1m" in compose(["models=nano_large"], ROOT / "conf")


@pytest.mark.slow
def test_benchmarks_start() -> None:
    # In one process, which imports torch once; away from the programs' own names for themselves, nothing is run.
    code = "import runpy, sys; sys.path[0] = sys.argv[1]; "
    code += "[runpy.run_path(path, run_name='imported') for path in sys.argv[2:]]"
    folder = ROOT / "benchmarks"
    files = sorted(folder.glob("*.py"))
    done = subprocess.run([sys.executable, "-c", code, folder, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
