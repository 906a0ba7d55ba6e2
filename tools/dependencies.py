"""Write the code dependencies of every stage in dvc.yaml, and in those of studies/, from what its script imports.

    python tools/dependencies.py           rewrites each dvc.yaml
    python tools/dependencies.py --check   exits with 1 and names the first difference

DVC reruns a stage when a listed file changes and does not trace imports, so a file too few gives stale results and a
file too many trains models again for nothing. A stage therefore lists the files that its script executes:

- what `stages/STAGE.py` (in a study `studies/STUDY/STAGE.py`) imports, and what those files import in turn, at top
  level and inside functions and classes;
- the `__init__.py` of every package on the way. Importing `a.b` executes the top level of `a/__init__.py`; what its
  functions import counts only where something of the package itself is imported (`from a import name`);
- all files of a package whose `__init__.py` imports them by name, with `importlib.import_module`;
- for stages that hand a file to lm-eval (`EXTRA_ENTRY_POINTS`), what that file imports at top level;
- nothing under `if TYPE_CHECKING:`, and not `tasklaws/__init__.py`: it only says where the public verbs are, and a
  stage that takes one from it is refused.

Three kinds of package are one entry, the outermost such package on a file's path; every other file is an entry:

- a package that a stage executes whole, every file of it;
- a package with files other than Python's (templates, the sandbox's guest): no import shows which of them are read;
- the packages in `WHOLE_PACKAGES`, of which most stages execute most files: their lists would be long and say little.

A stage's `src/...` lines stand below its script's; no other line of dvc.yaml changes.
"""

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
REMEDY = "run `make dependencies`"
WHOLE_PACKAGES = ("core", "forecast", "items", "laws")
# lm-eval calls this file's `load` to get the items. Its scoring function imports when called, and no stage calls it.
EXTRA_ENTRY_POINTS = {"respond": "custom_tasks/tasks.py", "overlap_respond": "custom_tasks/tasks.py"}
_IMPORTING_CALLS = ("importlib.import_module", "import_module", "__import__")


class DependencyError(Exception):
    """An import that cannot be followed, a dvc.yaml that cannot be edited, or one that differs from the imports."""


def script(stage: str, root: Path = ROOT) -> Path:
    """The Python file that a stage runs; a study's stage has a name that no other has."""
    return next(root.glob(f"studies/*/{stage}.py"), root / "stages" / f"{stage}.py")


def needed(stage: str, root: Path = ROOT) -> set[Path]:
    """All first-party files that running a stage may execute, its own script among them.

    Raises DependencyError for an import that cannot be followed.
    """
    found = {script(stage, root)}
    pending = [(script(stage, root), True)]
    if stage in EXTRA_ENTRY_POINTS:
        pending.append((root / EXTRA_ENTRY_POINTS[stage], False))
    seen = set(pending)
    while pending:
        for step in _imported(*pending.pop(), root / "src"):
            if step not in seen:
                seen.add(step)
                found.add(step[0])
                pending.append(step)
    return found


@cache
def _imported(file: Path, functions: bool, source: Path) -> list[tuple[Path, bool]]:
    """The first-party files that `file` itself imports, each with whether its functions may be called.

    `functions` says whether imports inside the functions of `file` count.
    """
    found: list[tuple[Path, bool]] = []
    for node in _nodes(_parsed(file), functions):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found += _module(alias.name, None, file, source)
        elif isinstance(node, ast.ImportFrom):
            if node.module is None or node.level:
                raise DependencyError(f"{file}:{node.lineno}: a relative import: write the module's full name")
            for alias in node.names:
                found += _module(node.module, alias.name, file, source)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _IMPORTING_CALLS:
            if file.name != "__init__.py":
                raise DependencyError(
                    f"{file}:{node.lineno}: an import by name: only a package's __init__.py can have it"
                )
            found += [(module, True) for module in sorted(file.parent.glob("*.py"))]
    return found


def _module(module: str, name: str | None, importer: Path, source: Path) -> Iterator[tuple[Path, bool]]:
    """The files that `import module`, or `from module import name`, executes; none if the module is not in `source`."""
    parts = module.split(".")
    asked = len(parts)  # where a `name` is looked up, first by __getattr__
    if name is not None and _file(source.joinpath(*parts, name)):
        parts.append(name)
    for end in range(1, len(parts) + 1):
        file = _file(source.joinpath(*parts[:end]))
        if file is None:
            continue
        last = end == len(parts)
        by_name = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in _parsed(file).body)
        if last and by_name:
            raise DependencyError(
                f"{importer}: {name or 'what it uses'} of {module} is imported only when asked for, by __getattr__: "
                "import the module that defines it"
            )
        yield file, last or (end == asked and by_name)


