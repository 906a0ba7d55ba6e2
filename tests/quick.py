"""What `pytest --quick` leaves out: tests that need a library which takes seconds to import, or long for themselves."""

import ast
import functools
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SLOW = frozenset({"torch", "transformers", "datasets", "lm_eval", "mlflow", "dvc"})


def is_quick(file: Path) -> bool:
    """Whether importing a test file imports no slow library, be it by way of other files of ours."""
    pending, seen = [file], {file}
    while pending:
        for name in _names(pending.pop()):
            if name.partition(".")[0] in SLOW:
                return False
            for module in _files(name, file.parent):
                if module not in seen:
                    seen.add(module)
                    pending.append(module)
    return True


@functools.cache
def _names(file: Path) -> frozenset[str]:
    """The modules that importing a file imports: functions and `if TYPE_CHECKING` do not run then."""
    found: set[str] = set()
    for node in _run(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return frozenset(found)


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _run(node)


@functools.cache
def _files(name: str, folder: Path) -> tuple[Path, ...]:
    """Our files that importing `name` runs, from a test in `folder`."""
    parts = name.split(".")
    if parts[0] == "tasklaws":
        places = [ROOT.joinpath("src", *parts[:end]) for end in range(1, len(parts) + 1)]
        found = [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
    else:
        found = [place / f"{parts[0]}.py" for place in (folder, ROOT / "tests")]
    return tuple(file for file in found if file.is_file())


class SkipSlowImports:
    """In sys.meta_path: a test that comes to import a slow library, inside a function of ours, is skipped there."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in SLOW:
            raise pytest.skip.Exception(f"not quick: it imports {name}", allow_module_level=True)
        return None


def skip_slow_imports() -> None:
    sys.meta_path.insert(0, SkipSlowImports())
