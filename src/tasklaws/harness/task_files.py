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
from tasklaws.families.prompts import PLAIN_UNTIL, TASKS, UNTIL, Prompts, prompt, target, task_name
from tasklaws.tables import FLEXIBLE, is_loss

_WRITTEN = ("exact_match", FLEXIBLE, "partial_credit")
_LIKELIHOOD_METRICS = ("target_bits_per_byte",)
_CHOSEN = ("exact_match", "partial_credit", "brier", *_LIKELIHOOD_METRICS)
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
TEMPLATES.globals |= {"is_loss": is_loss}


def task_files(families: Sequence[Family]) -> dict[Path, str]:
    """Path below custom_tasks/ -> text, of all files that follow from the families: `_group.yaml` and `_plain.yaml`,
    the groups of terse tasks and of those in plain language, and for each family a folder with `_group.yaml`,
    `README.md` and one file a task.

    A task asks for a text (`<family>_<elicitation>`, in plain language `..._plain`), for its likelihood
    (`..._likelihood`), or for a choice; what stops a model is in `prompts.UNTIL` and `PLAIN_UNTIL` and in the family's
    `answer_tokens` and `program_tokens`, in plain language with its `prose_tokens` and `fenced_tokens`.
    """
    group = TEMPLATES.get_template("group.yaml.jinja")
    found = {Path("_group.yaml"): group.render(name="tasklaws", tasks=[f"tasklaws_{one.name}" for one in families])}
    in_plain: list[str] = []
    for family in families:
        folder, tasks, plain = Path(family.name), dict(_tasks(family, "terse")), dict(_tasks(family, "plain"))
        in_plain += plain
        found[folder / "_group.yaml"] = group.render(name=f"tasklaws_{family.name}", tasks=tasks)
        found[folder / "README.md"] = _page(family, list(tasks), list(plain))
        found |= {folder / f"{task}.yaml": text for task, text in (tasks | plain).items()}
    return found | {Path("_plain.yaml"): group.render(name="tasklaws_plain", tasks=in_plain)}


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


def _tasks(family: Family, style: Prompts) -> Iterator[tuple[str, str]]:
    """The name and the file of each task that puts a family in one of its ways; none in plain language where it has no
    such question."""
    template = TEMPLATES.get_template("task.yaml.jinja")
    for way in family.elicitations if style == "terse" or family.is_plain else ():
        name, is_program = task_name(family.name, way, style), way == "python"
        tokens = family.program_tokens if is_program else family.answer_tokens
        if style == "plain":
            tokens += family.fenced_tokens if is_program else family.prose_tokens
        asked = {name: ("generate_until", _WRITTEN), f"{name}_likelihood": ("loglikelihood", _LIKELIHOOD_METRICS)}
        if way == "choice":
            asked = {name: ("multiple_choice", _CHOSEN)}
        for task, (output, metrics) in asked.items():
            yield (
                task,
                template.render(
                    task=task,
                    family=family.name,
                    elicitation=way,
                    prompts=style,
                    output_type=output,
                    until=UNTIL.get(way) if style == "terse" else PLAIN_UNTIL,
                    tokens=tokens,
                    metrics=metrics,
                ),
            )


def _page(family: Family, tasks: list[str], plain: list[str]) -> str:
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
        plain_example=plain and task_name(family.name, way, "plain"),
        plain_text=plain and prompt(family.plain(item), way, "plain") + target(item, way, "plain"),
        tasks=tasks,
        plain_tasks=plain,
        items=inspect.getdoc(kind),
        n_items=len(items),
        settings={one.name: getattr(family, one.name) for one in fields(family) if one.init and one.name != "name"},
        sections=sections,
    )
