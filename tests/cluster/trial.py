"""A ladder that a real Slurm runs, what one may do to it, and what must be so in the end."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from slurm_cluster import PATIENCE_S, Slurm, wait_until

from clone import BIN
from tasklaws.core.files import sha256_file

LOST = ("missing", "failed")
RESOURCES = {"cpus": 1, "memory_gb": 0, "minutes": 10}


def by_slurm(execution: dict[str, Any], store: Path, **resources: Any) -> None:
    """Let cells be run by Slurm, each on a CPU of its own."""
    execution.update(engine="slurm", at_once=8, store=str(store))
    for each in execution["resources"].values():
        each.update(RESOURCES | resources)


def made(root: Path) -> dict[str, str]:
    """All files of models and responses under `root` with their SHA-256."""
    files = [path for folder in ("models", "responses") for path in sorted((root / folder).rglob("*"))]
    return {
        path.relative_to(root).as_posix(): sha256_file(path)
        for path in files
        if path.is_file() and path.name != ".gitignore"
    }


class Trial:
    """A repository in `root`, its store, the cluster that fills it, and the `plain` files that a local run makes."""

    def __init__(self, root: Path, store: Path, slurm: Slurm, cells: tuple[str, ...], plain: dict[str, str]) -> None:
        self.root, self.store, self.slurm, self.names, self.plain = root, store, slurm, cells, plain
        self.env = slurm.env | {"PATH": f"{BIN}:{slurm.env['PATH']}", "OMP_NUM_THREADS": "1"}

    def command(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        """The command `tasklaws` under way."""
        return subprocess.Popen(
            [BIN / "tasklaws", *words],
            cwd=self.root,
            env=self.env | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, fails: bool = False) -> str:
        """What the command answered; where it must fail, the one line that it said."""
        process = self.command(*words)
        answer, said = process.communicate()
        assert (process.returncode != 0) == fails, answer + said
        assert "Traceback" not in said, said
        return said if fails else answer

    def cells(self) -> dict[str, dict[str, Any]]:
        """What `tasklaws cells` says of every cell."""
        return {cell["name"]: cell for cell in json.loads(self.run("cells", "--json"))["cells"]}

    def states(self) -> dict[str, str]:
        return {name: cell["state"] for name, cell in self.cells().items()}

    def wait_for(self, cell: str, state: str) -> None:
        """Wait until `tasklaws cells` says so."""
        wait_until(lambda: self.states()[cell] == state, f"{cell} is {state}")

    def at_work(self, cell: str, patience_s: float = PATIENCE_S) -> list[psutil.Process]:
        """The processes of a cell that has begun its work, the stage's first, then those that ran it; waits for it."""
        stage, _, rung = cell.partition("@")

        def begun() -> list[psutil.Process]:
            for process in self.slurm.processes():
                with suppress(psutil.Error):
                    if process.cmdline()[-2:] == [f"stages/{stage}.py", rung] and Path(process.cwd(), ".work").is_dir():
                        return [process, *process.parents()]
            return []

        wait_until(begun, f"{cell} is at work", patience_s)
        return begun()

    def job(self, cell: str) -> str:
        """The id of a cell's job."""
        job = self.cells()[cell]["job"]
        assert job
        return str(job)

    def node(self, cell: str) -> str:
        """Where a cell runs."""
        return self.slurm.run("squeue", "--noheader", "--array", f"--jobs={self.job(cell)}", "--format=%N").strip()

    def ends(self, lost: set[str]) -> None:
        """After a fault: just the cells in `lost` are said to be missing or failed; one `--resubmit` sends those and no
        others; then every cell is there once, to the bytes of a plain local run, and nothing is left over."""
        self.slurm.mend()
        self.slurm.wait_idle()
        found = self.cells()
        assert {name for name, cell in found.items() if cell["state"] in LOST} == lost, found
        assert all(cell["state"] == "done" for name, cell in found.items() if name not in lost), found
        assert all(cell["reason"] for name, cell in found.items() if name in lost), found
        self.run("cells", "--resubmit")
        self.slurm.wait_idle()
        self.is_whole()

    def is_whole(self) -> None:
        """Every cell is in the store once, to the bytes of a plain local run, and no work is left."""
        assert self.states() == dict.fromkeys(self.names, "done"), self.cells()
        entries = sorted((self.store / "entries").iterdir())
        assert len(entries) == len(self.names), entries
        found: dict[str, str] = {}
        for entry in entries:
            found |= made(entry)
        assert found == self.plain
        assert list((self.store / "work").iterdir()) == []
