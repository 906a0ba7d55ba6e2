"""How an item is put to a model: the prompt, and the text that follows it when the model is right.

`terse` prompts are the corpus's own, `Q: sum 1..100` and `A:` or `P:`. `plain` ones are for models that learned
elsewhere: the question in plain language (`Family.plain`), and what is wanted of the answer.
"""

from pathlib import Path
from typing import Literal

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Elicitation, Item

Prompts = Literal["terse", "plain"]
MARKERS: dict[Elicitation, str] = {"direct": "\nA:", "choice": "\nA:", "python": "\nP:"}
STOP = "\n\n"
UNTIL: dict[Elicitation, tuple[str, ...]] = {"direct": ("\n",), "python": (STOP, "\nQ:")}
"""What ends a text that a model writes; a choice it does not write."""
PLAIN_MARKERS: dict[Elicitation, str] = {
    "direct": "\nGive the answer alone.\nAnswer:",
    "choice": "\nAnswer:",
    "python": "\nYou may run Python: write one program that prints the answer, and nothing else.\nProgram:",
}
PLAIN_UNTIL = ("\nQuestion:",)
"""What ends a text after a plain prompt: prose has empty lines, so that only the next question does."""
TASKS = Path("custom_tasks")  # lm-eval's


def task_name(family: str, elicitation: Elicitation, prompts: Prompts = "terse") -> str:
    """The lm-eval task that puts a family's items in one way."""
    return f"{family}_{elicitation}" + ("_plain" if prompts == "plain" else "")


def split_task(task: str) -> tuple[str, Elicitation]:
    """Family and elicitation of a terse task's name; an unknown elicitation raises TasklawsError."""
    family, _, elicitation = task.rpartition("_")
    for known in MARKERS:
        if elicitation == known and family:
            return family, known
    raise TasklawsError(f"task {task!r}: unknown elicitation {elicitation!r}: use {', '.join(MARKERS)}")


def prompt(question: str, elicitation: Elicitation, prompts: Prompts = "terse") -> str:
    """What the model reads, ending in the marker after which it writes."""
    if prompts == "plain":
        return f"Question: {question}{PLAIN_MARKERS[elicitation]}"
    return f"Q: {question}{MARKERS[elicitation]}"


def question_of(prompt: str) -> str:
    """The question that a terse prompt puts, whatever the elicitation."""
    return prompt.removeprefix("Q: ").rsplit("\n", 1)[0]


def target(item: Item, elicitation: Elicitation, prompts: Prompts = "terse") -> str:
    """What a right model writes: a space and the answer, or the reference program: behind a space, in plain fenced."""
    if elicitation != "python":
        return f" {item.answer}"
    return f"\n```python\n{item.programs[0]}\n```" if prompts == "plain" else f" {item.programs[0]}"
