"""Answers read as people would: what 232 responses of the kinds that models write are worth, and why."""

import json
from pathlib import Path

import pytest

from tasklaws.harness.metrics import program_of, score_answer
from tasklaws.harness.read_answer import VERSION, is_answer
from tasklaws.harness.read_program import read_program
from tasklaws.sandbox import OutcomeCache
from tasklaws.tables import FLEXIBLE

ROOT = Path(__file__).parents[2]
ANSWERS = [json.loads(line) for line in (ROOT / "tests/data/answers.jsonl").read_text().splitlines()]


def test_two_hundred_answers_get_their_verdicts(tmp_path):
    """Each row: a response, to the character and as people read it, and why it is so."""
    asked = [row for row in ANSWERS if row["elicitation"] == "python"]
    programs = [read(row["response"]) for row in asked for read in (program_of, read_program)]
    ran = OutcomeCache(tmp_path, 2).of([(program, 300_000_000) for program in programs])
    outcomes = {id(row): pair for row, pair in zip(asked, zip(ran[::2], ran[1::2], strict=True), strict=True)}
    for row in ANSWERS:
        outcome, read = outcomes.get(id(row), (None, None))
        found = score_answer(row["answer"], "x", row["response"], outcome=outcome, question=row["question"], read=read)
        verdicts = (found["exact_match"] == 1, found[FLEXIBLE] == 1)
        assert verdicts == (row["strict"], row["flexible"]), (row["response"], row["why"])


def test_the_answers_are_of_all_kinds_and_none_stands_twice():
    assert len({(row["elicitation"], row["question"], row["response"]) for row in ANSWERS}) == len(ANSWERS) >= 200
    assert all(row["flexible"] for row in ANSWERS if row["strict"]), "what is right to the character is right"
    kinds = [[row["strict"], row["flexible"]] for row in ANSWERS]
    assert min(map(kinds.count, ([True, True], [False, True], [False, False]))) > 20


@pytest.mark.parametrize(
    "response",
    ["\x00", "(" * 3000, "[" * 3000 + "\n" + "1+" * 3000, "```" * 500, "'\\d'\nprint('\\d')", "-" * 9999, "**" * 5000],
)
def test_no_response_is_too_odd_to_read(response):
    for text in (response, f"```python\n{response}", f"{response}\n```", f"The answer is {response}"):
        read_program(text)
        for answer in ("12", "0713", "CADB", "ab" * 32, "two words"):
            assert not is_answer(text, answer, "5+7")


def test_an_answer_of_any_other_form_is_read_where_it_stands_alone():
    assert is_answer("'two words'.", "two words")
    assert is_answer("The answer is: two words.", "two words")
    assert is_answer("\\boxed{two words}", "two words")
    assert not is_answer("Not two words", "two words")


def test_the_rules_have_a_version_beside_the_tasks():
    assert f"\n  flexible: {VERSION}  #" in (ROOT / "custom_tasks/_base.yaml").read_text()
