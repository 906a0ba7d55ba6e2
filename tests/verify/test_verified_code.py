"""Code, settings and libraries against git's commit, on a repository of a few files."""

import os
import py_compile
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tasklaws.provenance.git import Commit
from tasklaws.verify.code import check_code
from tasklaws.verify.tree import Difference

SOURCE = "src/tasklaws/gate.py"
STUDY = {
    f"studies/one/{name}": "z\n" for name in ("dvc.yaml", "one_fit.py", "published/facts.csv", "results/found.csv")
}
FILES = {SOURCE: "x = 1\n", "stages/fit.py": "y = 1\n", "conf/config.yaml": "seed: 0\n", "tests/other.py": "", **STUDY}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {**FILES, "requirements.lock": f"# all\npandas=={version('pandas')}\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "all")
    return tmp_path


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True)


def named(root: Path) -> list[str]:
    return [each.where for each in check_code(root, Commit.of(root)) if isinstance(each, Difference)]


def overlooked(root: Path) -> None:
    git(root, "update-index", "--assume-unchanged", SOURCE)
    (root / SOURCE).write_text("x = 2\n")


def linked(root: Path) -> None:
    (root / "gate.py").write_text(FILES[SOURCE])
    (root / SOURCE).unlink()
    (root / SOURCE).symlink_to(root / "gate.py")


def bytecode(root: Path) -> None:
    source, status = root / SOURCE, (root / SOURCE).stat()
    for text in ("x = 2\n", FILES[SOURCE]):
        source.write_text(text)
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        if text != FILES[SOURCE]:
            py_compile.compile(str(source), doraise=True)


def junk(root: Path, name: str, folder: str = "src/tasklaws/__pycache__") -> None:
    (root / folder).mkdir(exist_ok=True)
    (root / folder / name).write_text("junk")


CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "changed": (lambda root: (root / SOURCE).write_text("x = 2\n"), SOURCE),
    "gone": (lambda root: (root / "stages/fit.py").unlink(), "stages/fit.py"),
    "one more": (lambda root: (root / "stages/pandas.py").write_text(""), "stages/pandas.py"),
    "a study": (
        lambda root: [(root / name).write_text("changed") for name in STUDY],
        "studies/one/dvc.yaml studies/one/one_fit.py studies/one/published/facts.csv",
    ),
    "hidden": (lambda root: (root / "src/.hidden.py").write_text(""), "src/.hidden.py"),
    "a folder that is a link": (lambda root: (root / "src/more").symlink_to(root / "tests"), "src/more"),
    "a link to an equal file": (linked, SOURCE),
    "git overlooks it": (overlooked, SOURCE),
    "bytecode of another source": (bytecode, "src/tasklaws/__pycache__/gate.cpython"),
    "it may be executed": (lambda root: (root / SOURCE).chmod(0o755), SOURCE),
    "junk for bytecode": (lambda root: junk(root, f"gate.{sys.implementation.cache_tag}.pyc"), "src/tasklaws/__pyc"),
    "junk beside bytecode": (lambda root: junk(root, "gate.so"), "src/tasklaws/__pycache__/gate.so"),
    "another package's entry points": (lambda root: junk(root, "x", "src/x.egg-info"), "src/x.egg-info"),
    "another library": (
        lambda root: (root / "requirements.lock").write_text("pandas==0.1\nno-such-library==1\n"),
        "pandas no-such-library requirements.lock",
    ),
}


def test_what_is_committed_passes_and_so_do_a_change_that_bears_on_no_result_and_bytecode(root: Path) -> None:
    (root / "tests/other.py").write_text("changed")
    (root / "studies/one/results/found.csv").write_text("what its stages vouch for")
    py_compile.compile(str(root / SOURCE), doraise=True)
    assert named(root) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named(root: Path, change: str) -> None:
    apply, wanted = CHANGES[change]
    apply(root)
    found = named(root)
    assert len(found) == len(wanted.split())
    assert all(any(each.startswith(name) for each in found) for name in wanted.split())


def test_where_git_does_not_look_at_modes_they_are_not_compared(root: Path) -> None:
    git(root, "config", "core.fileMode", "false")
    (root / SOURCE).chmod(0o755)
    assert named(root) == []


def test_outside_git_the_code_is_not_compared_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / SOURCE).parent.mkdir(parents=True)
    (tmp_path / SOURCE).write_text("")
    (told,) = check_code(tmp_path, Commit.of(tmp_path))
    assert "no git commit" in str(told)
