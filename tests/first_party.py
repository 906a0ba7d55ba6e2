"""Which of our own files a Python file imports, directly or through another."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"


def module_files(name: str) -> list[Path]:
    """The files that importing `name` runs: its packages' __init__.py and its own; none if it is not ours."""
    files = []
    path = SOURCE
    for part in name.split("."):
        path = path / part
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                files.append(file)
    return files


def imported(file: Path) -> set[Path]:
    """All first-party files that running `file` may import, wherever in the file the import stands."""
    found: set[Path] = set()
    pending = [file]
    while pending:
        tree = ast.parse(pending.pop().read_text())
        names = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.module is not None, f"{file}: relative import"
                names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            for module in module_files(name):
                if module not in found:
                    found.add(module)
                    pending.append(module)
    return found
