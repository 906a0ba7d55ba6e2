"""Put in known faults, one at a time, in a copy of the working tree, and see which test notices each: `make faults`.

Ends with status 1 where a fault goes unnoticed, or where one of the tests fails without any.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Fault:
    """A change of the one place where a file says `right`, and the tests that are there to notice it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]

    def put_in(self, root: Path) -> None:
        """Make the change; a file that does not say `right` exactly once is an error: bring the fault up to date."""
        path = root / self.file
        text = path.read_text()
        if text.count(self.right) != 1:
            raise ValueError(
                f"{self.file} says {self.right!r} {text.count(self.right)} times: bring the fault up to date"
            )
        path.write_text(text.replace(self.right, self.wrong))


FAULTS = (
    Fault(
        "a forecast knows the result of the model that it forecasts",
        "src/tasklaws/forecast/combine.py",
        "return self.panel.select(np.arange(origin))",
        "return self.panel.select(np.arange(origin + 1))",
        ("tests/forecast/test_no_leak.py",),
    ),
    Fault(
        "tasks of other items are set side by side",
        "src/tasklaws/report/ladder_pair.py",
        "    if None in found or found[0] != found[1]:\n",
        "    if None in found:\n",
        ("tests/report/test_ladder_pair.py",),
    ),
    Fault(
        "a claim is believed whatever bytes it is written in",
        "src/tasklaws/claims/file.py",
        'same = digest(content) == content["sha256"] and rendered(content) == data',
        'same = digest(content) == content["sha256"]',
        ("tests/claims/test_claims.py",),
    ),
    Fault(
        "a claim is made of a table that holds its outcome",
        "src/tasklaws/claims/verb.py",
        '    refuse_known(made.table, table[table["value"].notna()])\n',
        "",
        ("tests/claims/test_claims.py",),
    ),
    Fault(
        "what is damaged in a store of cells is used",
        "src/tasklaws/cells/store.py",
        "if name not in files or not path.is_file() or sha256_file(path) != files[name]:",
        "if name not in files or not path.is_file():",
        ("tests/cells/test_cells.py::test_what_is_damaged_is_named_not_used_and_made_again",),
    ),
    Fault(
        "a cell takes the answers of another model",
        "src/tasklaws/cells/cell.py",
        'parts["inputs"] = {**self.inputs, **model}',
        'parts["inputs"] = dict(self.inputs)',
        ("tests/cells/test_cells.py",),
    ),
    Fault(
        "a rung's page of items has the points of others",
        "src/tasklaws/report/items.py",
        "points=[one for one in points[task] if one.rung == rung],",
        "points=points[task],",
        ("tests/report/test_points.py",),
    ),
    Fault(
        "a stage lacks a dependency, so that a change of it does not rerun the stage",
        "dvc.yaml",
        "    - src/tasklaws/humans/population.py\n",
        "",
        ("tests/test_dependencies.py",),
    ),
    Fault(
        "a kill in the middle of a write leaves half a file",
        "src/tasklaws/core/files.py",
        "    with replacing(path) as file:\n        file.write(text.encode())\n",
        "    path.parent.mkdir(parents=True, exist_ok=True)\n    path.write_bytes(text.encode())\n",
        ("tests/test_files.py::test_a_kill_in_the_middle_of_a_write_leaves_the_old_file",),
    ),
    Fault(
        "a hostile program may flood the host with output",
        "src/tasklaws/sandbox/runner.py",
        "fitting = text[: limit - len(sent)]",
        "fitting = text[: 1000 * limit - len(sent)]",
        ("tests/sandbox/test_attacks.py",),
    ),
    Fault(
        "the guest's modules, joined, fill their table in another order than they did",
        "src/tasklaws/sandbox/guest/join.py",
        "for number in component.links",
        "for number in sorted(component.links)",
        ("tests/sandbox/test_join.py",),
    ),
    Fault(
        "a law has a wrong coefficient: compute is 5 N D instead of 6 N D",
        "src/tasklaws/laws/forms/chinchilla.py",
        "np.log(6 * n * d)",
        "np.log(5 * n * d)",
        ("tests/laws/test_law_forms.py",),
    ),
    Fault(
        "a table's bytes depend on the order in which its rows were made",
        "src/tasklaws/frames/csv_files.py",
        "np.lexsort(codes[::-1]) if keys else ",
        "",
        ("tests/test_files.py::test_a_table_is_byte_stable_whatever_the_order_of_its_rows",),
    ),
)


def copy_tree(root: Path) -> None:
    """The working tree, less what git ignores."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)


def failures(root: Path, tests: list[str]) -> list[str]:
    """The tests that fail in a copy; none where pytest itself goes wrong is an error."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-m", "not heavy", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
    return re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)


def main() -> int:
    """Try every fault, or those whose names hold a word that is given."""
    words = sys.argv[1:]
    chosen = [fault for fault in FAULTS if not words or any(word in fault.name for word in words)]
    unnoticed = 0
    with TemporaryDirectory(prefix="faults-") as folder:
        root = Path(folder)
        copy_tree(root)
        if broken := failures(root, sorted({test for fault in chosen for test in fault.tests})):
            print("without a fault, these fail already:", *broken, sep="\n  ")
            return 1
        for fault in chosen:
            kept = (root / fault.file).read_bytes()
            fault.put_in(root)
            noticed = failures(root, list(fault.tests))
            (root / fault.file).write_bytes(kept)
            more = f" and {len(noticed) - 1} more" if len(noticed) > 1 else ""
            print(f"{fault.name}: " + (f"noticed by {noticed[0]}{more}" if noticed else "UNNOTICED"), flush=True)
            unnoticed += not noticed
    print(f"{len(chosen) - unnoticed} of {len(chosen)} faults noticed")
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main())
