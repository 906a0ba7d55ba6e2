"""What a model said to an item, in a few words."""

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Response


def text_of(said: Response, choices: tuple[str, ...]) -> str:
    """The text, or the likeliest of the choices; of a benchmark's repeats all texts, and of a text that was not to be
    written how likely it is. Another number of choices raises TasklawsError."""
    answers = said.answers or ()
    first = [each[0] for each in answers]
    if len(answers) == 1 and isinstance(first[0], str):
        return " | ".join(map(str, answers[0]))
    likely = said.log_likelihoods or tuple(one[0] if isinstance(one, tuple) else float(one) for one in first)
    if not likely:
        return said.response or ""
    if answers and not choices:
        return f"{sum(likely):.2f} nats"
    # With mutual information lm-eval asks for each choice alone too, after all of them.
    if len(likely) != len(choices) and not (answers and len(likely) == 2 * len(choices)):
        raise TasklawsError(f"{said.item} has {len(choices)} choices, not {len(likely)}: run `dvc repro respond`")
    likely = likely[: len(choices)]
    return choices[likely.index(max(likely))]
