"""What the final checkpoints of every rung said, read once for all pages."""

from typing import NamedTuple

from tasklaws.core.schema import read_responses
from tasklaws.harness.said import text_of
from tasklaws.report.load import Results


class SaidAnswer(NamedTuple):
    """What one checkpoint said to an item, in words."""

    seed: int
    family: str
    elicitation: str
    item: str
    text: str


def read_said(results: Results) -> dict[str, list[SaidAnswer]]:
    """The answers of the final checkpoints by rung, seeds in order; a missing or malformed file raises TasklawsError.

    Answers to items that are no longer asked are left out, as their scores are.
    """
    choices = results.items["choices"].to_dict()
    final = results.observations[results.observations["is_final"]]
    steps = {rung: set(zip(own["seed"], own["step"], strict=True)) for rung, own in final.groupby("rung")}
    found: dict[str, list[SaidAnswer]] = {}
    for rung in results.rungs:
        said = [
            one
            for one in read_responses(results.paths.responses(rung), rung)
            if (one.seed, one.step) in steps[rung] and one.item in choices
        ]
        said.sort(key=lambda one: one.seed)
        found[rung] = [
            SaidAnswer(one.seed, one.family, one.elicitation, one.item, text_of(one, choices[one.item]).strip())
            for one in said
        ]
    return found
