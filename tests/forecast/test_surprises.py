"""Surprises: exact conditional probabilities, and known truths told from chance."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom, hypergeom

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.forecast.surprises import conditional_answers, count_surprises, surprises
from tasklaws.forecast.surprising_skills import surprising_skills
from tasklaws.stats.links import ARCSINE
from tasklaws.stats.rasch import at_forecast, at_total, count_pmf, each_given_total, given_total

PROBABILITIES = st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6)


@given(PROBABILITIES, st.data())
@settings(max_examples=50)
def test_probabilities_given_the_total_are_those_of_counting(probabilities, data):
    total = data.draw(st.integers(0, len(probabilities)))
    p = np.array(probabilities)
    worlds = np.array([world for world in product((0, 1), repeat=len(p)) if sum(world) == total])
    weights = np.prod(np.where(worlds == 1, p, 1 - p), axis=1)
    weights /= weights.sum()
    assert each_given_total(p, total) == pytest.approx(weights @ worlds, abs=1e-9)
    inside = worlds[:, :2].sum(axis=1)
    expected = [weights[inside == count].sum() for count in range(3)]
    assert given_total(p[:2], p[2:], total) == pytest.approx(expected, abs=1e-9)


def test_alike_items_are_binomial_and_hypergeometric():
    assert count_pmf(np.full(7, 0.3)) == pytest.approx(binom.pmf(range(8), 7, 0.3))
    assert given_total(np.full(4, 0.3), np.full(6, 0.3), 5) == pytest.approx(hypergeom.pmf(range(5), 10, 4, 5))


@given(st.floats(-3, 3), st.integers(1, 19))
@settings(max_examples=25)
def test_given_the_total_it_does_not_matter_how_the_family_was_forecast(shift, total):
    logits = np.linspace(-2, 2, 20)
    found = [each_given_total(at_total(expit(logits + by), 0.0, total), total) for by in (0.0, shift)]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


@pytest.mark.parametrize("chance", [0.0, 0.25])
def test_a_shared_ability_leaves_each_items_forecast_as_it_was(chance):
    p = np.linspace(chance + 0.02, 0.97, 15)
    shared = at_forecast(p, chance, float(ARCSINE.of(np.array(p.mean()), np.inf)), 0.3)
    assert shared.mean(axis=0) == pytest.approx(p, abs=1e-6)
    assert (np.diff(shared, axis=0) > 0).all()


def item(name, skills):
    return Item(
        id=name,
        family="f",
        question=name,
        answer="a",
        skills=skills,
        n_required=1,
        n_optional=0,
        order_matters=False,
        human_seconds=1.0,
        fuel=1,
        chance=0.0,
        programs=("print('a')",),
    )


def judged(rng, n=60, seeds=2, shift=0.0, odd=0, spread=1.5):
    """Items with known difficulty; the family is `shift` logits better than forecast, the first `odd` items 4 worse."""
    logits = spread * rng.standard_normal(n)
    truth = logits + shift - 4.0 * (np.arange(n) < odd)
    rows = [
        {
            "rung": "big",
            "family": "f",
            "elicitation": "direct",
            "item": f"i{place:03}",
            "seed": seed,
            "probability": expit(logits[place]),
            "solved": float(rng.random() < expit(truth[place])),
        }
        for place in range(n)
        for seed in range(seeds)
    ]
    items = {("f", f"i{at:03}"): item(f"i{at:03}", ("odd",) if at < max(odd, 8) else ("even",)) for at in range(n)}
    told = {"rung": "big", "family": "f", "elicitation": "direct", "metric": "exact_match"}
    forecasts = pd.DataFrame([{**told, "link_mean": float(np.pi / 2), "link_sd": 0.2}])
    return pd.DataFrame(rows), forecasts, items


def found(rng, **settings):
    table, forecasts, items = judged(rng, **settings)
    answers = conditional_answers(table, items)
    return answers, surprises(answers, forecasts, items), items


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_as_many_surprises_as_chance_gives_even_if_the_family_was_forecast_wrongly(shift):
    rng = np.random.default_rng(1)
    counts = pd.concat([count_surprises(*found(rng, shift=shift)[:2]) for _ in range(40)])
    one_bit = counts[counts["bits"] == 1]
    assert one_bit["found"].sum() == pytest.approx(one_bit["expected"].sum(), rel=0.1)
    assert (one_bit["found"].between(one_bit["lower"], one_bit["upper"])).mean() > 0.8


def test_a_family_forecast_too_low_is_a_surprise_as_forecast_and_not_item_by_item():
    _, table, _ = found(np.random.default_rng(2), shift=2.5)
    solved = table["n_solved"] == 2
    assert table.loc[solved, "forecast_bits"].mean() > table.loc[solved, "evidence_bits"].mean() + 0.3


def test_a_skill_that_was_lost_is_found_and_its_items_lead_the_list():
    answers, table, items = found(np.random.default_rng(3), odd=8)
    skills = surprising_skills(answers, items).set_index("skill")
    assert skills.loc["odd", "q_value"] < 0.01
    assert skills.loc["odd", "solved"] < skills.loc["odd", "expected"]
    failed = table[table["surprise"] == "failed against expectation"]
    assert failed["skills"].iloc[0] == "odd"
    assert (failed["skills"] == "odd").mean() > 2 * 8 / 60  # their share of all items


@pytest.mark.slow
def test_p_values_of_skills_are_not_too_small_by_chance():
    rng = np.random.default_rng(4)
    p = []
    for _ in range(150):
        table, _, items = judged(rng, n=30)
        p += surprising_skills(conditional_answers(table, items), items)["p_value"].tolist()
    assert np.mean(np.array(p) <= 0.1) <= 0.15


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_family_solved_not_at_all_or_wholly_holds_no_surprise(share):
    table, forecasts, items = judged(np.random.default_rng(5), n=10, seeds=1)
    answers = conditional_answers(table.assign(solved=share), items)
    assert (surprises(answers, forecasts, items)["evidence_bits"] == 0).all()
    assert surprising_skills(answers, items).empty


def test_one_seed_and_one_item_is_minus_log2_of_its_probability_given_the_total():
    answers, table, _ = found(np.random.default_rng(6), seeds=1)
    both = table.merge(answers, on="item")
    seen = np.where(both["n_solved"] == 1, both["given"], 1 - both["given"])
    wanted = -np.log2(np.maximum(seen, 1e-300))
    rare = seen < 0.5
    assert both.loc[rare, "evidence_bits"].to_numpy() == pytest.approx(wanted[rare], abs=1e-8)


def test_an_unknown_item_is_named():
    table, _, items = judged(np.random.default_rng(7), n=4)
    del items["f", "i002"]
    with pytest.raises(TasklawsError, match="item i002 was scored and is not in data/items: run `dvc repro`"):
        conditional_answers(table, items)
