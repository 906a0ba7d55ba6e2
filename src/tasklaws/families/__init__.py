"""The families: one file each, and the registry that builds them from params."""

from typing import Any

from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.families.addition import Addition
from tasklaws.families.base import Family, Split
from tasklaws.families.gauss_sum import GaussSum
from tasklaws.families.largest_of_four import LargestOfFour
from tasklaws.families.sha256_power import Sha256Power
from tasklaws.families.step_chain import StepChain
from tasklaws.families.string_edit import StringEdit

__all__ = ["GENERATORS", "Family", "Split", "build"]

GENERATORS: dict[str, type[Any]] = {
    "addition": Addition,
    "gauss_sum": GaussSum,
    "largest_of_four": LargestOfFour,
    "sha256_power": Sha256Power,
    "step_chain": StepChain,
    "string_edit": StringEdit,
}


def build(families: dict[str, dict[str, Any]], source: str = "conf/families") -> list[Family]:
    """The families of `settings.families.sets`: name -> settings, of which `generator` names the class.

    An unknown generator, and a setting that is missing, unknown or cannot be, raise TasklawsError, which names their
    `source`.
    """
    built = []
    for name, settings in families.items():
        kind = settings.get("generator")
        if kind not in GENERATORS:
            raise TasklawsError(f"family {name}: unknown generator {kind!r}: there are {', '.join(GENERATORS)}")
        row = {"name": name} | {key: value for key, value in settings.items() if key != "generator"}
        built.append(read(GENERATORS[kind], row, f"family {name}", f"correct it in {source}"))
    return built
