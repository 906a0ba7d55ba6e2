"""The files of custom_tasks/ that follow from the families: lm-eval's task and group files, a page on each family."""

import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tasklaws.core.files import read_text, write_text
from tasklaws.families import Family
from tasklaws.families.prompts import TASKS, UNTIL, prompt, target, task_name
from tasklaws.tables import is_loss

_WRITTEN = ("exact_match", "partial_credit")
_LIKELIHOOD = ("target_bits_per_byte",)
_CHOSEN = (*_WRITTEN, "brier", *_LIKELIHOOD)
# Paragraphs of a family's docstring that begin with these words stand under a heading of their own.
_HEADINGS = {"Score": "What its score means", "Source": "Source"}
TEMPLATES = Environment(
    loader=PackageLoader("tasklaws.harness"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters["json"] = json.dumps
TEMPLATES.globals |= {"until": UNTIL, "is_loss": is_loss}


def task_files(families: Sequence[Family]) -> dict[Path, str]:
    """Path below custom_tasks/ -> text, of all files that follow from the families: `_group.yaml`, and for each family
    a folder with `_group.yaml`, `README.md` and one file a task.

    A task asks for a text (`<family>_<elicitation>`), for its likelihood (`..._likelihood`), or for a choice; what
    stops a model is in `prompts.UNTIL` and the family's `answer_tokens` and `program_tokens`.
    """
    group = TEMPLATES.get_template("group.yaml.jinja")
    found = {Path("_group.yaml"): group.render(name="tasklaws", tasks=[f"tasklaws_{one.name}" for one in families])}
    for family in families:
        folder, tasks = Path(family.name), dict(_tasks(family))
        found[folder / "_group.yaml"] = group.render(name=f"tasklaws_{family.name}", tasks=tasks)
        found[folder / "README.md"] = _page(family, list(tasks))
        found |= {folder / f"{task}.yaml": text for task, text in tasks.items()}
    return found


def write_task_files(files: Mapping[Path, str], root: Path) -> list[Path]:
    """Write those `files` that differ from what stands in custom_tasks/ below `root`; their paths."""
    wanted = {root / TASKS / path: text for path, text in files.items()}
    changed = {path: text for path, text in wanted.items() if not path.is_file() or read_text(path) != text}
    for path, text in changed.items():
        write_text(path, text)
    return list(changed)


def stale_task_files(files: Mapping[Path, str], root: Path) -> list[Path]:
    """The pages and task files in folders of custom_tasks/ that are not among `files`."""
    wanted = {root / TASKS / path for path in files}
    return sorted(path for path in (root / TASKS).glob("*/*") if path.suffix in (".yaml", ".md") and path not in wanted)


def _tasks(family: Family) -> Iterator[tuple[str, str]]:
    """The name and the file of each task that puts a family in one of its ways."""
    template = TEMPLATES.get_template("task.yaml.jinja")
    for way in family.elicitations:
        name = task_name(family.name, way)
        asked = {name: ("generate_until", _WRITTEN), f"{name}_likelihood": ("loglikelihood", _LIKELIHOOD)}
        if way == "choice":
            asked = {name: ("multiple_choice", _CHOSEN)}
        for task, (output, metrics) in asked.items():
            yield task, template.render(task=task, family=family, elicitation=way, output_type=output, metrics=metrics)


def _page(family: Family, tasks: list[str]) -> str:
    """README.md: what the docstrings of the family's file and class say, an example, the settings and the tasks."""
    kind = type(family)
    about, sections = [], dict[str, str]()
    for paragraph in (inspect.getdoc(sys.modules[kind.__module__]) or "").split("\n\n"):
        word, _, rest = paragraph.partition(":")
        if word in _HEADINGS:
            sections[_HEADINGS[word]] = rest.strip()[:1].upper() + rest.strip()[1:]
        elif word != "Example":
            about.append(paragraph)
    items = family.items(0, "test")
    item, way = items[len(items) // 3], family.elicitations[0]
    return TEMPLATES.get_template("page.md.jinja").render(
        family=family,
        about=about,
        example=task_name(family.name, way),
        text=prompt(item.question, way) + target(item, way),
        tasks=tasks,
        items=inspect.getdoc(kind),
        n_items=len(items),
        settings={one.name: getattr(family, one.name) for one in fields(family) if one.init and one.name != "name"},
        sections=sections,
    )
