"""The cheap stages once more, each from the files that it read here, in a copy of the tree and by its own script."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tasklaws.core.progress import progress
from tasklaws.provenance.chain import files_in, md5
from tasklaws.provenance.planned import PlannedStage
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked

COSTLY = ("model", "respond", "sharded", "overlap_respond", "zipf_train")  # they train or ask
INDEX = ("track",)  # MLflow is compared by itself
_COPIED_FOLDERS = (
    "src",
    "stages",
    "studies",
    "custom_tasks",
    "conf",
    "data",
    "responses",
    "scores",
    "results",
    "reports",
)
_COPIED_FILES = ("params.yaml", "dvc.yaml", "dvc.lock", ".dvcignore", "requirements.lock", "pyproject.toml")


def check_again(tree: Tree, scratch: Path) -> Iterator[Finding]:
    """Run every stage that neither trains nor asks, and name each output that comes out otherwise than it lies here.

    `scratch` is an empty folder. Each stage reads the files of the tree, not those that the stage before made there,
    so that what is named is what was changed. Programs run in a sandbox compiled there, and no stored outcome is read.
    """
    _copy(tree.root, scratch)
    stages = [stage for stage in tree.planned.values() if stage.name.split("@")[0] not in (*COSTLY, *INDEX)]
    costly = sum(stage.name.split("@")[0] in COSTLY for stage in tree.planned.values())
    yield Unchecked(f"{costly} stages that train or ask were not run again")
    with progress("stages again", len(stages)) as advance:
        for stage in stages:
            yield from _stage(tree, scratch, stage)
            advance()


def _copy(root: Path, scratch: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    for name in _COPIED_FOLDERS:
        if (root / name).is_dir():
            shutil.copytree(root / name, scratch / name, symlinks=True, ignore=ignore)
    for name in _COPIED_FILES:
        if (root / name).is_file():
            shutil.copy2(root / name, scratch / name)
    (scratch / ".dvc").mkdir()
    (scratch / "models").symlink_to(root / "models")  # large, and only read


def _stage(tree: Tree, scratch: Path, stage: PlannedStage) -> Iterator[Difference]:
    missing = [path for path in sorted(stage.inputs | stage.outputs) if not (tree.root / path).exists()]
    if missing:
        yield Difference(stage.name, f"cannot be run again without {missing[0]}: run `dvc pull` or `dvc repro`")
        return
    for path in stage.outputs:
        _remove(scratch / path)
    said = _run(stage.command, scratch)
    for path in sorted(stage.outputs):
        if said is not None:
            yield Difference(path, f"{stage.name} fails on what it read: {said}")
            break
        for name in _differing(tree, scratch, path):
            yield Difference(name, f"{stage.name} makes another from what it read")
    for path in stage.outputs:
        _remove(scratch / path)
        copy = shutil.copytree if (tree.root / path).is_dir() else shutil.copy2
        copy(tree.root / path, scratch / path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _run(command: str, scratch: Path) -> str | None:
    """Run a stage's command in the scratch tree; the last line that a failure printed."""
    words = shlex.split(command)
    words[0] = sys.executable
    # Of the user's caches none is read: the sandbox's guest is compiled anew, once.
    environment = {**os.environ, "PYTHONPATH": str(scratch / "src"), "XDG_CACHE_HOME": str(scratch / ".cache")}
    ran = subprocess.run(words, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
    lines = (ran.stderr or ran.stdout).strip().splitlines() or [f"status {ran.returncode}"]
    return lines[-1].removeprefix("error: ") if ran.returncode else None


def _differing(tree: Tree, scratch: Path, path: str) -> list[str]:
    here, there = tree.root / path, scratch / path
    if not here.is_dir() or not there.is_dir():
        return [] if there.is_file() and md5(there) == tree.md5(path) else [path]
    names = {file.relative_to(folder) for folder in (here, there) for file in files_in(folder)}
    both = {name: [folder / name for folder in (here, there)] for name in names}
    other = [name for name, pair in both.items() if not all(map(Path.is_file, pair)) or len({*map(md5, pair)}) > 1]
    return [f"{path}/{name.as_posix()}" for name in sorted(other)]
