"""Scores of one document under the plain `lm_eval` command; the pipeline scores stored responses instead.

A file apart from lm_eval_task.py: asking a model loads that one, and is not to be repeated when scoring changes.
"""

from typing import Any

from tasklaws.harness import metrics as judging
from tasklaws.sandbox import run


def judge(document: dict[str, Any], results: list[Any]) -> dict[str, float]:
    """The metrics of a document, by what was asked: a text, a program (run in the sandbox), or log-likelihoods."""
    if document["choices"]:
        log_likelihoods = [log_likelihood for log_likelihood, _ in results]
        probabilities = judging.choice_probabilities(log_likelihoods)
        right = document["right"]
        return {
            "exact_match": float(log_likelihoods.index(max(log_likelihoods)) == right),
            "partial_credit": probabilities[right],
            "brier": judging.brier(probabilities, right),
            "target_bits_per_byte": judging.bits_per_byte(log_likelihoods[right], document["target"]),
        }
    (result,) = results
    if isinstance(result, tuple):
        return {"target_bits_per_byte": judging.bits_per_byte(result[0], document["target"])}
    if document["elicitation"] == "python":
        outcome = run(judging.program_of(result), document["fuel"])
        given = outcome.stdout if outcome.status == "ok" else ""
    else:
        given = judging.answer_of(result)
    return {
        "exact_match": judging.exact_match(given, document["answer"]),
        "partial_credit": judging.partial_credit(given, document["answer"]),
    }
