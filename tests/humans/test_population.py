"""The made-up people: the essays' figures, and the settings seen in what the people do."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from essay import gauss, sha256

import tiny
from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Population
from tasklaws.frames.csv_files import write_table
from tasklaws.humans.attempts import read_attempts
from tasklaws.humans.population import simulate_attempts, work_seconds

SETTINGS = tiny.SETTINGS.raw["humans"]["population"]
MINUTE, HOUR = 60, 3600


def population(**changes) -> Population:
    return dataclasses.replace(tiny.SETTINGS.humans.population, **changes)


# "Thinking Out Loud: Task-based Scaling Laws", with and without Gauss's formula. Its last sum is "1 hour. 1 mins
# writing Python, 55 minutes running": the parts make 56 minutes, which the hour rounds.
ESSAY = [
    (sha256(1), False, 5 * MINUTE),
    (sha256(100), False, 5 * MINUTE + 10),
    (sha256(100_000_000), False, HOUR),
    (sha256(100_000_000), True, HOUR),
    (gauss(1), False, MINUTE),
    (gauss(100), False, MINUTE + 10),
    (gauss(100_000_000), False, 56 * MINUTE),
    (gauss(1), True, MINUTE),
    (gauss(100), True, MINUTE),
    (gauss(100_000_000), True, MINUTE),
]


@pytest.mark.parametrize(("item", "knows_gauss", "seconds"), ESSAY, ids=lambda value: getattr(value, "id", str(value)))
def test_the_essays_figures(item, knows_gauss, seconds):
    """To a second and a half, or half a per cent where it is longer: the families' run_seconds rounds its exponent."""
    work = population().work[item.family]
    skips = knows_gauss and "gauss" in work.skips
    assert float(work_seconds(work, item, skips)) == pytest.approx(seconds, abs=1.5, rel=0.005)


@pytest.mark.parametrize(("item", "knows_gauss", "seconds"), ESSAY, ids=lambda value: getattr(value, "id", str(value)))
def test_the_median_of_many_people_is_the_essays_figure(item, knows_gauss, seconds):
    """People who know Python, and Gauss or not, with patience and time enough; speed going with no knowledge."""
    patient = population(n_people=4000, speed_ability=0.0, patience_seconds=1e9, slip=1e-9)
    work = {name: dataclasses.replace(each, timeout=1e6) for name, each in patient.work.items()}
    attempts = simulate_attempts([item], dataclasses.replace(patient, work=work), 5)
    of = attempts[(attempts["group_python"] == "yes")]
    if item.family == "gauss_sum":
        of = of[of["group_gauss"] == ("yes" if knows_gauss else "no")]
    assert len(of) > 500
    assert of["solved"].eq(1).all()
    assert of["seconds"].median() == pytest.approx(seconds, rel=0.05)


def test_settings_come_out_as_they_went_in():
    people = population(n_people=20_000)
    attempts = simulate_attempts([gauss(100_000_000), sha256(1)], people, 0)
    one = attempts[attempts["item"] == sha256(1).id]
    for name, known in people.knowledge.items():
        assert one[f"group_{name}"].eq("yes").mean() == pytest.approx(known.share, abs=0.01)
    able = one["group_python"].eq("yes")
    assert one.loc[~able, "solved"].eq(0).all()
    # Stopped at 900 s or by patience: those who cannot and would give up before, half at 1200 s, spread 0.7.
    assert (one.loc[~able, "seconds"] < 900).mean() == pytest.approx(0.341, abs=0.015)
    big = attempts[attempts["item"] != sha256(1).id]
    fast = big["group_gauss"].eq("yes") & big["group_python"].eq("yes")
    assert big.loc[~fast, "solved"].eq(0).all(), "the loop takes an hour"
    assert big.loc[fast, "solved"].mean() > 0.9


def test_a_table_is_the_same_for_a_seed_whatever_else_is_asked():
    people = population(n_people=30)
    items = list(tiny.items("addition")[::60])
    table = simulate_attempts(items, people, 3)
    assert table.equals(simulate_attempts(items[::-1], people, 3))
    alone = simulate_attempts(items[1:2], people, 3)
    assert alone.equals(table[table["item"] == items[1].id].reset_index(drop=True))
    assert not table.equals(simulate_attempts(items, people, 4))


def test_every_family_is_simulated_and_read_back(tmp_path):
    items = [item for family in tiny.families() for item in tiny.items(family.name)[::25]]
    table = simulate_attempts(items, population(n_people=40), 0)
    path = tmp_path / "attempts.csv"
    write_table(path, table, ["person", "item"])
    read = read_attempts(path, [item.id for item in items])
    pd.testing.assert_frame_equal(read, table[read.columns], check_dtype=False)
    assert table["score"].between(0, 1).all()
    partial = table[table["item"].str.startswith("addition-4")]["score"]
    assert ((partial > 0) & (partial < 1)).any()


def test_items_that_share_a_skill_are_alike_hard():
    people = population(n_people=2000, skill_sd=2.0, slip=0.2, patience_seconds=1e6)
    items = [item for item in tiny.items("string_edit") if len(item.question.split()[1]) == 3]
    rates = simulate_attempts(items, people, 0).groupby("item")["solved"].mean()
    edits = rates.groupby(lambda item: item.split("-")[1])
    assert np.sqrt(edits.var().mean()) < 0.4 * edits.mean().std()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_people": 0}, "n_people is 0, not 1 or more"),
        ({"n_people": 1.5}, r"n_people is 1\.5"),
        ({"slip": 1.0}, r"slip is 1\.0, not between 0 and 1"),
        ({"speed_ability": 2}, "speed_ability is 2, not -1 to 1"),
        ({"speed_sd": -1}, "speed_sd is -1, not 0 or more"),
        ({"patience_seconds": 0}, "patience_seconds is 0"),
        ({"knowledge": {}}, "names knowledge 'python': add it"),
        ({"speeed": 1}, "unknown key 'speeed'"),
        ({"knowledge": {"python": {"share": 1.5, "ability": 0}}}, r"knowledge.python.share is 1\.5"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, message):
    with pytest.raises(TasklawsError, match=message):
        read(Population, {**SETTINGS, **change}, "humans.population", "correct it")


def test_a_family_nobody_said_how_to_do_is_refused():
    people = population()
    work = {name: each for name, each in people.work.items() if name != "addition"}
    with pytest.raises(TasklawsError, match=r"humans\.population\.work has no addition"):
        simulate_attempts([tiny.items("addition")[0]], dataclasses.replace(people, work=work), 0)
