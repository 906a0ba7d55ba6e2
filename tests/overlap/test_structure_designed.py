"""Designed overlap against its definitions, by hand and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families.step_chain import StepChain
from tasklaws.overlap.design import chain_weights, correlation, designed_number, needs, pairwise_overlap


def item(name: str, *skills: str) -> Item:
    return Item(name, "made", "?", "1", skills, 1, 0, False, 1.0, 1, 0.0, ("print(1)",))


def chain(knob: float) -> StepChain:
    return StepChain(
        "step_chain", 1, {1: 50, 2: 30, 3: 20}, 0.1, 0.5, zipf=1.0, overlap=knob, n_rare=100, shared_rank=30
    )


def test_the_overlap_of_items_is_the_weight_of_their_common_skills() -> None:
    """By hand: {a, r} and {b, r} with weights 1, 2 and 6 have 6 of 9 in common."""
    needed, weight = needs([item("1", "a", "r"), item("2", "b", "r"), item("3", "a")], {"a": 1, "b": 2, "r": 6})
    np.testing.assert_allclose(pairwise_overlap(needed, weight), [[1, 6 / 9, 1 / 7], [6 / 9, 1, 0], [1 / 7, 0, 1]])


def test_the_correlation_is_that_of_items_whose_skills_are_learned_in_gumbel_order() -> None:
    """The closed form log2(1 + J) against draws, pooled over a fine ladder of sizes."""
    rng = np.random.default_rng(0)
    needed, weight = np.array([[1, 0, 1], [0, 1, 1]]), np.array([1.0, 2.0, 3.0])
    learned = rng.gumbel(size=(100_000, 3)) + np.log(weight)
    due = np.stack([learned[:, row > 0].max(axis=1) for row in needed])
    size = np.linspace(-4, 12, 60)
    solved = (due[..., None] <= size).astype(float)
    left = solved - solved.mean(axis=1, keepdims=True)
    observed = (left[0] * left[1]).sum() / np.sqrt((left[0] ** 2).sum() * (left[1] ** 2).sum())
    assert observed == pytest.approx(correlation(pairwise_overlap(needed, weight))[0, 1], abs=0.01)
    same = np.abs(due[0] - due[1]) < 1e-12
    assert same.mean() == pytest.approx(pairwise_overlap(needed, weight)[0, 1], abs=0.01)


@given(st.integers(1, 8), st.integers(1, 8), st.floats(0.01, 100))
def test_clusters_count_by_kish(clusters: int, each: int, weight: float) -> None:
    """Equal clusters of fully overlapping items: n_eff is their number."""
    items = [item(f"{cluster}-{one}", f"skill {cluster}") for cluster in range(clusters) for one in range(each)]
    needed, weights = needs(items, {f"skill {cluster}": weight for cluster in range(clusters)})
    number = designed_number(correlation(pairwise_overlap(needed, weights)))
    assert number == pytest.approx(clusters)


def test_the_knob_of_step_chain_sets_the_effective_number() -> None:
    """The closed form holds for the rare skills exactly; the common ones take up to a quarter more."""
    for knob in (0.0, 0.04, 0.36, 1.0):
        family = chain(knob)
        items = family.items(1, "test")
        rare = {skill.name for skill in family.skills[8:]}
        only = [item(each.id, *(set(each.skills) & rare)) for each in items]
        sharing = round(knob**0.5 * 100)  # items that share the one rare skill
        closed = 100**2 / (100 + sharing**2 - sharing)
        assert designed_number(correlation(pairwise_overlap(*needs(only)))) == pytest.approx(closed)
        number = designed_number(correlation(pairwise_overlap(*needs(items, chain_weights(family)))))
        assert 0.75 * closed < number < 1.1 * closed


def test_what_cannot_be_weighed_is_refused() -> None:
    with pytest.raises(TasklawsError, match="item 1 names no skill"):
        needs([item("1")])
    with pytest.raises(TasklawsError, match="weight of skill 'b' is None: give a positive number"):
        needs([item("1", "a", "b")], {"a": 1})
    with pytest.raises(TasklawsError, match="weight of skill 'a' is 0"):
        needs([item("1", "a")], {"a": 0})
