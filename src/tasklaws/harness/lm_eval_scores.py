"""Scores of one document under the plain `lm_eval` command; the pipeline scores stored responses instead.

A file apart from lm_eval_task.py: asking a model loads that one, and is not to be repeated when scoring changes.
"""

from typing import Any

from tasklaws.harness.metrics import program_of, score_answer
from tasklaws.sandbox import run


def score_document(document: dict[str, Any], results: list[Any]) -> dict[str, float]:
    """The metrics of a document, by what was asked: a text, a program (run in the sandbox), or log-likelihoods."""
    answer, target = document["answer"], document["target"]
    if document["choices"]:
        return score_answer(answer, target, log_likelihoods=[likely for likely, _ in results], right=document["right"])
    (result,) = results
    if isinstance(result, tuple):
        return score_answer(answer, target, log_likelihoods=[result[0]])
    program = document["elicitation"] == "python"
    outcome = run(program_of(result), document["fuel"]) if program else None
    return score_answer(answer, target, result, outcome=outcome)
