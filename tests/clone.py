"""A fresh clone of this repository in which its own commands are run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def _smaller_ladder(models: dict[str, Any]) -> None:
    for rung in models["rungs"].values():
        rung["source"].update(n_tokens=30_720, checkpoints=[0.5])


FEWER_ITEMS: dict[str, dict[str, Any]] = {
    "gauss_sum": {"per_decade": 2},
    "step_chain": {"lengths": {1: 6, 2: 4, 3: 3}},
    "addition": {"per_length": 6},
    "string_edit": {"per_cell": 1, "longest": 3},
    "largest_of_four": {"per_length": 6},
}


def _smaller_family(settings: dict[str, Any]) -> None:
    for family in settings["families"]["sets"].values():
        family.update(FEWER_ITEMS[family["generator"]])


def _smaller_corpus(corpus: dict[str, Any]) -> None:
    corpus.update(n_documents=2500, n_heldout=60)


def _smaller_population(humans: dict[str, Any]) -> None:
    humans["population"].update(n_people=60)


def _fewer_refits(laws: dict[str, Any]) -> None:
    laws.update(replicates=50)


def _one_process(execution: dict[str, Any]) -> None:
    # Each worker of a rung imports torch and lm-eval anew, which takes longer than its work here.
    execution.update(workers=1)


SMALLER: dict[str, Callable[[dict[str, Any]], None]] = {
    "models/nano_mini": _smaller_ladder,
    **{f"families/{name}": _smaller_family for name in FEWER_ITEMS},
    "corpus/mini": _smaller_corpus,
    "humans/default": _smaller_population,
    "laws/default": _fewer_refits,
    "execution/default": _one_process,
}


def asked() -> list[str]:
    """The families that are asked, by params.yaml."""
    return list(yaml.safe_load((ROOT / "params.yaml").read_text())["elicitation"]["ask"])


class Clone:
    """A copy of this repository's working tree, with git and a DVC cache of its own."""

    def __init__(self, path: Path, **environment: str) -> None:
        self.path = path
        self.env = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            **environment,
        }

    @classmethod
    def fresh(cls, path: Path, **environment: str) -> "Clone":
        """What `git clone` gives, less the results that the pipeline made."""
        clone = cls(path, **environment)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            made = name.startswith(("results/", "reports/", "dvc.lock")) and not name.startswith("results/real/")
            if (ROOT / name).is_file() and not made:
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)
        path.mkdir(parents=True, exist_ok=True)
        clone.run("git", "init", "-q")
        clone.commit("a fresh clone")
        return clone

    @classmethod
    def small(cls, path: Path, **environment: str) -> "Clone":
        """A fresh clone whose miniature ladder takes a tenth of the time, in params.yaml and committed."""
        clone = cls.fresh(path, **environment)
        for name, change in SMALLER.items():
            clone.set(change, f"conf/{name}.yaml")
        clone.run("tasklaws", "compose", "models=nano_mini")
        clone.commit("the miniature ladder, smaller")
        return clone

    def copy(self, path: Path) -> "Clone":
        """All of it once more."""
        shutil.copytree(self.path, path, symlinks=True)
        return Clone(path)

    def run(self, *command: str, fails: bool = False) -> str:
        """What a command said; it must succeed, or fail if it should."""
        done = subprocess.run(
            command, cwd=self.path, env=self.env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        return said

    def ran(self, *command: str) -> list[str]:
        """The stages that a command ran, in order."""
        return [line.split("'")[1] for line in self.run(*command).splitlines() if line.startswith("Running stage '")]

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", message)

    def set(self, change: Callable[[dict[str, Any]], None], name: str = "params.yaml") -> None:
        """Change params.yaml, or a file in conf/, in place."""
        file = self.path / name
        text = file.read_text()
        settings = yaml.safe_load(text)
        change(settings)
        package = "".join(line for line in text.splitlines(keepends=True) if line.startswith("# @package"))
        file.write_text(package + yaml.safe_dump(settings, sort_keys=False, width=110))

    def set_up(self) -> None:
        """Give make an environment that it takes for set up, so that it never installs the clone into the real one."""
        (self.path / ".venv").mkdir()
        for part in BIN.parent.iterdir():
            if part.name != ".ready":
                (self.path / ".venv" / part.name).symlink_to(part)
        (self.path / ".venv/.ready").touch()

    def forget(self, stage: str) -> None:
        """Take a stage out of dvc.lock, as if it had never run."""
        lock = self.path / "dvc.lock"
        locked = yaml.safe_load(lock.read_text())
        del locked["stages"][stage]
        lock.write_text(yaml.safe_dump(locked, sort_keys=False))

    def outputs(self) -> dict[str, str]:
        """The hash of every stage output, as dvc.lock has them."""
        return {out["path"]: out["md5"] for stage in self.locked().values() for out in stage.get("outs", [])}

    def locked(self) -> dict[str, Any]:
        """The stages in dvc.lock: those that have run."""
        lock = self.path / "dvc.lock"
        stages: dict[str, Any] = yaml.safe_load(lock.read_text())["stages"] if lock.exists() else {}
        return stages
