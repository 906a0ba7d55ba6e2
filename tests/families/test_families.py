"""What holds of every family."""

import hashlib
import json
import random

import pytest

import tiny
from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families import build, generators
from tasklaws.families.draws import draw_unreserved, reserved_questions, shots
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
