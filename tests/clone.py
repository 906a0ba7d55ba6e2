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
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file() and not name.startswith(("results/", "reports/", "dvc.lock")):
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, path / name)
        path.mkdir(parents=True, exist_ok=True)
        self.run("git", "init", "-q")
        self.commit("a fresh clone")

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

    def set(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change params.yaml in place."""
        file = self.path / "params.yaml"
        params = yaml.safe_load(file.read_text())
        change(params)
        file.write_text(yaml.safe_dump(params, sort_keys=False, width=110))

    def outputs(self) -> dict[str, str]:
        """The hash of every stage output, as dvc.lock has them."""
        return {out["path"]: out["md5"] for stage in self.locked().values() for out in stage.get("outs", [])}

    def locked(self) -> dict[str, Any]:
        """The stages in dvc.lock: those that have run."""
        lock = self.path / "dvc.lock"
        stages: dict[str, Any] = yaml.safe_load(lock.read_text())["stages"] if lock.exists() else {}
        return stages
