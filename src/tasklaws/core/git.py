"""What git says, and how it names a commit."""

import re
import subprocess
from pathlib import Path

COMMIT = re.compile(r"[0-9a-f]{40}")


def git(root: Path, *words: str) -> bytes | None:
    """What git says in `root`; None where it fails, as without such a file or repository, or where there is no git."""
    try:
        ran = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False)
    except OSError:
        return None
    return ran.stdout if ran.returncode == 0 else None
