"""Judge stored responses: every metric of every response, without asking any model again."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tasklaws.elicitation import target
from tasklaws.errors import TasklawsError
from tasklaws.harness import judge
from tasklaws.sandbox import Verdict, Verdicts
from tasklaws.schema import SCORE_COLUMNS, Elicitation, Item


def score(rung: str, responses: Sequence[dict[str, Any]], items: dict[str, Item], verdicts: Verdicts) -> pd.DataFrame:
    """One row (SCORE_COLUMNS) for each response; a malformed one, or one to an unknown item, raises TasklawsError.

    Programs are run in the sandbox, equal ones once. `response` is a digest of all that the model said to the item.
    """
    for row in responses:
        missing = [key for key in _keys_of(row) if key not in row]
        if missing:
            raise TasklawsError(f"{rung}: a response without {missing[0]!r}: run `dvc repro respond@{rung}`")
        if row["item"] not in items:
            raise TasklawsError(f"{rung}: a response to unknown item {row['item']!r}: run `dvc repro respond@{rung}`")
    asked = [row for row in responses if row["elicitation"] == "python"]
    programs = [(judge.program_of(row["response"]), items[row["item"]].fuel) for row in asked]
    ran = {id(row): verdict for row, verdict in zip(asked, verdicts.judge(programs), strict=True)}
    rows = [_score_row(rung, row, items[row["item"]], ran.get(id(row))) for row in responses]
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def refuse_unanswered(
    rung: str,
    responses: Sequence[dict[str, Any]],
    items: dict[str, Item],
    ask: dict[str, list[Elicitation]],
    checkpoints: Sequence[tuple[int, int]],
) -> None:
    """Raise TasklawsError unless every (seed, step) of `checkpoints` answered every item in every way, and no more."""
    ways = [(family, elicitation) for family, elicitations in ask.items() for elicitation in elicitations]
    answered: dict[tuple[Any, ...], set[str]] = {(*where, *way): set() for where in checkpoints for way in ways}
    for row in responses:
        key = tuple(row.get(name) for name in ("seed", "step", "family", "elicitation"))
        if key not in answered:
            raise TasklawsError(
                f"{rung}: a response of {key} was not asked for: run `dvc repro --force respond@{rung}`"
            )
        answered[key].add(row.get("item", ""))
    for (seed, step, family, elicitation), given in answered.items():
        missing = sorted({item.id for item in items.values() if item.family == family} - given)
        if missing:
            raise TasklawsError(
                f"{rung}: no response to {missing[0]} ({elicitation}, seed {seed}, step {step}): "
                f"run `dvc repro --force respond@{rung}`"
            )


def _keys_of(row: dict[str, Any]) -> list[str]:
    said = ["log_likelihoods"] if row.get("elicitation") == "choice" else ["response", "log_likelihood"]
    return ["seed", "step", "family", "elicitation", "item", *said]


def _score_row(rung: str, row: dict[str, Any], item: Item, verdict: Verdict | None) -> dict[str, Any]:
    said = {key: row[key] for key in ("response", "log_likelihood", "log_likelihoods") if key in row}
    scored = {
        **{key: row[key] for key in ("seed", "step", "family", "elicitation", "item")},
        "rung": rung,
        "chance": item.chance,
        "response": hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16],
    }
    right = target(item, row["elicitation"])
    if "log_likelihoods" in row:
        return scored | _score_choice(row["log_likelihoods"], item, right)
    scored["target_bits_per_byte"] = judge.bits_per_byte(row["log_likelihood"], right)
    given = judge.answer_of(row["response"])
    if verdict is not None:
        if verdict.status == "invalid":
            raise TasklawsError(f"{rung}: the program for {item.id} ran into the wall-clock fuse: run the stage again")
        scored |= {"status": verdict.status, "fuel": verdict.fuel}
        given = verdict.stdout if verdict.status == "ok" else ""
    return scored | {
        "exact_match": judge.exact_match(given, item.answer),
        "partial_credit": judge.partial_credit(given, item.answer),
    }


def _score_choice(log_likelihoods: list[float], item: Item, right: str) -> dict[str, float]:
    probabilities = judge.choice_probabilities(log_likelihoods)
    index = item.choices.index(item.answer)
    return {
        "exact_match": float(log_likelihoods.index(max(log_likelihoods)) == index),
        "partial_credit": probabilities[index],
        "brier": judge.brier(probabilities, index),
        "target_bits_per_byte": judge.bits_per_byte(log_likelihoods[index], right),
    }
