"""Stored responses become scores, and no program runs twice."""

import json
import math
from dataclasses import replace

import pytest

import tiny
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import Response, read_responses
from tasklaws.frames.csv_files import read_table
from tasklaws.harness.score import refuse_unanswered, score
from tasklaws.sandbox import Outcome, OutcomeCache
from tasklaws.tables import FLEXIBLE, SCORES

GAUSS = {item.question: item for item in tiny.items("gauss_sum")}
HUNDRED = GAUSS["sum 1..100"]
HUGE = GAUSS["sum 1..1000000000"]
ADDITION = tiny.items("addition")[-1]
CHOICE = tiny.items("largest_of_four")[0]
ITEMS = {item.id: item for item in (HUNDRED, HUGE, ADDITION, CHOICE)}


def row(item, elicitation, **said):
    where = {"seed": 0, "step": 100, "family": item.family, "elicitation": elicitation, "item": item.id}
    return Response(**where | said)


def python(item, program, **more):
    return row(item, "python", response=f" {program}", log_likelihood=-10.0, **more)


class Counting:
    """Stands in for the sandbox below the store of outcomes, and counts its runs."""

    def __init__(self, monkeypatch):
        self.programs = []
        monkeypatch.setattr("tasklaws.sandbox.cache.run", self.run)

    def run(self, program, fuel):
        self.programs.append((program, fuel))
        return Outcome("ok", "5050\n", "", 123)


@pytest.fixture
def outcomes(tmp_path):
    return OutcomeCache(tmp_path / "outcomes", 1)


def test_equal_programs_run_once_whoever_wrote_them(tmp_path, monkeypatch):
    counting = Counting(monkeypatch)
    rows = [python(HUNDRED, "print(5050)", step=step) for step in (100, 200, 300)]
    rows.append(python(HUGE, "print(5050)"))  # the same budget: the same run
    rows.append(python(HUNDRED, "print(5051)"))
    first = score("a", rows, ITEMS, OutcomeCache(tmp_path, 1))
    assert sorted(program for program, _ in counting.programs) == ["print(5050)", "print(5051)"]
    assert first["exact_match"].tolist() == [1, 1, 1, 0, 1]
    # Another rung, another process.
    score("b", rows, ITEMS, OutcomeCache(tmp_path, 1))
    assert len(counting.programs) == 2
    # Another budget is another outcome.
    dearer = ITEMS | {HUNDRED.id: replace(HUNDRED, fuel=HUNDRED.fuel + 1)}
    score("c", rows[:1], dearer, OutcomeCache(tmp_path, 1))
    assert counting.programs[2:] == [("print(5050)", HUNDRED.fuel + 1)]


