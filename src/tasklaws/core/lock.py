"""Copies of dvc.lock: DVC rewrites it in place after every stage, and a kill at that moment cuts off what has run."""

import os
import shutil
from pathlib import Path

LOCK = Path("dvc.lock")
STAGE = "DVC_STAGE"  # set by DVC to the name of the stage that it runs
COPIES = Path(".work/locks")  # numbered, the latest last
_MOST_COPIES = 200


def keep_lock() -> None:
    """Copy dvc.lock if DVC runs this process: as a stage sets out, all that DVC wrote of earlier stages is in it."""
    if STAGE in os.environ and LOCK.exists():
        COPIES.mkdir(parents=True, exist_ok=True)
        copies = copies_of_lock()
        shutil.copyfile(LOCK, COPIES / str(int(copies[-1].name) + 1 if copies else 1))
        for path in copies[:-_MOST_COPIES]:
            path.unlink()


def copies_of_lock(root: Path = Path()) -> list[Path]:
    """The copies, in the order in which they were made; the last one may be cut off too."""
    return sorted((root / COPIES).glob("[0-9]*"), key=lambda path: int(path.name))
