"""What a response is worth: exact match, partial credit, likelihood of the right text, Brier score."""

import math
import re
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from tasklaws.core.errors import TasklawsError
from tasklaws.families.prompts import STOP

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
