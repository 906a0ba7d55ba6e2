"""What a ladder learns from holds no question that is asked, and is the same each time."""

import hashlib
import json
from collections import Counter

import pytest

import tiny
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Document
from tasklaws.families.draws import reserved_questions
from tasklaws.families.prompts import split_task
from tasklaws.ladder.corpus import documents, refuse_leaks

FAMILIES = list(tiny.families())
MIXTURE = {"addition_direct": 3.0, "gauss_sum_python": 1.0, "largest_of_four_choice": 1.0}


def question(document):
    return document.prompt.removeprefix("Q: ").rsplit("\n", 1)[0]


def digest(drawn):
    return hashlib.sha256("\n".join(json.dumps(each.to_dict()) for each in drawn).encode()).hexdigest()


@pytest.mark.parametrize("purpose", ["train", "heldout"])
def test_no_question_of_any_split_is_learned(purpose):
    """Short additions would be hit at once: a tenth of the small ones is asked."""
    drawn = tiny.corpus(4000, purpose)
    asked = {item.question for family in FAMILIES for split in ("test", "dev") for item in family.items(0, split)}
    assert not asked & {question(document) for document in drawn}
    assert not reserved_questions(FAMILIES, 0) & {question(document) for document in drawn}
    refuse_leaks(list(drawn), frozenset(asked))


def test_a_swapped_addition_is_not_learned():
    asked = {item.question for item in tiny.items("addition")}
    swapped = {"+".join(reversed(each.split("+"))) for each in asked}
    assert not swapped & {question(document) for document in tiny.corpus(4000)}


def test_held_out_prompts_are_never_learned():
    train = {document.prompt for document in tiny.corpus(4000)}
    drawn = list(documents(FAMILIES, dict.fromkeys(tiny.tasks(), 1.0), 500, 0, "heldout", unlike=frozenset(train)))
    assert len(drawn) == 500
    assert not train & {document.prompt for document in drawn}
    # Without that, some would be: the short questions are few.
    assert train & {document.prompt for document in tiny.corpus(4000, "heldout")}


def test_same_seed_same_bytes_and_another_seed_or_purpose_others():
    same = [digest(documents(FAMILIES, MIXTURE, 300, 0, "train")) for _ in range(2)]
    assert same[0] == same[1]
    assert digest(documents(FAMILIES, MIXTURE, 300, 1, "train")) != same[0]
    assert digest(documents(FAMILIES, MIXTURE, 300, 0, "heldout")) != same[0]


def test_the_mixture_is_respected():
    count = 4000
    drawn = Counter((each.family, each.elicitation) for each in documents(FAMILIES, MIXTURE, count, 0, "train"))
    assert set(drawn) == set(map(split_task, MIXTURE))
    for task, weight in MIXTURE.items():
        share = weight / sum(MIXTURE.values())
        # Five standard deviations of a binomial.
        assert abs(drawn[split_task(task)] - share * count) < 5 * (count * share * (1 - share)) ** 0.5


def test_a_task_without_weight_is_never_drawn():
    drawn = documents(FAMILIES, {"addition_direct": 1.0, "gauss_sum_direct": 0.0}, 500, 0, "train")
    assert {each.family for each in drawn} == {"addition"}


@pytest.mark.parametrize("task", tiny.tasks())
def test_a_document_reads_as_the_task_asks(task):
    family, elicitation = split_task(task)
    for document in documents(FAMILIES, {task: 1.0}, 20, 0, "train"):
        assert (document.family, document.elicitation) == (family, elicitation)
        assert document.prompt.startswith("Q: ")
        assert document.prompt.endswith("\nP:" if elicitation == "python" else "\nA:")
        assert document.target.startswith(" ")
        assert "\n\n" not in document.prompt + document.target, "an empty line ends a response"
        assert elicitation == "python" or "\n" not in document.target


@pytest.mark.parametrize("task", ["addition_choice", "subtraction_direct"])
def test_an_unknown_task_is_named(task):
    with pytest.raises(TasklawsError, match=f"no task {task}: the families are sha256_power"):
        list(documents(FAMILIES, {task: 1.0}, 1, 0, "train"))


@pytest.mark.parametrize("task", ["addition_aloud", "addition", "_direct"])
def test_an_unknown_elicitation_is_named(task):
    with pytest.raises(TasklawsError, match=f"task '{task}': unknown elicitation"):
        list(documents(FAMILIES, {task: 1.0}, 1, 0, "train"))


@pytest.mark.parametrize("marker", ["A", "P"])
def test_a_leak_is_refused_in_every_elicitation(marker):
    leak = Document("addition", "direct", f"Q: 17+4\n{marker}:", " 21")
    refuse_leaks([leak], frozenset({"17+5", "7+4"}))
    with pytest.raises(TasklawsError, match=r"'17\+4' is an eval question"):
        refuse_leaks([leak], frozenset({"17+4"}))
