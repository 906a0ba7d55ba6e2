"""The holdout's surprises: each item, what was asked, what the model said, and how unlikely it was."""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Response, read_responses
from tasklaws.forecast.surprises import EXPECTED
from tasklaws.report.load import Results
from tasklaws.tables import SURPRISE_COUNTS, SURPRISES, SURPRISING_SKILLS

LONGEST = 160  # characters shown of what a model said


@dataclass(frozen=True, eq=False)
class Surprises:
    """The tables of surprises: `items` the most surprising first, each with its question and answer and the `responses`
    of the seeds: (text, how many seeds)."""

    items: pd.DataFrame
    counts: pd.DataFrame
    skills: pd.DataFrame

    def of(self, rung: str, kind: str) -> pd.DataFrame:
        """The items that a holdout solved, or failed, against expectation."""
        return self.items[(self.items["rung"] == rung) & (self.items["surprise"] == kind)]


def load_surprises(results: Results) -> Surprises:
    """Read the tables of surprises and what was said; a malformed file, or an item without a response, raises
    TasklawsError."""
    paths = results.paths
    items = SURPRISES.read(paths.surprises).sort_values("rank")
    items = items[items["rung"].isin(list(results.rungs))].fillna({"skills": ""})
    strangers = items.loc[~items["item"].isin(results.items.index), "item"]
    if len(strangers):
        raise TasklawsError(f"item {strangers.iloc[0]} is a surprise and not in data/items: run `dvc repro validate`")
    texts: dict[tuple[str, str, str], Counter[str]] = {}
    for rung in results.holdouts:
        responses = read_responses(paths.responses(rung), rung)
        texts |= _final_texts(rung, responses, results)
    asked = list(zip(items["rung"], items["elicitation"], items["item"], strict=True))
    for key, kind in zip(asked, items["surprise"], strict=True):
        if kind != EXPECTED and key not in texts:
            rung, elicitation, item = key
            raise TasklawsError(f"rung {rung} has no {elicitation} response to {item}: run `dvc repro respond@{rung}`")
    asked_items = results.items[["question", "answer"]].loc[items["item"]].set_index(items.index)
    by_item = pd.Series([list(texts.get(key, Counter()).items()) for key in asked], items.index, dtype=object)
    return Surprises(
        items=items.join(asked_items).assign(responses=by_item),
        counts=SURPRISE_COUNTS.read(paths.surprise_counts),
        skills=SURPRISING_SKILLS.read(paths.surprising_skills),
    )


def _final_texts(rung: str, responses: list[Response], results: Results) -> dict[tuple[str, str, str], "Counter[str]"]:
    """How many final checkpoints of a rung said what, by (rung, elicitation, item), seeds in order."""
    own = results.observations[(results.observations["rung"] == rung) & results.observations["is_final"]]
    final = set(zip(own["seed"], own["step"], strict=True))
    choices = results.items["choices"].to_dict()
    found: dict[tuple[str, str, str], Counter[str]] = {}
    for response in sorted(responses, key=lambda response: response.seed):
        if (response.seed, response.step) in final and response.item in choices:
            text = _text_of(response, choices[response.item])
            found.setdefault((rung, response.elicitation, response.item), Counter())[text] += 1
    return found


def _text_of(response: Response, choices: tuple[str, ...]) -> str:
    """What was said, or the likeliest choice; cut where it grows long."""
    if response.log_likelihoods is not None:
        if len(response.log_likelihoods) != len(choices):
            raise TasklawsError(
                f"{response.item} has {len(choices)} choices, not {len(response.log_likelihoods)}: "
                "run `dvc repro respond`"
            )
        return choices[response.log_likelihoods.index(max(response.log_likelihoods))]
    text = (response.response or "").strip()
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
