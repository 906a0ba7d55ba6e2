"""What a response is worth: exact match, partial credit, likelihood of the right text, Brier score."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rapidfuzz.distance import Levenshtein

from tasklaws.core.errors import TasklawsError
from tasklaws.families.prompts import STOP
from tasklaws.harness.read_answer import is_answer, is_printed
from tasklaws.harness.read_program import read_program
from tasklaws.tables import FLEXIBLE

if TYPE_CHECKING:
    from tasklaws.sandbox import Outcome

FENCE = re.compile(r"```(?:python)?\n(.*?)(?:```|$)", re.DOTALL)


def answer_of(response: str) -> str:
    """The answer in a response: its first line, without surrounding space."""
    return (response.strip().splitlines() or [""])[0].strip()


def program_of(response: str) -> str:
    """The program in a response: a fenced block where there is one, else all up to an empty line."""
    fenced = FENCE.search(response)
    return (fenced[1] if fenced else response.split(STOP)[0]).strip()


def exact_match(given: str, answer: str) -> float:
    """1 if what was given is the answer, else 0."""
    return float(given.strip() == answer)


def partial_credit(given: str, answer: str) -> float:
    """1 - (edit distance of given and answer) / (length of the longer one), in [0, 1].

    The continuous twin of exact match (token edit distance in Schaeffer et al. 2023, "Are emergent abilities of large
    language models a mirage?").
    """
    return Levenshtein.normalized_similarity(given.strip()[: 4 * len(answer)], answer)


def bits_per_byte(log_likelihood: float, text: str) -> float:
    """-log2 p(text) / bytes of the text, from its natural log-likelihood; TasklawsError unless finite and <= 0."""
    if not -math.inf < log_likelihood <= 0:
        raise TasklawsError(f"the log-likelihood of {text!r} is {log_likelihood}: ask the rung again")
    return -log_likelihood / math.log(2) / len(text.encode())


def choice_probabilities(log_likelihoods: Sequence[float]) -> list[float]:
    """The choices' probabilities, normalised among themselves (softmax of their log-likelihoods).

    TasklawsError unless every log-likelihood is finite and <= 0.
    """
    for value in log_likelihoods:
        if not -math.inf < value <= 0:
            raise TasklawsError(f"the log-likelihood of a choice is {value}: ask the rung again")
    top = max(log_likelihoods)
    weights = [math.exp(value - top) for value in log_likelihoods]
    return [weight / sum(weights) for weight in weights]


def brier(probabilities: Sequence[float], right: int) -> float:
    """Sum over choices of (p - 1[right])^2, in [0, 2] (Brier 1950)."""
    return sum((value - (index == right)) ** 2 for index, value in enumerate(probabilities))


def score_answer(
    answer: str,
    target: str,
    response: str | None = None,
    log_likelihoods: Sequence[float] = (),
    right: int | None = None,
    outcome: "Outcome | None" = None,
    *,
    question: str = "",
    read: "Outcome | None" = None,
) -> dict[str, float]:
    """What a model's answer to one item is worth, under every metric that applies to it.

    `answer` is the item's, `target` the text that a right model writes. `log_likelihoods` (natural) are those of the
    choices, of which number `right` is the answer, or that of the target alone. A `response` is scored by its first
    line, or where it was run as a program by what it printed if it ended well (`outcome`). `exact_match_flexible` reads
    it as people would (read_answer.py), with the `question` in view, or takes what the program printed that they would
    read (`read`): what is right to the character is right. An outcome that says nothing of the program, and an
    impossible log-likelihood, raise TasklawsError.
    """
    scored: dict[str, float] = {}
    if right is not None:
        probabilities = choice_probabilities(log_likelihoods)
        scored |= {
            "exact_match": float(log_likelihoods.index(max(log_likelihoods)) == right),
            "partial_credit": probabilities[right],
            "brier": brier(probabilities, right),
        }
    if log_likelihoods:
        scored["target_bits_per_byte"] = bits_per_byte(log_likelihoods[right or 0], target)
    if response is not None:
        if outcome is None:
            given, is_read = answer_of(response), is_answer(response, answer, question)
        else:
            given, is_read = _printed(outcome), read is not None and is_printed(_printed(read), answer, question)
        exact = exact_match(given, answer)
        scored |= {"exact_match": exact, FLEXIBLE: max(exact, float(is_read))}
        scored["partial_credit"] = partial_credit(given, answer)
    return scored


def _printed(outcome: "Outcome") -> str:
    if outcome.status == "invalid":
        raise TasklawsError("the program ran into the wall-clock fuse: run it again")
    return outcome.stdout if outcome.status == "ok" else ""


def score_document(document: Mapping[str, Any], results: list[Any]) -> dict[str, float]:
    """Scores of one document under the plain `lm_eval` command; the pipeline scores stored responses instead.

    `results` hold a text, a program (run in the sandbox) or log-likelihoods, by what was asked.
    """
    from tasklaws.sandbox import run

    answer, target = document["answer"], document["target"]
    if document["choices"]:
        return score_answer(answer, target, log_likelihoods=[likely for likely, _ in results], right=document["right"])
    (result,) = results
    if isinstance(result, tuple):
        return score_answer(answer, target, log_likelihoods=[result[0]])
    outcome = read = None
    if document["elicitation"] == "python":
        programs = (program_of(result), read_program(result))
        ran = {program: run(program, document["fuel"]) for program in set(programs)}
        outcome, read = (ran[program] for program in programs)
    return score_answer(answer, target, result, outcome=outcome, question=document["question"], read=read)
