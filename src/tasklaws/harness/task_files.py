"""The files of custom_tasks/ that follow from the families: lm-eval's task and group files, a page on each family."""

import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from tasklaws.core.files import read_text, write_text
from tasklaws.core.schema import Elicitation
from tasklaws.families import Family
from tasklaws.families.prompts import TASKS, UNTIL, prompt, target, task_name
from tasklaws.tables import is_loss

_WRITTEN = ("exact_match", "partial_credit")
_LIKELIHOOD = ("target_bits_per_byte",)
_CHOSEN = (*_WRITTEN, "brier", *_LIKELIHOOD)
# Paragraphs of a family's docstring that begin with these words stand under a heading of their own.
_HEADINGS = {"Score": "What its score means", "Source": "Source"}


def task_files(families: Sequence[Family]) -> dict[Path, str]:
    """Path below custom_tasks/ -> text, of all files that follow from the families: `_group.yaml`, and for each family
    a folder with `_group.yaml`, `README.md` and one file a task.

    A task asks for a text (`<family>_<elicitation>`), for its likelihood (`..._likelihood`), or for a choice; what
    stops a model is in `prompts.UNTIL` and the family's `answer_tokens` and `program_tokens`.
    """
    found = {Path("_group.yaml"): _group("tasklaws", [f"tasklaws_{family.name}" for family in families])}
    for family in families:
        folder = Path(family.name)
        tasks = dict(text for way in family.elicitations for text in _tasks(family, way))
        found[folder / "_group.yaml"] = _group(f"tasklaws_{family.name}", list(tasks))
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


def _group(name: str, tasks: list[str]) -> str:
    return "\n".join([f"group: {name}", "task:", *(f"  - {task}" for task in tasks), "metadata:", "  version: 1.0", ""])


def _tasks(family: Family, elicitation: Elicitation) -> Iterator[tuple[str, str]]:
    """The name and the file of each task that puts a family in one way."""
    task = task_name(family.name, elicitation)
    if elicitation == "choice":
        output = ["multiple_choice", "doc_to_choice: choices", "doc_to_target: right"]
        yield task, _task(family, elicitation, task, output, _CHOSEN)
        return
    n_tokens = family.program_tokens if elicitation == "python" else family.answer_tokens
    until = json.dumps(UNTIL[elicitation])
    stops = f"generation_kwargs: {{until: {until}, max_gen_toks: {n_tokens}, do_sample: false}}"
    yield task, _task(family, elicitation, task, ["generate_until", stops], _WRITTEN)
    likelihood = f"{task}_likelihood"
    yield likelihood, _task(family, elicitation, likelihood, ["loglikelihood"], _LIKELIHOOD)


def _task(family: Family, elicitation: Elicitation, task: str, output: list[str], metrics: Sequence[str]) -> str:
    return "\n".join(
        [
            "include: ../_base.yaml",
            f"task: {task}",
            f"dataset_kwargs: {{family: {family.name}, elicitation: {elicitation}}}",
            f"output_type: {output[0]}",
            *output[1:],
            "metric_list:",
            *(
                f"  - {{metric: {name}, aggregation: mean, higher_is_better: {json.dumps(not is_loss(name))}}}"
                for name in metrics
            ),
            "",
        ]
    )


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
    settings = [
        f"- `{field.name}`: {json.dumps(getattr(family, field.name))}"
        for field in fields(family)
        if field.init and field.name != "name"
    ]
    return "\n".join(
        [
            f"# {family.name}\n",
            *(f"{paragraph}\n" for paragraph in about),
            f"Example (`{task_name(family.name, way)}`; what follows the marker is what a right model writes):\n",
            f"```text\n{prompt(item.question, way)}{target(item, way)}\n```\n",
            f"Tasks, all in the group `tasklaws_{family.name}`: {', '.join(f'`{task}`' for task in tasks)}.",
            "[custom_tasks/README.md](../README.md) says how to run them and what their metrics are.\n",
            "## Items\n",
            f"{inspect.getdoc(kind)}\n",
            f"Settings of the {len(items)} test items:\n",
            *settings,
            *(f"\n## {heading}\n\n{text}" for heading, text in sections.items()),
            "",
        ]
    )
