"""Every file that a stage read or wrote, against the hash that dvc.lock has of it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from tasklaws.provenance.chain import Entry, files_in
from tasklaws.report.entry import ENTRY, list_of_pages
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked


def check_hashes(tree: Tree, named: set[str]) -> Iterator[Finding]:
    """Name each output that is not what its stage wrote, each input that is not what was read, links and strays.

    An input in which a file is `named` already is not named again.

    Outputs of stages that the present parameters do not plan (other ladders, an experiment) are compared where they
    are here, and their inputs, which another ladder may have written anew, are not.
    """
    yield from _links(tree)
    for problem in _outputs(tree):
        if isinstance(problem, Difference):
            named = named | {problem.where}
        yield problem
    yield from _inputs(tree, named)
    yield from _strays(tree)
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
        if found not in {entry.md5 for _, entry in own or writers}:
            name, entry = (own or writers)[-1]
            for file in tree.differing(entry):
                yield Difference(file, f"is not what {name} wrote")
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
    for path, names in readers.items():
        if any(_inside(other, path) or _inside(path, other) for other in named):
            continue
        own = [file.relative_to(tree.root).as_posix() for file in files_in(tree.root / path)]
        strays = [file for file in own if tree.chain.below(path) and tree.chain.written(file) is None]
        for each in strays or [path]:
            what = "written by no stage; it would be read by" if strays else "is not what was read by"
            yield Difference(each, f"{what} {names[0]}" + (f" and {len(names) - 1} more stages" if names[1:] else ""))


def _inside(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def _links(tree: Tree) -> Iterator[Difference]:
    """Outputs that are links, or hold some, but to DVC's own cache: their content is somebody else's to change."""
    objects = tree.objects.resolve()
    seen = set[str]()
    for stage, entry in tree.chain.outputs():
        place = tree.root / entry.path
        below = place.rglob("*") if place.is_dir() and not place.is_symlink() else ()
        above = [tree.root / parent for parent in PurePosixPath(entry.path).parents if parent.name]
        for path in (place, *above, *below):
            name = path.relative_to(tree.root).as_posix()
            if name not in seen and path.is_symlink() and not path.resolve().is_relative_to(objects):
                yield Difference(name, f"is a link to {path.readlink()}; {stage.name} wrote no link")
            seen.add(name)


def _strays(tree: Tree) -> Iterator[Difference]:
    """Files among a ladder's results or pages that no stage of dvc.lock wrote."""
    for top in ("results", "reports"):
        for folder in sorted((tree.root / top).glob("*/")):
            for file in files_in(folder):
                name = file.relative_to(tree.root).as_posix()
                if tree.chain.written(name) is None:
                    yield Difference(name, "no stage of dvc.lock wrote it")


def _list_of_pages(tree: Tree) -> Iterator[Difference]:
    """The page that leads to all others, which no stage of its own writes."""
    path = tree.root / ENTRY
    if tree.chain.written(ENTRY) is not None or not path.is_file():
        return
    if path.read_text(encoding="utf-8", errors="replace") != list_of_pages(tree.root)[0]:
        yield Difference(ENTRY, "is not the list of the pages that are here: run `tasklaws index`")