def test_only_programs_run(monkeypatch, outcomes):
    counting = Counting(monkeypatch)
    rows = [
        row(ADDITION, "direct", response=" print(5050)", log_likelihood=-3.0),
        row(CHOICE, "choice", log_likelihoods=[-1.0, -2.0, -3.0, -4.0]),
    ]
    table = score("a", rows, ITEMS, outcomes)
    assert counting.programs == []
    assert table[["status", "fuel"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("item", "program", "status", "exact", "partial"),
    [
        (HUNDRED, "n=100\nprint(n*(n+1)//2)", "ok", 1, 1.0),
        (HUNDRED, "print(5051)", "ok", 0, 0.75),
        (HUNDRED, "print(5050)\nprint(1/0)", "error", 0, 0.0),
        (HUNDRED, "print 5050", "error", 0, 0.0),
        (HUNDRED, "", "ok", 0, 0.0),
        (HUGE, HUNDRED.programs[0].replace("100", "1000000000"), "out_of_fuel", 0, 0.0),
    ],
)
def test_a_program_is_judged_by_what_it_prints(outcomes, item, program, status, exact, partial):
    (found,) = score("a", [python(item, program)], ITEMS, outcomes).to_dict("records")
    assert (found["status"], found["exact_match"]) == (status, exact)
    assert found["partial_credit"] == pytest.approx(partial)
    assert found["fuel"] > 0
    assert found["target_bits_per_byte"] == pytest.approx(10 / math.log(2) / len(f" {item.programs[0]}"))


def test_a_direct_answer_is_its_first_line(outcomes):
    rows = [
        row(ADDITION, "direct", response=f" {ADDITION.answer}\nQ: 1+1", log_likelihood=-2.0),
        row(ADDITION, "direct", response="", log_likelihood=-2.0, step=200),
    ]
    right, silent = score("a", rows, ITEMS, outcomes).to_dict("records")
    assert (right["exact_match"], right["partial_credit"]) == (1, 1)
    assert (silent["exact_match"], silent["partial_credit"]) == (0, 0)
    assert right["target_bits_per_byte"] == pytest.approx(2 / math.log(2) / len(f" {ADDITION.answer}"))


def test_a_choice_is_the_likeliest(outcomes):
    right = CHOICE.choices.index(CHOICE.answer)
    log_likelihoods = [-2.0 - math.log(2)] * 4
    log_likelihoods[right] = -2.0
    (found,) = score("a", [row(CHOICE, "choice", log_likelihoods=log_likelihoods)], ITEMS, outcomes).to_dict("records")
    assert (found["exact_match"], found["chance"]) == (1, 0.25)
    assert found["partial_credit"] == pytest.approx(0.4)
    assert found["brier"] == pytest.approx(0.6**2 + 3 * 0.2**2)
    assert found["target_bits_per_byte"] == pytest.approx(2 / math.log(2) / len(f" {CHOICE.answer}"))
    wrong = list(log_likelihoods)
    wrong[(right + 1) % 4] = -1.0
    (found,) = score("a", [row(CHOICE, "choice", log_likelihoods=wrong)], ITEMS, outcomes).to_dict("records")
    assert found["exact_match"] == 0


def test_the_digest_tells_what_was_said(outcomes):
    rows = [
        row(ADDITION, "direct", response=" 1", log_likelihood=-2.0),
        row(ADDITION, "direct", response=" 1", log_likelihood=-2.0, step=200),
        row(ADDITION, "direct", response=" 1", log_likelihood=-2.5, step=300),
        row(ADDITION, "direct", response=" 2", log_likelihood=-2.0, step=400),
    ]
    digests = score("a", rows, ITEMS, outcomes)["response"].tolist()
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_scores_can_be_written_and_read(outcomes, tmp_path):
    rows = [
        python(HUNDRED, "print(5050)"),
        row(ADDITION, "direct", response=" 1", log_likelihood=-2.0),
        row(CHOICE, "choice", log_likelihoods=[-1.0, -2.0, -3.0, -4.0]),
    ]
    table = score("a", rows, ITEMS, outcomes)
    assert list(table) == [*SCORES.columns, FLEXIBLE]
    SCORES.write(tmp_path / "a.csv", table)
    again = read_table(tmp_path / "a.csv", SCORES.columns, SCORES.keys, SCORES.keys, SCORES.numbers)
    assert again["brier"].notna().sum() == again["status"].notna().sum() == 1


def test_an_unknown_item_is_refused(outcomes):
    stranger = replace(row(ADDITION, "direct", response="", log_likelihood=-1.0), item="addition-9")
    with pytest.raises(TasklawsError, match=r"rung-x: a response to unknown item 'addition-9': run `dvc repro respond"):
        score("rung-x", [stranger], ITEMS, outcomes)


def test_what_was_said_is_read(tmp_path):
    rows = [
        row(ADDITION, "direct", response="", log_likelihood=-1),
        row(CHOICE, "choice", log_likelihoods=(-1.0, -2.0)),
    ]
    write_jsonl(tmp_path / "n1.jsonl", [said_of(each) for each in rows])
    assert read_responses(tmp_path / "n1.jsonl", "n1") == rows


def said_of(response):
    return {key: value for key, value in vars(response).items() if value is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(({key: None}, f"no {key}") for key in ("seed", "step", "family", "elicitation", "item")),
        ({"response": ...}, "a direct response lacks response"),
        ({"answers": [["4"]]}, "a direct response has answers"),
        ({"elicitation": "benchmark"}, "a benchmark response has response"),
        ({"log_likelihoods": [-1.0]}, "a direct response has log_likelihoods"),
        ({"elicitation": "choice"}, "a choice response has response"),
        ({"elicitation": "shouted"}, "elicitation is 'shouted', not one of direct, python, choice"),
        ({"seed": "0"}, "seed is '0', not a whole number"),
        ({"step": True}, "step is True, not a whole number"),
        ({"step": -1}, "step is -1, not 0 or more"),
        ({"response": 5}, "response is 5, not text"),
        ({"log_likelihood": "-1"}, "log_likelihood is '-1', not a finite number"),
        ({"log_likelihoods": [-1.0, "x"]}, r"log_likelihoods\[1\] is 'x'"),
        ({"mood": "good"}, "unknown key 'mood'"),
    ],
)
def test_a_malformed_response_is_refused(tmp_path, change, message):
    good = said_of(row(ADDITION, "direct", response="", log_likelihood=-1.0))
    bad = {key: value for key, value in (good | change).items() if value is not ...}
    path = tmp_path / "n1.jsonl"
    write_jsonl(path, [good, bad])
    with pytest.raises(TasklawsError, match=rf"n1\.jsonl:2: .*{message}.*run `dvc repro --force respond@n1`"):
        read_responses(path, "n1")


