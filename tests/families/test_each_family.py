"""What each family promises of its own."""

import hashlib
import itertools
import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.families.operations import COMMON, rare
from tasklaws.families.step_chain import StepChain
from tasklaws.sandbox import run


def test_sha256_power_hashes_the_hex_text(families):
    items = families["sha256_power"].items(0, "test")
    assert len(items) == 100
    # FIPS 180-2, appendix B.1: SHA-256 of "abc".
    assert items[0].answer == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert items[1].answer == hashlib.sha256(items[0].answer.encode()).hexdigest()
    assert items[99].question == "sha256^100('abc')"
    seconds = [item.human_seconds for item in items]
    assert seconds == sorted(seconds)
    assert seconds[99] == pytest.approx(310)


def test_gauss_sum_is_spread_evenly_in_log_n(families):
    items = families["gauss_sum"].items(0, "test")
    values = [int(item.question.removeprefix("sum 1..")) for item in items]
    assert len(values) >= 100
    assert (values[0], values[-1]) == (1, 10**9)
    for low, high in itertools.pairwise(value for value in values if value > 100):
        assert math.log10(high / low) == pytest.approx(1 / 16, abs=0.01)
    assert all(item.answer == str(sum(range(n + 1))) for item, n in zip(items, values, strict=True) if n < 2000)


@pytest.mark.parametrize(
    ("n", "status"), [(10**4, "ok"), (10**5, "ok"), (2 * 10**5, "out_of_fuel"), (10**9, "out_of_fuel")]
)
def test_a_loop_passes_up_to_about_1e5_and_fails_beyond(families, n, status):
    fuel = families["gauss_sum"].fuel
    loop = run(f"n={n}\ns=0\nfor i in range(n+1):s+=i\nprint(s)", fuel)
    formula = run(f"n={n}\nprint(n*(n+1)//2)", fuel)
    assert loop.status == status
    assert (formula.status, formula.stdout.strip()) == ("ok", str(n * (n + 1) // 2))


def test_addition_reserves_both_orders(families):
    family = families["addition"]
    items = family.items(0, "test")
    lengths = Counter(max(map(len, item.question.split("+"))) for item in items)
    assert set(lengths) == {1, 2, 3, 4}
    assert {len(item.question) for item in families["long_addition"].items(0, "test")} == {9}
    first, second = items[-1].question.split("+")
    assert family.reserved(items[-1]) == {f"{first}+{second}", f"{second}+{first}"}
    assert items[-1].answer == str(int(first) + int(second))


def test_largest_of_four_has_a_chance_level(families):
    for item in families["largest_of_four"].items(0, "test"):
        assert item.chance == 0.25
        assert len(set(item.choices)) == 4
        assert item.answer == max(item.choices, key=int)


def test_rare_operations_are_all_different():
    operations = [*COMMON, *rare(100)]
    values = ["0123", "9071", "4486", "2750", "9998"]
    effects = {tuple(operation.apply(value) for value in values) for operation in operations}
    assert len(effects) == len({operation.name for operation in operations}) == 108
    assert rare(100)[:30] == rare(30)


def rare_skill(item):
    common = {operation.name for operation in COMMON}
    (skill,) = [name for name in item.skills if name not in common]
    return skill


def shares_of_pairs(items):
    pairs = list(itertools.combinations([rare_skill(item) for item in items], 2))
    return sum(first == second for first, second in pairs) / len(pairs)


def test_overlap_is_the_share_of_pairs_with_the_same_rare_skill(families):
    family = families["step_chain"]
    assert shares_of_pairs(family.items(0, "test")) == 0
    assert shares_of_pairs(families["step_chain_shared"].items(0, "test")) == 1
    for overlap in (0.1, 0.25, 0.5, 0.8):
        items = replace(family, overlap=overlap).items(0, "test")
        assert shares_of_pairs(items) == pytest.approx(overlap, abs=0.02)


def small_chain(**knobs):
    plain = {
        "name": "chain",
        "fuel": 10**8,
        "lengths": {1: 4, 2: 8, 3: 8},
        "optional_share": 0.0,
        "ordered_share": 0.5,
        "zipf": 1.0,
        "overlap": 0.0,
        "n_rare": 40,
        "shared_rank": 3,
    }
    return StepChain(**(plain | knobs))


@settings(max_examples=15)
@given(
    st.sampled_from([0.0, 0.05, 0.1]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.integers(0, 99),
)
def test_chain_knobs_hold(optional_share, ordered_share, overlap, seed):
    chain = small_chain(optional_share=optional_share, ordered_share=ordered_share, overlap=overlap)
    items = chain.items(seed, "test")
    steps = sum(len(item.skills) for item in items)
    assert sum(item.n_optional for item in items) == math.floor(optional_share * steps + 1e-9)
    plain = [item for item in items if len(item.skills) > 1 and not item.n_optional]
    assert abs(sum(item.order_matters for item in plain) - ordered_share * len(plain)) < 1
    operations = {operation.name: operation for operation in chain.skills}
    for item in items:
        value = item.question.split()[0]
        answers = set()
        for order in itertools.permutations(item.skills):
            result = value
            for name in order:
                result = operations[name].apply(result)
            answers.add(result)
        assert item.answer in answers
        assert item.order_matters == (len(answers) > 1)


def test_skills_are_drawn_with_zipf_frequencies():
    chain = small_chain(zipf=1.5)
    rng = random.Random(0)
    counts = Counter(name for _ in range(20_000) for name in chain.draw(rng).skills)
    ranked = [operation.name for operation in chain.skills]
    assert counts[ranked[0]] / counts[ranked[3]] == pytest.approx(4**1.5, rel=0.1)
    assert counts[ranked[1]] / counts[ranked[15]] == pytest.approx(8**1.5, rel=0.25)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n_rare": 5}, r"needs 20 rare skills: raise n_rare from 5"),
        ({"shared_rank": 50}, r"shared_rank 50"),
    ],
)
def test_impossible_knobs_are_named(knobs, message):
    with pytest.raises(TasklawsError, match=message):
        small_chain(**knobs)


def test_largest_of_four_reserves_every_order(families):
    family = families["largest_of_four"]
    test, dev = (family.items(0, split) for split in ("test", "dev"))
    assert all(len(family.reserved(item)) == 24 for item in test)
    assert not {frozenset(item.choices) for item in test} & {frozenset(item.choices) for item in dev}


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("string_edit", {"shortest": 0}),
        ("string_edit", {"per_cell": 50}),
        ("largest_of_four", {"per_length": 200}),
        ("gauss_sum", {"loop_limit": 1}),
    ],
)
def test_settings_that_no_item_can_meet_are_refused(families, name, knobs):
    with pytest.raises(TasklawsError, match=f"{name}: .*give"):
        replace(families[name], **knobs)
