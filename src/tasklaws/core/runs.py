"""A note of each run of a stage beside the results, never in them: when, how long, where, from which commit.

It lies in .work/runs/, which git ignores and no stage reads, under a seal. `tasklaws trace` shows it beside an output
whose bytes the run wrote.
"""

import hashlib
import hmac
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import json_line, read_json, write_json, written
from tasklaws.core.git import git
from tasklaws.core.lock import STAGE
from tasklaws.core.sealed import seal_of

RUNS = Path(".work/runs")
# Of requirements.lock, what computes, draws or writes something in a result.
PACKAGES = (
    *("torch", "transformers", "tokenizers", "safetensors", "huggingface-hub", "lm_eval", "datasets", "accelerate"),
    *("wasmtime", "rapidfuzz", "numpy", "scipy", "pandas", "pydantic", "matplotlib", "jinja2", "pyyaml"),
)
_OWN_OUTPUTS = (":!dvc.lock", ":!results", ":!reports")  # they change while the pipeline runs


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
    head = git(root, "rev-parse", "HEAD")
    if head is None:
        return {}
    changed = git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *_OWN_OUTPUTS)
    return {"commit": head.decode().strip(), "dirty": bool(changed)}


@contextmanager
def noted() -> Iterator[None]:
    """Write a note of what the block does once it ended well, where DVC runs it as a stage.

    A note that cannot be written is left out: no stage fails of it.
    """
    stage, began, clock = os.environ.get(STAGE), time.time(), time.monotonic()
    yield
    if stage is None:
        return
    with suppress(OSError, TasklawsError):
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
        "wrote_md5": sorted(written),
    }
    # The same bytes again take the place of the earlier note of them.
    key = hashlib.sha256("\n".join(sorted(written)).encode()).hexdigest()[:12]
    path = RUNS / f"{stage.replace('/', '_')}-{key}.json"
    write_note(path, note)
    written.clear()


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Write a note under a seal of this user's."""
    write_json(path, {**note, "seal": _seal(path, note)})


def _seal(path: Path, note: Mapping[str, Any]) -> str:
    return seal_of(path.name, json_line(path, note).encode())


def read_notes(root: Path = Path()) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The notes under `root` that a run of this user's wrote, the latest first; the names of all others.

    Those are damaged, changed since, or made where the key is another.
    """
    found: list[Mapping[str, Any]] = []
    others = []
    for path in sorted((root / RUNS).glob("*.json")):
        try:
            note = read_json(path)
            seal = str(note.pop("seal")).encode()
            is_own = hmac.compare_digest(seal, _seal(path, note).encode())
        except (OSError, TasklawsError, AttributeError, TypeError, KeyError, ValueError):
            is_own = False
        if is_own:
            found.append(note)
        else:
            others.append(path.name)
    return sorted(found, key=lambda note: str(note["started"]), reverse=True), others