def test_other_choices_than_the_items_are_refused(outcomes):
    with pytest.raises(TasklawsError, match=f"{CHOICE.id} has 4 choices, not 2.*respond@rung-x"):
        score("rung-x", [row(CHOICE, "choice", log_likelihoods=(-1.0, -2.0))], ITEMS, outcomes)


def test_an_impossible_log_likelihood_is_refused(outcomes):
    for bad in (math.nan, -math.inf, 0.1):
        with pytest.raises(TasklawsError, match="ask the rung again"):
            score("a", [row(ADDITION, "direct", response="", log_likelihood=bad)], ITEMS, outcomes)


def test_a_run_that_hit_the_wall_clock_is_no_score(monkeypatch, outcomes):
    monkeypatch.setattr("tasklaws.sandbox.cache.run", lambda *_: Outcome("invalid", "", "too slow", 0))
    with pytest.raises(TasklawsError, match=f"the program for {HUNDRED.id} ran into the wall-clock fuse"):
        score("a", [python(HUNDRED, "while True: pass")], ITEMS, outcomes)


def test_the_expected_answer_stays_outside_the_program(outcomes):
    """A program that looks for its answer finds none."""
    (found,) = score("a", [python(HUNDRED, "print(globals())")], ITEMS, outcomes).to_dict("records")
    assert json.loads(str(found["exact_match"])) == 0


def test_an_item_without_a_response_is_named():
    rows = [python(item, "print(1)", step=step) for item in (HUNDRED, HUGE) for step in (1, 2)]
    asked = {HUNDRED.id: HUNDRED, HUGE.id: HUGE}, {"gauss_sum": ["python"]}, [(0, 1), (0, 2)]
    refuse_unanswered("n1", rows, *asked)
    with pytest.raises(TasklawsError, match=f"n1: no response to {HUGE.id} .python, seed 0, step 2.*respond@n1"):
        refuse_unanswered("n1", rows[:-1], *asked)
    with pytest.raises(TasklawsError, match="no response to"):
        refuse_unanswered("n1", [], *asked)
    with pytest.raises(TasklawsError, match=r"'direct'.* was not asked for"):
        refuse_unanswered("n1", [*rows, row(HUGE, "direct", step=1, response="", log_likelihood=-1.0)], *asked)
