"""Writing a new family of tasks, which works from the start."""

import importlib
import keyword
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text, write_text
from tasklaws.families import build, generators
from tasklaws.harness.task_files import task_files, write_task_files

_FAMILIES = Path(__file__).parents[1] / "families"
_LAST = "  - _self_\n"

_FAMILY = '''"""A number of 2 to 4 digits times one digit.

Example: `12*7` -> `84`

Score: say here what it means when the share solved rises, or jumps.

Source: say here where the family is from.
"""

import random
from dataclasses import dataclass
from functools import partial

from tasklaws.core.checked import Count
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families.base import Family, Split, generator, part_of


@dataclass(frozen=True)
class CLASS(Family):
    """`per_length` items for each number of digits from 2 to `largest_length`; no question stands twice.

    The digit may stand first as well: neither order of an item enters a corpus. Human seconds: 2, and 3 a column.
    """

    per_length: Count
    largest_length: Count

    def __post_init__(self) -> None:
        if self.per_length > 180 or self.largest_length < 2:
            raise TasklawsError(
                f"{self.name}: per_length {self.per_length}, largest_length {self.largest_length}: "
                "give 180 or less, 2 or more"
            )

    def items(self, seed: int, split: Split) -> list[Item]:
        items = []
        for length in range(2, self.largest_length + 1):
            rng = generator(seed, self.name, length)
            pairs = part_of(split, self.per_length, partial(self._pair, rng, length))
            items += [self._item(*pair) for pair in pairs]
        return items

    def draw(self, rng: random.Random) -> Item:
        return self._item(*self._pair(rng, rng.randint(2, self.largest_length)))

    def reserved(self, item: Item) -> frozenset[str]:
        number, digit = item.question.split("*")
        return frozenset({f"{number}*{digit}", f"{digit}*{number}"})

    def _pair(self, rng: random.Random, length: int) -> tuple[int, int]:
        return rng.randint(10 ** (length - 1), 10**length - 1), rng.randint(2, 9)

    def _item(self, number: int, digit: int) -> Item:
        length = len(str(number))
        return Item(
            id=f"{self.name}-{number:05d}-{digit}",
            family=self.name,
            question=f"{number}*{digit}",
            answer=str(number * digit),
            skills=("times_table", f"copy_{length}_digits"),
            n_required=length,
            n_optional=0,
            order_matters=True,
            human_seconds=2.0 + 3.0 * length,
            fuel=self.fuel,
            chance=0.0,
            programs=(f"print({number}*{digit})",),
        )
'''

_ENTRY = """# @package _global_
families:
  sets:
    NAME: {generator: NAME, fuel: 100000000, per_length: 40, largest_length: 4}
elicitation:   # how the models are asked; leave it out, and none is
  ask:
    NAME: [direct]
corpus:        # how often its tasks are learned, beside the others' weights; leave it out, and no document is of it
  mixture:
    NAME_direct: 0.1
humans:        # how the made-up people do it (src/tasklaws/humans/population.py); leave it out, and it has no people
  population:
    work:
      NAME: {fixed_seconds: 2, timeout: 30, machine: false, needs: [], skips: []}
"""


def new_family(name: str, root: Path, sets: Mapping[str, Mapping[str, object]]) -> list[Path]:
    """Write a family that works, to be edited: src/tasklaws/families/NAME.py, conf/families/NAME.yaml, its line in
    conf/families/default.yaml, and its files in custom_tasks/; all below `root`. Returns the paths written. `sets` are
    the families that conf/ has (families.sets).

    A name that is taken or no lower-case identifier, and a `root` that is not the repository this package runs from,
    raise TasklawsError before anything is written.
    """
    code, entry = root / "src/tasklaws/families" / f"{name}.py", root / "conf/families" / f"{name}.yaml"
    listed = root / "conf/families/default.yaml"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise TasklawsError(f"no family can be called {name!r}: give a lower-case Python name, such as multiplication")
    if not code.parent.is_dir() or not code.parent.samefile(_FAMILIES):
        raise TasklawsError(
            f"{root.resolve()} is not the clone that tasklaws runs from ({_FAMILIES}): run it in that root"
        )
    for path in (code, entry):
        if path.exists() or name in sets:
            raise TasklawsError(f"there is a {name} already ({path if path.exists() else listed}): give another name")
    if _LAST not in read_text(listed):
        raise TasklawsError(f"{listed} has no line {_LAST.strip()!r} at the end of its defaults: add it")
    write_text(code, _FAMILY.replace("CLASS", "".join(part.capitalize() for part in name.split("_"))))
    write_text(entry, _ENTRY.replace("NAME", name))
    write_text(listed, read_text(listed).replace(_LAST, f"  - {name}\n{_LAST}", 1))
    importlib.invalidate_caches()
    generators.cache_clear()
    families = build({**sets, **yaml.safe_load(read_text(entry))["families"]["sets"]})
    return [code, entry, listed, *write_task_files(task_files(families), root)]
