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
from tasklaws.harness.task_files import TEMPLATES, task_files, write_task_files

_FAMILIES = Path(__file__).parents[1] / "families"
_LAST = "  - _self_\n"


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
    class_name = "".join(part.capitalize() for part in name.split("_"))
    for path, template in ((code, "new_family.py.jinja"), (entry, "new_family.yaml.jinja")):
        write_text(path, TEMPLATES.get_template(template).render(name=name, class_name=class_name))
    write_text(listed, read_text(listed).replace(_LAST, f"  - {name}\n{_LAST}", 1))
    importlib.invalidate_caches()
    generators.cache_clear()
    families = build({**sets, **yaml.safe_load(read_text(entry))["families"]["sets"]})
    return [code, entry, listed, *write_task_files(task_files(families), root)]