def _file(path: Path) -> Path | None:
    """The file of the module or package at `path`, which has no suffix."""
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in candidates if file.is_file()), None)


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def _nodes(node: ast.AST, functions: bool) -> Iterator[ast.AST]:
    """All nodes below `node` that may be executed; without `functions`, those that importing executes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not functions:
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).removeprefix("typing.") == "TYPE_CHECKING":
            for other in child.orelse:
                yield other
                yield from _nodes(other, functions)
            continue
        yield child
        yield from _nodes(child, functions)


def entries(files: set[Path], root: Path = ROOT) -> list[str]:
    """The entries of dvc.yaml, sorted, that cover those of `files` that lie in src/."""
    source = root / "src"
    found = set()
    for file in files:
        if file.is_relative_to(source):
            packages = list(file.relative_to(source).parents)[-3::-1]  # the outermost first, less src/ and src/tasklaws
            whole = (package for package in packages if _is_one_entry(source / package, files))
            found.add((source / next(whole, file.relative_to(source))).relative_to(root).as_posix())
    return sorted(found)


def _is_one_entry(package: Path, files: set[Path]) -> bool:
    inside = {
        file
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith(".")
    }
    data = [file for file in inside if file.parent == package and file.suffix != ".py"]
    named = package.parent.name == "tasklaws" and package.name in WHOLE_PACKAGES
    return named or bool(data) or inside <= files


def listed(stage: str, text: str) -> list[str]:
    """The entries in src/ that a dvc.yaml lists for a stage."""
    lines = text.splitlines()
    return [
        _entry(lines[index]) for index in _dependency_lines(stage, lines) if _entry(lines[index]).startswith("src/")
    ]


def rewritten(text: str, wanted: dict[str, list[str]], root: Path = ROOT) -> str:
    """The text of a dvc.yaml with the `wanted` entries for each stage in place of its present entries in src/.

    Raises DependencyError for a stage without a list of dependencies that names the stage's script.
    """
    lines = text.splitlines(keepends=True)
    for stage, names in wanted.items():
        own = _dependency_lines(stage, lines)
        path = script(stage, root).relative_to(root).as_posix()
        anchors = [index for index in own if _entry(lines[index]) == path]
        if len(anchors) != 1:
            raise DependencyError(f"dvc.yaml: stage {stage} does not list its script: add - {path} to its deps")
        indent = lines[anchors[0]].split("-")[0]
        lines[anchors[0]] += "".join(f"{indent}- {name}\n" for name in names)
        for index in own:
            if _entry(lines[index]).startswith("src/"):
                lines[index] = ""
        lines = "".join(lines).splitlines(keepends=True)
    return "".join(lines)


def _dependency_lines(stage: str, lines: list[str]) -> list[int]:
    """The indices of the lines that list a stage's dependencies."""
    found = []
    in_stage = in_list = False
    for index, line in enumerate(lines):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if len(line) - len(line.lstrip()) <= 2:
            in_stage, in_list = line.rstrip() == f"  {stage}:", False
        if in_stage and in_list and bare.startswith("- "):
            found.append(index)
        elif in_stage:
            in_list = bare == "deps:"
    return found


def _entry(line: str) -> str:
    return line.strip().removeprefix("- ")


def check(text: str, wanted: dict[str, list[str]], root: Path = ROOT) -> None:
    """Compare a dvc.yaml with the `wanted` entries of each stage; raises DependencyError at the first difference."""
    for stage, names in wanted.items():
        present = listed(stage, text)
        missing, idle = sorted(set(names) - set(present)), sorted(set(present) - set(names))
        if missing:
            raise DependencyError(f"dvc.yaml: stage {stage} executes {missing[0]} and does not list it: {REMEDY}")
        if idle:
            raise DependencyError(f"dvc.yaml: stage {stage} lists {idle[0]} and does not need that entry: {REMEDY}")
    if rewritten(text, wanted, root) != text:
        raise DependencyError(f"dvc.yaml: an entry in src/ stands twice or out of order: {REMEDY}")


def entries_of_stages(stages: Iterable[str], root: Path = ROOT) -> dict[str, list[str]]:
    """The entries in src/ that each stage needs."""
    return {stage: entries(needed(stage, root), root) for stage in stages}


def pipelines(root: Path = ROOT) -> list[Path]:
    """The repository's own dvc.yaml, and those of its studies."""
    return [root / "dvc.yaml", *sorted(root.glob("studies/*/dvc.yaml"))]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Rewrite, or with --check compare, each dvc.yaml below `root`; exits with 1 and one line if that fails."""
    parser = argparse.ArgumentParser(description="Write dvc.yaml's code dependencies from the imports.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if dvc.yaml would change")
    only_check = parser.parse_args(arguments).check
    for path in pipelines(root):
        text = path.read_text(encoding="utf-8")
        try:
            wanted = entries_of_stages(yaml.safe_load(text)["stages"], root)
            if only_check:
                check(text, wanted, root)
            else:
                path.write_text(rewritten(text, wanted, root), encoding="utf-8")
        except DependencyError as error:
            sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
