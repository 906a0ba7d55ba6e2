"""The checks of what is no code, each of which goes on where another cannot."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tasklaws.core.settings import PARAMS
from tasklaws.provenance.chain import read_yaml
from tasklaws.provenance.notes import Notes
from tasklaws.tracking.compare import differences
from tasklaws.tracking.store import DATABASE
from tasklaws.verify.again import check_again
from tasklaws.verify.asked import check_asked
from tasklaws.verify.files import check_hashes
from tasklaws.verify.lock import check_lock
from tasklaws.verify.objects import check_objects
from tasklaws.verify.params import check_params
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked, problem


def checks(tree: Tree, named: set[str], scratch: Path | None) -> Iterator[Callable[[], Iterable[Finding]]]:
    """All that `tree` can be checked for, though something of it cannot be read; a deep look with a folder for it.

    `named` are the files of code that differ.
    """
    yield lambda: (problem(error, tree.root) for error in tree.unread)
    settings = tree.settings
    if settings is not None:
        params = read_yaml(tree.root / PARAMS)
        yield lambda: check_lock(tree, params)
        yield lambda: check_params(tree, settings, params)
    if tree.chain.stages:
        yield lambda: check_hashes(tree, named)
        yield lambda: check_runs(tree)
    yield lambda: check_objects(tree, every=scratch is not None)
    yield lambda: check_notes(tree)
    if tree.unread:
        yield lambda: [Unchecked("what needs the files that cannot be read")]
    elif settings is not None and scratch is not None:
        (scratch / "tree").mkdir()
        yield lambda: check_again(tree, scratch / "tree")
        yield lambda: check_asked(tree, settings, scratch / "log")


def check_runs(tree: Tree) -> Iterator[Finding]:
    """Name each of MLflow's runs that is not what the outputs say; none where an output is no file that can be read."""
    if not (tree.root / DATABASE).exists():
        yield Unchecked(f"there is no {DATABASE}, which `tasklaws track` makes")
        return
    if any(tree.exists(entry.path) and not tree.is_file_or_folder(entry.path) for _, entry in tree.chain.outputs()):
        yield Unchecked("MLflow's runs were not compared, as an output is no file")
        return
    for line in differences(tree.root, tree.chain):
        yield Difference(*line.split(": ", 1))


def check_notes(tree: Tree) -> Iterator[Unchecked]:
    """Count the notes of runs that are not believed."""
    if others := Notes(tree.root).others:
        what = f"{len(others)} notes in .work/runs, {others[0]} first, were changed or made elsewhere"
        yield Unchecked(f"{what}, and are not believed")
