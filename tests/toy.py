"""A repository whose stages take no time: two rungs that are made and asked as in dvc.yaml, by scripts of a few lines.

What cells do with stages does not depend on what the stages do. A script does what `Toy.fault` told it: `fail`, `hold`
until that is taken back, or `sleep 5` when it begins for the first time; what it keeps of its work in `.work` says how
often it began.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from clone import ROOT
from tasklaws.cells.states import Survey
from tasklaws.cells.submit import submit
from tasklaws.core.settings import Settings

CODE = ["src/tasklaws/__init__.py", "src/tasklaws/cells", "src/tasklaws/core"]
PIPELINE = {
    "stages": {
        "model": {
            "foreach": "${models.rungs}",
            "do": {
                "cmd": "python -P stages/model.py ${key}",
                "deps": ["data/corpus", "stages/model.py", *CODE],
                "params": ["models.rungs.${key}.source"],
                "outs": [{"models/${key}": {"persist": True}}],
            },
        },
        "respond": {
            "foreach": "${models.rungs}",
            "do": {
                "cmd": "python -P stages/respond.py ${key}",
                "deps": ["models/${key}", "data/items", "stages/respond.py", *CODE],
                "params": ["models.name", "models.dtype", "models.rungs.${key}"],
                "outs": ["responses/${models.name}/${key}.jsonl", "responses/${models.name}/${key}.json"],
            },
        },
    }
}
SCRIPT = """
import os, sys, time
from pathlib import Path
from tasklaws.cells.collect import collected
from tasklaws.core import script
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import load


def main():
    settings, rung = load(), sys.argv[1]
    if collected(settings.execution.store):
        return
    fault = Path(FAULTS, KIND + "-" + rung)
    words = fault.read_text().split() if fault.exists() else ["none"]
    kept = Path(".work/begun")
    kept.parent.mkdir(exist_ok=True)
    with kept.open("a") as file:
        file.write("x")
    times = kept.stat().st_size
    print(f"begun {times} times", flush=True)
    if words[0] == "sleep" and times == 1:
        time.sleep(float(words[1]))
    while words[0] == "hold" and fault.exists():
        time.sleep(0.05)
    if words[0] == "fail":
        raise TasklawsError("it was told to fail")
    make(settings, rung)


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
"""
MODEL = """
KIND = "model"
def make(settings, rung):
    source = settings.rung(rung).source
    write(f"models/{rung}/card.json", "{}")
    own = Path(source.path, "weights").read_text() if source.kind == "local" else f"{source.n_params} weights"
    write(f"models/{rung}/weights", f"{own} of {Path('data/corpus/train').read_text()}")
"""
RESPOND = """
KIND = "respond"
def make(settings, rung):
    said = Path(f"models/{rung}/weights").read_text() + Path("data/items/one").read_text()
    write(f"responses/{settings.models.name}/{rung}.jsonl", said)
    write(f"responses/{settings.models.name}/{rung}.json", settings.models.dtype)
"""
END = """
if __name__ == "__main__":
    script.run(main)
"""


class Toy:
    """The repository, in the folder `root`; its store lies beside it."""

    def __init__(self, root: Path, **execution: Any) -> None:
        self.root, self.store, self.faults = root, root.with_name("store"), root.with_name("faults")
        self.faults.mkdir(parents=True, exist_ok=True)
        head = f"FAULTS = {str(self.faults)!r}\n{SCRIPT}"
        self.write("stages/model.py", head + MODEL + END)
        self.write("stages/respond.py", head + RESPOND + END)
        self.write("data/corpus/train", "a corpus")
        self.write("data/items/one", ", an item")
        self.write("dvc.yaml", yaml.safe_dump(PIPELINE))
        for name in CODE:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(ROOT / name)
        self.params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
        rungs = self.params["models"]["rungs"]
        first, last = next(iter(rungs)), list(rungs)[-1]
        self.params["models"].update(
            name="toy", rungs={"one": rungs[first], "two": rungs[last]}, sharded={}, planned={}
        )
        self.params["execution"] |= {"store": str(self.store), "engine": "debug", **execution}
        self.save()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def save(self) -> None:
        """Write params.yaml as `params` are."""
        self.write("params.yaml", yaml.safe_dump(self.params, sort_keys=False))

    def fault(self, cell: str, what: str) -> None:
        """Let a cell do what a fault says, `sleep SECONDS`, `fail` or `hold`; nothing, where that is empty."""
        path = self.faults / cell.replace("@", "-")
        path.write_text(what) if what else path.unlink()

    def survey(self) -> Survey:
        """Its cells and its store, as they are now."""
        text = (self.root / "params.yaml").read_text()
        return Survey(Settings.of(yaml.safe_load(text)), text, self.root)

    def states(self) -> dict[str, str]:
        """Where each cell stands."""
        return {one.name: one.state for one in self.survey().states().cells}

    def submit(self) -> dict[str, str]:
        """Send what is missing, and say where each cell then stands."""
        return {one.name: one.state for one in submit(self.survey()).cells}

    def command(self) -> list[str]:
        """`tasklaws submit`, for a process of its own."""
        return [sys.executable, "-m", "tasklaws.cli", "submit"]

    def entries(self) -> dict[str, bytes]:
        """Every file in the store's entries."""
        folder = self.store / "entries"
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
