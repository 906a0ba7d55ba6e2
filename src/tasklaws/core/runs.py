"""A note of each run of a stage beside the results, never in them: when, how long, where, from which commit.

It lies in .work/runs/, which git ignores and no stage reads. `tasklaws trace` shows it beside an output whose bytes the
run wrote.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

RUNS = Path(".work/runs")
STAGE = "DVC_STAGE"  # set by DVC to the name of the stage that it runs
# Of requirements.lock, what computes, draws or writes something in a result.
PACKAGES = (
    *("torch", "transformers", "tokenizers", "safetensors", "huggingface-hub", "lm_eval", "datasets", "accelerate"),
    *("wasmtime", "rapidfuzz", "numpy", "scipy", "pandas", "pydantic", "matplotlib", "jinja2", "pyyaml"),
)
_OWN_OUTPUTS = (":!dvc.lock", ":!results", ":!reports")  # they change while the pipeline runs
_written: set[str] = set()


def packages() -> dict[str, str]:
    """Python's version and those of the installed packages that bear on results, without what names a build.

    Of Python major and minor number, of a package no local part (`+cpu`): the same lock gives the same on any machine.
    """
    from importlib.metadata import PackageNotFoundError, version  # which most commands need not wait for

    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name).partition("+")[0]
    return found


def source_state(root: Path = Path()) -> dict[str, object]:
    """The commit under `root` and whether the sources differ from it (`dirty`); nothing outside a repository."""
    git = ["git", "-C", str(root)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return {}
    if head.returncode:
        return {}
    command = [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", *_OWN_OUTPUTS]
    changed = subprocess.run(command, capture_output=True, check=True).stdout
    return {"commit": head.stdout.strip(), "dirty": bool(changed)}


def wrote(path: Path) -> None:
    """Remember the MD5 of a file that this process has written, where it runs a stage."""
    if STAGE in os.environ:
        with path.open("rb") as file:
            _written.add(hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest())


@contextmanager
def noted() -> Iterator[None]:
    """Write a note of what the block does once it ended well, where DVC runs it as a stage.

    A note that cannot be written is left out: no stage fails of it.
    """
    stage, began, clock = os.environ.get(STAGE), time.time(), time.monotonic()
    yield
    if stage is None:
        return
    with suppress(OSError, subprocess.SubprocessError):
        _write(stage, began, time.monotonic() - clock)


def _write(stage: str, began: float, seconds: float) -> None:
    note = {
        "stage": stage,
        "command": " ".join([Path(sys.executable).name, *sys.argv]),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "seconds": round(seconds, 1),
        "host": platform.node(),
        "platform": platform.platform(),
        "packages": packages(),
        **source_state(),
        "wrote_md5": sorted(_written),
    }
    # The same bytes again take the place of the earlier note of them.
    key = hashlib.sha256("\n".join(sorted(_written)).encode()).hexdigest()[:12]
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / f"{stage.replace('/', '_')}-{key}.json"
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(note, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(path)


def read_notes(root: Path = Path()) -> list[Mapping[str, Any]]:
    """All notes under `root`, the latest first; a damaged one is left out."""
    found: list[Mapping[str, Any]] = []
    for path in (root / RUNS).glob("*.json"):
        with suppress(OSError, ValueError):
            note = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(note, dict) and {"stage", "started", "seconds", "wrote_md5"} <= set(note):
                found.append(note)
    return sorted(found, key=lambda note: str(note["started"]), reverse=True)
