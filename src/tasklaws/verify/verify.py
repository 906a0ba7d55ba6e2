"""All checks, in the order in which they are told."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import PARAMS, load
from tasklaws.provenance.chain import load_yaml
from tasklaws.provenance.git import Commit
from tasklaws.tracking.compare import differences
from tasklaws.tracking.store import DATABASE
from tasklaws.verify.again import check_again
from tasklaws.verify.asked import check_asked
from tasklaws.verify.code import check_code
from tasklaws.verify.files import check_hashes
from tasklaws.verify.lock import check_lock
from tasklaws.verify.objects import check_objects
from tasklaws.verify.params import check_params
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked


@dataclass(frozen=True)
class Verified:
    """What differs, what was not checked, and how many stages and files were looked at."""

    problems: list[Difference]
    unchecked: list[Unchecked]
    n_stages: int
    n_files: int

    def to_dict(self) -> dict[str, object]:
        """As JSON: `problems` with `where` and `what`, `unchecked` as sentences."""
        return {
            "problems": [problem._asdict() for problem in self.problems],
            "unchecked": list(map(str, self.unchecked)),
            "n_stages": self.n_stages,
            "n_files": self.n_files,
        }

    def summary(self) -> str:
        """A line a problem, a line for what was not checked, and one that counts."""
        told = [str(problem) for problem in self.problems]
        if self.unchecked:
            told.append(f"not checked: {'; '.join(map(str, self.unchecked))}")
        count = f"{len(self.problems)} problems" if self.problems else "nothing differs"
        return "\n".join([*told, f"{self.n_stages} stages and {self.n_files} files: {count}"])


def verify(root: Path = Path(), deep: bool = False) -> Verified:
    """Check the repository at `root` without changing it: the chain from every result to its data, models and code.

    With `deep`, whatever neither trains nor asks is made again, and a sample is asked again. Where dvc.lock, dvc.yaml
    or params.yaml cannot be read, that is what is told, and what git says of the code.
    """
    root = root.resolve()
    found = list(check_code(root, Commit.of(root)))
    try:
        tree = Tree(root)
        settings = load(root / PARAMS)
        params = load_yaml((root / PARAMS).read_text(encoding="utf-8"))
    except TasklawsError as error:
        return _verified([_problem(error, root), *found], 0, 0)
    checks: list[Callable[[], Iterable[Finding]]] = [
        lambda: check_lock(tree, params),
        lambda: check_params(tree, settings, params),
        lambda: check_hashes(tree, {each.where for each in found if isinstance(each, Difference)}),
        lambda: check_objects(tree, every=deep),
        lambda: check_runs(tree),
    ]
    with tempfile.TemporaryDirectory(prefix="tasklaws.") as name:
        if deep:
            scratch = Path(name) / "tree"
            scratch.mkdir()
            checks += [lambda: check_again(tree, scratch), lambda: check_asked(tree, settings, Path(name) / "log")]
        for check in checks:
            found += _told(check, root)
    return _verified(found, len(tree.chain.stages), tree.n_read)


def _verified(found: Iterable[Finding], n_stages: int, n_files: int) -> Verified:
    problems = list(dict.fromkeys(each for each in found if isinstance(each, Difference)))
    return Verified(problems, [each for each in found if isinstance(each, Unchecked)], n_stages, n_files)


def _problem(error: TasklawsError, root: Path) -> Difference:
    """What an error names, and what it says of it."""
    where, _, what = str(error).replace(f"{root}/", "").partition(": ")
    return Difference(where, what)


def check_runs(tree: Tree) -> Iterator[Finding]:
    """Name each of MLflow's runs that is not what the outputs say; none where an output is no file that can be read."""
    if not (tree.root / DATABASE).exists():
        yield Unchecked(f"there is no {DATABASE}, which `tasklaws track` makes")
        return
    if any(tree.exists(entry.path) and not tree.is_file_or_folder(entry.path) for _, entry in tree.chain.outputs()):
        yield Unchecked("MLflow's runs were not compared, as an output is no file")
        return
    for line in differences(tree.root):
        yield Difference(*line.split(": ", 1))


def _told(check: Callable[[], Iterable[Finding]], root: Path) -> Iterator[Finding]:
    """What a check finds; one that cannot go on, as a file is damaged, says so as a problem."""
    try:
        yield from check()
    except TasklawsError as error:
        yield _problem(error, root)
    except OSError as error:
        where = str(error.filename).replace(f"{root}/", "")
        yield Difference(where, f"{error.strerror}: what else rests on it was not looked at")
