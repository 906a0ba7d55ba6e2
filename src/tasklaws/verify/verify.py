"""All checks, in the order in which they are told."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.provenance.git import Commit
from tasklaws.verify.code import check_code
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked, problem


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
    or params.yaml cannot be read, that is told, and what can be checked without it.
    """
    root = root.resolve()
    found = list(_told(lambda: check_code(root, Commit.of(root)), root, False))
    changed = {each.where for each in found if isinstance(each, Difference)}
    try:
        from tasklaws.verify.checks import checks  # with libraries, in whose place a changed tree may have others

        tree = Tree(root)
        with tempfile.TemporaryDirectory(prefix="tasklaws.") as name:
            for check in checks(tree, changed, Path(name) if deep else None):
                found += _told(check, root, bool(changed))
        return _verified(found, len(tree.chain.stages), tree.n_read)
    except Exception as error:
        if not changed:
            raise
        return _verified([*found, _failed(error)], 0, 0)


def vouch(root: Path) -> str:
    """A sentence on what was checked and what could not be; a repository in which something differs raises
    TasklawsError with the first difference."""
    found = verify(root)
    if found.problems:
        others = f" ({len(found.problems)} differences in all)" if found.problems[1:] else ""
        raise TasklawsError(f"{found.problems[0]}{others}: mend what `tasklaws verify` names, then do this again")
    unchecked = f"; not checked: {'; '.join(map(str, found.unchecked))}" if found.unchecked else ""
    looked_at = f"{found.n_stages} stages and {found.n_files} files"
    return f"`tasklaws verify` found nothing that differs in {looked_at}{unchecked}."


def _verified(found: Iterable[Finding], n_stages: int, n_files: int) -> Verified:
    problems = list(dict.fromkeys(each for each in found if isinstance(each, Difference)))
    return Verified(problems, [each for each in found if isinstance(each, Unchecked)], n_stages, n_files)


def _told(check: Callable[[], Iterable[Finding]], root: Path, has_other_code: bool) -> Iterator[Finding]:
    """What a check finds; one that cannot go on, as a file is damaged, says so as a problem.

    So does one that fails in any way where the code is not the commit's.
    """
    try:
        yield from check()
    except TasklawsError as error:
        yield problem(error, root)
    except OSError as error:
        where = str(error.filename).replace(f"{root}/", "")
        yield Difference(where, f"{error.strerror}: what else rests on it was not looked at")
    except Exception as error:
        if not has_other_code:
            raise
        yield _failed(error)


def _failed(error: Exception) -> Difference:
    what = f"a check ended with {type(error).__name__} ({str(error)[:200]}): put back what is named above first"
    return Difference("tasklaws verify", what)
