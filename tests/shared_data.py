"""Data for tests that is no part of the repository: `../shared` beside it, or where TASKLAWS_SHARED says."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def shared(name: str) -> Path:
    """The path of a shared file; the test that asks is skipped where it is absent."""
    path = Path(os.environ.get("TASKLAWS_SHARED", ROOT.parent / "shared")) / name
    if not path.exists():
        pytest.skip(f"{path} is absent: set TASKLAWS_SHARED to the directory that has it")
    return path
