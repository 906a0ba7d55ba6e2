"""Judge stored responses: every metric of every response, without asking any model again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import BENCHMARK, Item, Response, read_family_items, read_responses, response_digest
from tasklaws.core.settings import Ask, Settings
from tasklaws.families.prompts import Prompts, target
from tasklaws.harness import metrics
from tasklaws.harness.read_program import read_program
from tasklaws.ladder.card import read_card
from tasklaws.sandbox import Outcome, OutcomeCache
from tasklaws.tables import FLEXIBLE, SCORES


def score_rung(
    rung_dir: Path, settings: Settings, ask: Ask, items: Path, responses: Path, final_only: bool = False
) -> pd.DataFrame:
    """The scores (tables.SCORES) of what the checkpoints of a rung said, asked by `ask_rung` with the same arguments.

    Outcomes of programs are kept in .work/outcomes. An item without a response, and one that was not asked, raise
    TasklawsError.
    """
    rung = rung_dir.name
    prompts = settings.models.asking(rung).prompts
    files = [f"{family}.plain" for family in ask] if prompts == "plain" else list(ask)
    asked = {item.id: item for item in read_family_items(files, items)}
    checkpoints = [one for one in read_card(rung_dir).checkpoints if one.is_final or not final_only]
    said = [one for one in read_responses(responses, rung) if one.elicitation != BENCHMARK]
    source = settings.models.rungs[rung].source if rung in settings.models.rungs else None
    if source is not None and not source.likelihoods:  # which was not asked to choose
        ask = {family: tuple(way for way in ways if way != "choice") for family, ways in ask.items()}
    refuse_unanswered(rung, said, asked, ask, [(one.seed, one.step) for one in checkpoints])
    return score(rung, said, asked, OutcomeCache(Path(".work/outcomes"), settings.execution.workers), prompts)


def score(
    rung: str,
    responses: Sequence[Response],
    items: dict[str, Item],
    outcomes: OutcomeCache,
    prompts: Prompts = "terse",
) -> pd.DataFrame:
    """One row (tables.SCORES and FLEXIBLE) for each response; one to an unknown item or to other choices
    raises TasklawsError.

    `items` have the questions of the `prompts` that were put. Programs are run in the sandbox, equal ones once.
    `response` is the `response_digest`.
    """
    for said in responses:
        if said.item not in items:
            raise TasklawsError(f"{rung}: a response to unknown item {said.item!r}: run `dvc repro respond@{rung}`")
        n_choices = len(items[said.item].choices)
        if said.log_likelihoods is not None and len(said.log_likelihoods) != n_choices:
            raise _outdated(rung, f"{said.item} has {n_choices} choices, not {len(said.log_likelihoods)}")
    asked = [said for said in responses if said.elicitation == "python"]
    programs = [
        (program, items[said.item].fuel)
        for said in asked
        for program in (metrics.program_of(said.response or ""), read_program(said.response or ""))
    ]
    ran = outcomes.of(programs)
    pairs = {id(said): pair for said, pair in zip(asked, zip(ran[::2], ran[1::2], strict=True), strict=True)}
    rows = [_score_row(rung, said, items[said.item], prompts, *pairs.get(id(said), ())) for said in responses]
    return pd.DataFrame(rows, columns=[*SCORES.columns, FLEXIBLE])


def refuse_unanswered(
    rung: str, responses: Sequence[Response], items: dict[str, Item], ask: Ask, checkpoints: Sequence[tuple[int, int]]
) -> None:
    """Raise TasklawsError unless every (seed, step) of `checkpoints` answered every item in every way, and no more."""
    ways = [(family, elicitation) for family, elicitations in ask.items() for elicitation in elicitations]
    answered: dict[tuple[Any, ...], set[str]] = {(*where, *way): set() for where in checkpoints for way in ways}
    for said in responses:
        key = (said.seed, said.step, said.family, said.elicitation)
        if key not in answered:
            raise _outdated(rung, f"a response of {key} was not asked for")
        answered[key].add(said.item)
    for (seed, step, family, elicitation), given in answered.items():
        missing = sorted({item.id for item in items.values() if item.family == family} - given)
        if missing:
            raise _outdated(rung, f"no response to {missing[0]} ({elicitation}, seed {seed}, step {step})")


def _outdated(rung: str, reason: str) -> TasklawsError:
    return TasklawsError(f"{rung}: {reason}: run `dvc repro --force respond@{rung}`")


def _score_row(
    rung: str, said: Response, item: Item, prompts: Prompts, outcome: Outcome | None = None, read: Outcome | None = None
) -> dict[str, object]:
    scored = {
        "rung": rung,
        "seed": said.seed,
        "step": said.step,
        "family": said.family,
        "elicitation": said.elicitation,
        "item": item.id,
        "chance": item.chance,
        "response": response_digest(said),
    }
    if outcome is not None and read is not None:
        if "invalid" in (outcome.status, read.status):
            raise TasklawsError(f"{rung}: the program for {item.id} ran into the wall-clock fuse: run the stage again")
        scored |= {"status": outcome.status, "fuel": outcome.fuel}
    assert said.elicitation != BENCHMARK  # the caller sees to that
    text = target(item, said.elicitation, prompts)
    if said.log_likelihoods is not None:
        right = item.choices.index(item.answer)
        return scored | metrics.score_answer(item.answer, text, log_likelihoods=said.log_likelihoods, right=right)
    likely = [] if said.log_likelihood is None else [said.log_likelihood]  # chat servers tell none
    return scored | metrics.score_answer(
        item.answer,
        text,
        said.response,
        likely,
        outcome=outcome,
        question=item.question,
        read=read,
    )
