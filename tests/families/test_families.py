"""What holds of every family."""

import hashlib
import json
import random
import re

import pytest

import tiny
from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families import Family, build, generators
from tasklaws.families.base import refuse_terse_families
from tasklaws.families.draws import draw_unreserved, item_files, reserved_questions, shots
from tasklaws.sandbox.cache import OutcomeCache

NAMES = [family.name for family in tiny.families()]


def digest(items):
    text = "\n".join(json.dumps(item.to_dict(), sort_keys=True) for item in items)
    return hashlib.sha256(text.encode()).hexdigest()


def test_every_file_that_defines_a_family_is_a_generator(families):
    folder = tiny.ROOT / "src/tasklaws/families"
    files = {path.stem for path in folder.glob("*.py") if "(Family):" in path.read_text()}
    assert set(generators()) == files
    assert {type(family) for family in families.values()} == set(generators().values())
    assert all(kind.__module__ == f"tasklaws.families.{name}" for name, kind in generators().items())


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bytes(families, name):
    assert digest(families[name].items(0, "test")) == digest(families[name].items(0, "test"))


@pytest.mark.parametrize("name", NAMES)
def test_items_are_whole_and_distinct(families, name):
    items = families[name].items(0, "test")
    assert len({item.id for item in items}) == len(items) >= 100
    assert len({item.question for item in items}) == len(items)
    for item in items:
        assert item.family == name
        assert item.skills
        assert item.answer
        assert item.programs
        assert item.human_seconds > 0
        assert item.fuel > 0
        assert 0 <= item.chance < 1
        assert item.n_required >= 1
        assert item.n_optional >= 0
        assert read(Item, json.loads(json.dumps(item.to_dict())), "item", "") == item


@pytest.mark.parametrize("name", NAMES)
def test_dev_items_are_not_test_items(families, name):
    test, dev = (families[name].items(0, split) for split in ("test", "dev"))
    reserved = {question for item in test for question in families[name].reserved(item)}
    assert not reserved & {item.question for item in dev}
    assert len(dev) >= 100


@pytest.mark.parametrize("name", NAMES)
def test_every_program_gives_its_answer_in_the_sandbox(families, name, tmp_path):
    items = families[name].items(0, "test")
    programs = [(program, item) for item in items for program in item.programs]
    outcomes = OutcomeCache(tmp_path, 2).of([(program, item.fuel) for program, item in programs])
    wrong = [
        (item.id, outcome)
        for (_, item), outcome in zip(programs, outcomes, strict=True)
        if outcome.status != "ok" or outcome.stdout.strip() != item.answer
    ]
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_a_skippable_step_is_shown_skippable_by_a_shorter_program(families, name):
    for item in families[name].items(0, "test"):
        assert (len(item.programs) > 1) == (item.n_optional > 0) or name == "gauss_sum"
        if item.n_optional:
            assert len(item.programs[1]) < len(item.programs[0])


@pytest.mark.parametrize("name", NAMES)
def test_drawn_instances_solve_themselves(families, name, tmp_path):
    rng = random.Random(7)
    drawn = [families[name].draw(rng) for _ in range(40)]
    kept = [
        item for item in drawn if name != "gauss_sum" or "range" not in item.programs[0] or int(item.id[-10:]) < 1e5
    ]
    outcomes = OutcomeCache(tmp_path, 2).of([(item.programs[0], item.fuel) for item in kept])
    assert [outcome.stdout.strip() for outcome in outcomes] == [item.answer for item in kept]


def test_shots_are_never_items(families):
    every = list(families.values())
    reserved = reserved_questions(every, 0)
    for family in every:
        kept = shots(family, every, 0, 20)
        assert len({item.question for item in kept}) == 20
        assert not reserved & {item.question for item in kept}


def test_two_families_in_one_file_are_refused(monkeypatch):
    from tasklaws.families import addition

    second = type("Second", (addition.Addition,), {"__module__": addition.__name__})
    monkeypatch.setattr(addition, "Second", second, raising=False)
    with pytest.raises(TasklawsError, match=r"addition.py defines Addition and Second: one a file"):
        generators.__wrapped__()


def test_an_item_s_own_question_is_reserved_whatever_its_family_says(families, monkeypatch):
    family = families["string_edit"]
    monkeypatch.setattr(type(family), "reserved", lambda self, item: frozenset())
    assert {item.question for item in family.items(0, "test")} <= reserved_questions([family], 0)


def test_an_exhausted_family_is_named(families):
    class Stuck:
        name = "stuck"

        def draw(self, rng):
            return families["addition"].items(0, "test")[0]

    item = families["addition"].items(0, "test")[0]
    with pytest.raises(TasklawsError, match=r"stuck.*widen its settings"):
        draw_unreserved(Stuck(), random.Random(0), frozenset({item.question}))


