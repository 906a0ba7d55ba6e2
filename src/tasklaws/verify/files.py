"""Every file that a stage read or wrote, against the hash that dvc.lock has of it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from tasklaws.core.lock import LOCK
from tasklaws.core.outputs import OUTPUT_FOLDERS
from tasklaws.provenance.chain import Entry, Stage, files_in
from tasklaws.provenance.dotted import flatten
from tasklaws.report.entry import ENTRY, list_of_pages
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked


def check_hashes(tree: Tree, named: set[str]) -> Iterator[Finding]:
    """Name each output that is not what its stage wrote, each input that is not what was read, links and strays.

    An input in which a file is `named` already is not named again.

    Outputs of stages that the present parameters do not plan (other ladders, an experiment) are compared where they
    are here, and their inputs, which another ladder may have written anew, are not.
    """
    yield from _links(tree)
    for problem in (*_outputs(tree), *_strays(tree)):
        if isinstance(problem, Difference):
            named = named | {problem.where}
        yield problem
    yield from _inputs(tree, named)
    yield from _modes(tree)
    yield from _list_of_pages(tree)


def _outputs(tree: Tree) -> Iterator[Finding]:
    claims: dict[str, list[tuple[str, Entry]]] = {}
    for stage, entry in tree.chain.outputs():
        claims.setdefault(entry.path, []).append((stage.name, entry))
    away = Counter[str]()
    for path, writers in claims.items():
        own = [(name, entry) for name, entry in writers if name in tree.planned]
        if not tree.exists(path):
            if not own:
                away["outputs of stages that params.yaml does not plan"] += 1
            elif tree.object(own[0][1].md5).exists() or (tree.commit is not None and tree.commit.holds(path)):
                yield Difference(path, f"missing; {own[0][0]} wrote it: run `dvc checkout`, or git's, or `dvc repro`")
            else:
                away["outputs of the present ladder that git does not hold and nobody pulled"] += 1
            continue
        found = tree.md5(path)
        same = [(name, entry) for name, entry in own or writers if entry.md5 == found]
        name, entry = (same or own or writers)[-1]
        if not same:
            for file in tree.differing(entry):
                yield Difference(file, f"is not what {name} wrote")
        elif misstated := tree.misstated(entry):
            yield Difference(str(LOCK), f"{name} has {misstated}")
    for what, count in away.items():
        yield Unchecked(f"{count} {what} are not here")


def _inputs(tree: Tree, named: set[str]) -> Iterator[Difference]:
    """Each input once, with the stages that read another; not where a file in it or a folder of it is named already."""
    readers: dict[str, list[str]] = {}
    for stage, name in tree.present():
        for entry in tree.chain.stages[name].inputs:
            if entry.path not in stage.inputs:
                continue
            if not tree.exists(entry.path):
                if tree.chain.written(entry.path) is None and not tree.chain.below(entry.path):
                    readers.setdefault(entry.path, []).append(name)
            elif tree.md5(entry.path) != entry.md5:
                readers.setdefault(entry.path, []).append(name)
            elif misstated := tree.misstated(entry):
                yield Difference(str(LOCK), f"{name} has {misstated}")
    for path, names in readers.items():
        if not any(_inside(other, path) or _inside(path, other) for other in named):
            yield Difference(path, f"is not what was read by {_first(names)}")


def _first(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more stages" if names[1:] else "")


def _inside(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def _links(tree: Tree) -> Iterator[Difference]:
    """Outputs that are links, or hold some, but to DVC's own cache: their content is somebody else's to change."""
    objects = tree.pipeline.objects.resolve()
    seen = set[str]()
    for stage, entry in tree.chain.outputs():
        place = tree.root / entry.path
        below = place.rglob("*") if place.is_dir() and not place.is_symlink() and not _links_weights(stage) else ()
        above = [tree.root / parent for parent in PurePosixPath(entry.path).parents if parent.name]
        for path in (place, *above, *below):
            name = path.relative_to(tree.root).as_posix()
            if name not in seen and path.is_symlink() and not path.resolve().is_relative_to(objects):
                yield Difference(name, f"is a link to {path.readlink()}; {stage.name} wrote no link")
            seen.add(name)


def _links_weights(stage: Stage) -> bool:
    """Whether a stage was told to leave weights where they lie, and to link to them; their content is compared."""
    return any(key.endswith(".weights") and each == "link" for key, each in flatten(stage.params).items())


def _strays(tree: Tree) -> Iterator[Difference]:
    """What lies where stages alone write, and none of dvc.lock's wrote or read; and pipes among their files."""
    read = {entry.path for stage in tree.chain.stages.values() for entry in stage.inputs}
    read = {path for path in read if not tree.chain.below(path)}
    for top in (*OUTPUT_FOLDERS, "models"):
        counted = set(files_in(tree.root / top))
        for path in sorted((tree.root / top).rglob("*")):
            name = path.relative_to(tree.root).as_posix()
            if path.is_symlink():
                if tree.chain.written(name) is None and not tree.chain.below(name):
                    yield Difference(name, f"is a link to {path.readlink()}; no stage of {LOCK} wrote it")
                continue
            if path.is_dir() or (path.is_file() and path not in counted):
                continue
            above = {name, *map(PurePosixPath.as_posix, PurePosixPath(name).parents)}
            if tree.chain.written(name) is not None:
                if not path.is_file():
                    yield Difference(name, "is neither a file nor a folder")
            elif name != ENTRY and not above & read:
                names = [each for stage, each in tree.present() if above & stage.inputs]
                readers = f"; it would be read by {_first(names)}" if names else ""
                yield Difference(name, f"no stage of {LOCK} wrote it{readers}")


def _modes(tree: Tree) -> Iterator[Finding]:
    """Outputs that may be executed, which no stage's may unless dvc.lock says so."""
    if not tree.has_modes:
        yield Unchecked("whether files may be executed, as git's core.fileMode is false here")
        return
    for stage, entry in tree.chain.outputs():
        place = tree.root / entry.path
        found = {file for file in (files_in(place) if place.is_dir() else [place]) if _may_be_executed(file)}
        if entry.is_executable and place.exists() and not found:
            yield Difference(str(LOCK), f"{stage.name} has it that {entry.path} may be executed, and it may not")
        for file in () if entry.is_executable else sorted(found):
            name = file.relative_to(tree.root).as_posix()
            yield Difference(name, f"may be executed; {stage.name} wrote none that may")


def _may_be_executed(file: Path) -> bool:
    return file.is_file() and bool(file.stat().st_mode & 0o111)


def _list_of_pages(tree: Tree) -> Iterator[Difference]:
    """The page that leads to all others, which no stage of its own writes."""
    path = tree.root / ENTRY
    if tree.chain.written(ENTRY) is not None or not path.is_file():
        return
    if path.read_text(encoding="utf-8", errors="replace") != list_of_pages(tree.root)[0]:
        yield Difference(ENTRY, "is not the list of the pages that are here: run `tasklaws index`")
