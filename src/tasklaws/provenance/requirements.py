"""The versions of libraries that a repository pins."""

import re
from pathlib import Path

REQUIREMENTS = Path("requirements.lock")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;#]+)", re.MULTILINE)


def pinned(root: Path) -> dict[str, str]:
    """The version of every package in `root`/requirements.lock; none without such a file."""
    path = root / REQUIREMENTS
    return dict(_PIN.findall(path.read_text(encoding="utf-8"))) if path.is_file() else {}
