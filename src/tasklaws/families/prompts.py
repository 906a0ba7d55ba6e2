"""How an item is put to a model: the prompt, and the text that follows it when the model is right."""

from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Elicitation, Item

MARKERS: dict[Elicitation, str] = {"direct": "\nA:", "choice": "\nA:", "python": "\nP:"}
STOP = "\n\n"
UNTIL: dict[Elicitation, tuple[str, ...]] = {"direct": ("\n",), "python": (STOP, "\nQ:")}
"""What ends a text that a model writes; a choice it does not write."""
TASKS = Path("custom_tasks")  # lm-eval's


def task_name(family: str, elicitation: Elicitation) -> str:
    """The lm-eval task that puts a family's items in one way."""
    return f"{family}_{elicitation}"


def split_task(task: str) -> tuple[str, Elicitation]:
    """Family and elicitation of a task's name; an unknown elicitation raises TasklawsError."""
    family, _, elicitation = task.rpartition("_")
    for known in MARKERS:
        if elicitation == known and family:
            return family, known
    raise TasklawsError(f"task {task!r}: unknown elicitation {elicitation!r}: use {', '.join(MARKERS)}")


def prompt(question: str, elicitation: Elicitation) -> str:
    """What the model reads, ending in the marker after which it writes: `Q: sum 1..100` and `A:` or `P:`."""
    return f"Q: {question}{MARKERS[elicitation]}"


def question_of(prompt: str) -> str:
    """The question that a prompt puts, whatever the elicitation."""
    return prompt.removeprefix("Q: ").rsplit("\n", 1)[0]


def target(item: Item, elicitation: Elicitation) -> str:
    """What a right model writes: a space and the answer, or a space and the reference program."""
    return " " + (item.programs[0] if elicitation == "python" else item.answer)
