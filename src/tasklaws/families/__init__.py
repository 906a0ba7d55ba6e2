"""The families: one file each, found by its name. A file that defines a class derived from `Family` is a generator."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Mapping

from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.families.base import Family, Split

__all__ = ["Family", "Split", "build", "generators"]


@functools.cache
def generators() -> dict[str, type[Family]]:
    """File name -> class of every family in this package, sorted; a file that defines two raises TasklawsError."""
    found: dict[str, type[Family]] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{name}")
        kinds = (kind for kind in vars(module).values() if inspect.isclass(kind) and kind.__module__ == module.__name__)
        own = [kind for kind in kinds if issubclass(kind, Family) and kind is not Family]
        if len(own) > 1:
            raise TasklawsError(f"{module.__file__} defines {' and '.join(kind.__name__ for kind in own)}: one a file")
        if own:
            found[name] = own[0]
    return found


def build(families: Mapping[str, Mapping[str, object]], source: str = "conf/families") -> list[Family]:
    """The families of `settings.families.sets`: name -> settings, of which `generator` names the class's file.

    An unknown generator, and a setting that is missing, unknown or cannot be, raise TasklawsError, which names their
    `source`.
    """
    built = []
    for name, settings in families.items():
        kind = settings.get("generator")
        if not isinstance(kind, str) or kind not in generators():
            raise TasklawsError(f"family {name}: unknown generator {kind!r}: there are {', '.join(generators())}")
        row = {"name": name} | {key: value for key, value in settings.items() if key != "generator"}
        built.append(read(generators()[kind], row, f"family {name}", f"correct it in {source}"))
    return built
