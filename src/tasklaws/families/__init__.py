"""The families: one file each, and the registry that builds them from params."""

from typing import Any

from tasklaws.errors import TasklawsError
from tasklaws.families.addition import Addition
from tasklaws.families.base import SPLITS, Family, Split
from tasklaws.families.gauss_sum import GaussSum
from tasklaws.families.largest_of_four import LargestOfFour
from tasklaws.families.sha256_power import Sha256Power
from tasklaws.families.step_chain import StepChain
from tasklaws.families.string_edit import StringEdit

__all__ = ["GENERATORS", "SPLITS", "Family", "Split", "build"]

GENERATORS: dict[str, type[Any]] = {
    "addition": Addition,
    "gauss_sum": GaussSum,
    "largest_of_four": LargestOfFour,
    "sha256_power": Sha256Power,
    "step_chain": StepChain,
    "string_edit": StringEdit,
}


def build(families: dict[str, dict[str, Any]]) -> list[Family]:
    """The families of params' `families` key: name -> settings, of which `generator` names the class.

    An unknown generator or setting raises TasklawsError.
    """
    built = []
    for name, settings in families.items():
        kind = settings.get("generator")
        if kind not in GENERATORS:
            raise TasklawsError(f"family {name}: unknown generator {kind!r}: there are {', '.join(GENERATORS)}")
        try:
            built.append(GENERATORS[kind](name=name, **{k: v for k, v in settings.items() if k != "generator"}))
        except TypeError as error:
            raise TasklawsError(f"family {name}: {error}: correct conf/families") from error
    return built