def test_a_family_with_fewer_draws_than_items_ends_and_is_named(families):
    family, draws = families["addition"], random.Random(0)
    with pytest.raises(TasklawsError, match=r"addition: 6 items a split need 12 different draws, and there are 10"):
        family.part_of("test", 6, lambda: draws.randrange(10))
    halves = [family.part_of(split, 5, iter(range(10)).__next__) for split in ("test", "dev")]
    assert halves == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_unknown_generators_and_settings_are_named():
    with pytest.raises(TasklawsError, match=r"family x: unknown generator 'nonsense'.*addition"):
        build({"x": {"generator": "nonsense"}})
    with pytest.raises(TasklawsError, match=r"family x: .*colour"):
        build({"x": {"generator": "addition", "fuel": 1, "per_length": 3, "colour": "red"}})


@pytest.mark.parametrize("name", NAMES)
def test_no_related_example_and_no_program_of_one_solves_an_item(families, name, tmp_path):
    """Nor is one the reference program of an item with another number in it."""
    family = families[name]
    files = item_files(family, list(families.values()), 0, "test", 20)
    related = [item for file, items in files.items() if ".related." in file for item in items]
    assert len(related) == 20 * len(family.elicitations)
    answers = {item.answer for split in ("test", "dev") for item in family.items(0, split)}
    forms = {re.sub(r"\d+|'\w*'", "_", program) for item in family.items(0, "test") for program in item.programs}
    ran = OutcomeCache(tmp_path, 2).of([(item.programs[0], item.fuel) for item in related])
    for item, outcome in zip(related, ran, strict=True):
        assert outcome.stdout.strip() == item.answer
        assert item.answer not in answers
        assert re.sub(r"\d+|'\w*'", "_", item.programs[0]) not in forms


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_question_is_the_item_s_own(families, name):
    """Of other words, one for each item, without its answer unless the terse question has it."""
    family = families[name]
    items = family.items(0, "test")
    assert family.is_plain
    questions = [family.plain(item) for item in items]
    assert len(set(questions)) == len(items)
    for item, question in zip(items, questions, strict=True):
        assert question[0].isupper()
        assert question[-1] in ".?"
        if name.startswith(("sha256", "gauss", "addition", "long", "string")) and len(item.answer) > 3:
            assert (item.answer in question) <= (item.answer in item.question)


def test_the_essay_s_sentence_is_the_plain_question(families):
    family = families["sha256_power"]
    questions = [family.plain(item) for item in family.items(0, "test")]
    for place, ordinal in ((0, "1st"), (1, "2nd"), (2, "3rd"), (3, "4th"), (10, "11th"), (20, "21st"), (99, "100th")):
        assert questions[place].startswith(f"Return the {ordinal} sha256 hash of the input string 'abc'.")


def test_the_plain_steps_of_a_chain_are_its_rules(families):
    """Followed to the letter, they lead to the answer."""
    family = families["step_chain"]
    for item in family.items(0, "test"):
        said = r"Begin with the four digits (\d+) and do this, in order: (.*)\. Which four digits result\?"
        value, steps = re.fullmatch(said, family.plain(item)).groups()
        for number, step in enumerate(steps.split("; "), 1):
            value = follow(step.removeprefix(f"{number}. "), value)
        assert value == item.answer


def follow(step, value):
    if step.startswith("write digit"):
        return "".join(value[int(place) - 1] for place in re.findall(r"digit (\d)", step))
    return {
        "reverse the digits": value[::-1],
        "add 1 to each digit, 9 becoming 0": "".join(str((int(digit) + 1) % 10) for digit in value),
        "move the first digit to the end": value[1:] + value[0],
        "sort the digits, the smallest first": "".join(sorted(value)),
        "replace each digit d by 9 - d": "".join(str(9 - int(digit)) for digit in value),
        "swap the first two digits": value[1] + value[0] + value[2:],
        "subtract 1 from each digit, 0 becoming 9": "".join(str((int(digit) - 1) % 10) for digit in value),
        "sort the digits, the largest first": "".join(sorted(value, reverse=True)),
    }[step]


def test_a_family_without_plain_words_is_named(families):
    class Terse(type(families["addition"])):
        plain = Family.plain

    terse = Terse(**vars(families["addition"]))
    assert not terse.is_plain
    assert not [name for name in item_files(terse, list(families.values()), 0, "test", 5) if ".plain" in name]
    with pytest.raises(TasklawsError, match="rung n1 is asked in plain language, which addition has no question in"):
        refuse_terse_families("n1", [families["gauss_sum"], terse])
    with pytest.raises(TasklawsError, match="addition has no question in plain language"):
        terse.plain(terse.items(0, "test")[0])
