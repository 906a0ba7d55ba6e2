"""Known values, and what holds of every response."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.harness import metrics as judge

likely = st.floats(-1e4, 0.0)
answers = st.text(min_size=1).map(str.strip).filter(bool)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (" 5050", "5050"),
        (" 5050\n\nQ: sum 1..3", "5050"),
        ("\n\n 21 \n22", "21"),
        ("", ""),
        ("  \n ", ""),
        (" CADB\nA: x", "CADB"),
    ],
)
def test_the_answer_is_the_first_line(response, answer):
    assert judge.answer_of(response) == answer


@pytest.mark.parametrize(
    ("response", "program"),
    [
        (" print(1)", "print(1)"),
        (" n=3\ns=0\nprint(s)\n\nQ: sum 1..4", "n=3\ns=0\nprint(s)"),
        ("```python\nprint(1)\n\nprint(2)\n```\nThat was it.", "print(1)\n\nprint(2)"),
        ("```\nprint(1)\n```", "print(1)"),
        ("Here it is:\n```python\nprint(1)", "print(1)"),
        ("```python\nprint(1)\n```\n```python\nprint(2)\n```", "print(1)"),
        ("", ""),
        ("for i in range(2):\n  print(i)", "for i in range(2):\n  print(i)"),
    ],
)
def test_the_program_is_the_fenced_block_or_all_up_to_an_empty_line(response, program):
    assert judge.program_of(response) == program


@given(st.text())
def test_any_response_can_be_read(response):
    assert "\n" not in judge.answer_of(response)
    assert isinstance(judge.program_of(response), str)


@pytest.mark.parametrize(
    ("given_", "answer", "exact", "partial"),
    [
        ("5050", "5050", 1, 1.0),
        (" 5050\n", "5050", 1, 1.0),
        ("5051", "5050", 0, 0.75),
        ("", "5050", 0, 0.0),
        ("505", "5050", 0, 0.75),
        ("05050", "5050", 0, 0.8),
        ("1234", "5678", 0, 0.0),
        ("5050.0", "5050", 0, 4 / 6),
        ("five", "5050", 0, 0.0),
        ("CADB", "cadb", 0, 0.0),
    ],
)
def test_known_scores(given_, answer, exact, partial):
    assert judge.exact_match(given_, answer) == exact
    assert judge.partial_credit(given_, answer) == pytest.approx(partial)


@given(st.text(), answers)
def test_scores_stay_in_range_and_agree(given_, answer):
    exact, partial = judge.exact_match(given_, answer), judge.partial_credit(given_, answer)
    assert exact in (0.0, 1.0)
    assert 0 <= partial <= 1
    assert (exact == 1) == (partial == 1)


@given(answers, st.integers(1, 10))
def test_rambling_on_lowers_partial_credit(answer, times):
    assert judge.partial_credit(answer + "~" * times * len(answer), answer) <= 0.5


@pytest.mark.parametrize(
    ("log_likelihood", "text", "bits"),
    [
        (-math.log(2), "a", 1.0),
        (-8 * math.log(2), "a", 8.0),
        (-math.log(2), "ä", 0.5),  # two bytes
        (0.0, "abc", 0.0),
        (-4.0, " 21", 4 / math.log(2) / 3),
    ],
)
def test_known_bits_per_byte(log_likelihood, text, bits):
    assert judge.bits_per_byte(log_likelihood, text) == pytest.approx(bits)


@given(likely, likely, answers)
def test_the_likelier_text_takes_fewer_bits(one, other, text):
    assume(one < other)
    assert judge.bits_per_byte(one, text) >= judge.bits_per_byte(other, text) >= 0


@pytest.mark.parametrize("bad", [-math.inf, math.inf, math.nan, 0.5])
def test_an_impossible_log_likelihood_is_refused(bad):
    with pytest.raises(TasklawsError, match=f"is {bad}: ask the rung again"):
        judge.bits_per_byte(bad, "x")
    for choices in ([bad, -1.0], [-1.0, bad]):
        with pytest.raises(TasklawsError, match=f"is {bad}: ask the rung again"):
            judge.choice_probabilities(choices)


def test_known_choice_probabilities():
    assert judge.choice_probabilities([-1.0] * 4) == pytest.approx([0.25] * 4)
    assert judge.choice_probabilities([math.log(0.3), math.log(0.1)]) == pytest.approx([0.75, 0.25])
    # Far below what a float can hold when taken as they are.
    assert judge.choice_probabilities([-2000.0, -2000.0 - math.log(3)]) == pytest.approx([0.75, 0.25])


@given(st.lists(likely, min_size=2, max_size=6), st.data())
def test_choices_make_a_distribution(log_likelihoods, data):
    probabilities = judge.choice_probabilities(log_likelihoods)
    assert sum(probabilities) == pytest.approx(1)
    assert all(0 <= probability <= 1 for probability in probabilities)
    right = data.draw(st.integers(0, len(probabilities) - 1))
    assert 0 <= judge.brier(probabilities, right) <= 2 + 1e-12


@pytest.mark.parametrize(
    ("probabilities", "right", "score"),
    [
        ([1.0, 0.0], 0, 0.0),
        ([1.0, 0.0], 1, 2.0),
        ([0.25] * 4, 2, 0.75),
        ([0.5, 0.5], 0, 0.5),
        ([0.7, 0.2, 0.1], 0, 0.09 + 0.04 + 0.01),
    ],
)
def test_known_brier_scores(probabilities, right, score):
    assert judge.brier(probabilities, right) == pytest.approx(score)
