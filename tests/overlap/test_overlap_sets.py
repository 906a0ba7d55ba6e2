"""Sets differ in overlap alone, leave out what was learned, and refuse what would blur the design."""

import dataclasses

import pytest
import yaml

import tiny
from tasklaws.compose import compose
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Settings
from tasklaws.families import build
from tasklaws.overlap.design import correlation, designed_number, needs, pairwise_overlap
from tasklaws.overlap.sets import draw_sets
from tasklaws.tables import SETS, read_sets
from tiny import ROOT

PARAMS = yaml.safe_load(compose(["experiment=overlap"], ROOT / "conf"))
SETTINGS = dataclasses.replace(Settings.of(PARAMS).experiment.overlap_sets, n_seeds=3)


def test_designed_numbers_are_exact_and_even_in_their_logarithm():
    items, table = draw_sets(SETTINGS, 0, frozenset())
    by_id = {item.id: item for item in items}
    for (share, _), members in table.groupby(["overlap", "set_seed"]):
        own = [by_id[name] for name in members["item"]]
        found = designed_number(correlation(pairwise_overlap(*needs(own))))
        sharing = round(float(share) ** 0.5 * 50)  # items that share the one rare skill
        assert found == pytest.approx(50**2 / (50 + sharing**2 - sharing))
        assert all(len(item.skills) == 1 for item in own)


def test_sets_of_a_seed_share_their_items_and_seeds_draw_other_skills():
    _, table = draw_sets(SETTINGS, 0, frozenset())
    members = {key: set(rows["item"]) for key, rows in table.groupby(["overlap", "set_seed"])}
    assert len(members[0.0, 0] & members[0.25, 0]) == 25
    assert len(members[1.0, 0] & members[0.25, 0]) == 25
    shared = table[table["overlap"] == 1].groupby("set_seed")["skill"].agg(["nunique", "first"])
    assert (shared["nunique"] == 1).all()
    assert shared["first"].nunique() > 1


def test_learned_questions_are_marked_and_not_asked():
    items, _ = draw_sets(SETTINGS, 0, frozenset())
    learned = frozenset({items[0].question, items[7].question})
    fewer, table = draw_sets(SETTINGS, 0, learned)
    assert {item.id for item in items} - {item.id for item in fewer} == {items[0].id, items[7].id}
    assert set(table.loc[table["is_learned"], "item"]) == {items[0].id, items[7].id}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lengths": {1: 30, 2: 20}}, r"lengths is .*give chains of one step"),
        ({"n_rare": 3}, r"n_rare.*correct it in conf/experiment"),
    ],
)
def test_chains_that_cannot_be_are_refused(change, said):
    with pytest.raises(TasklawsError, match=said):
        draw_sets(dataclasses.replace(SETTINGS, chain=SETTINGS.chain | change), 0, frozenset())


def test_a_ladder_that_leaves_nothing_to_forecast_is_refused():
    models = PARAMS["models"]
    few = {**PARAMS, "models": {**models, "name": "short", "rungs": dict(list(models["rungs"].items())[-4:])}}
    with pytest.raises(TasklawsError, match=r"short has 4 rungs, and forecasts start from .*min_rungs 4"):
        Settings.of(few)


def test_without_an_experiment_the_remedy_is_told():
    for wanted in ("overlap_sets", "zipf_runs"):
        with pytest.raises(TasklawsError, match="dvc exp run -S experiment=overlap"):
            getattr(tiny.SETTINGS.experiment, wanted)


def test_each_run_on_a_corpus_has_a_source_of_its_own():
    runs = Settings.of(PARAMS).experiment.zipf_runs
    assert [source.n_tokens for source in runs.sources.values()] == list(runs.n_tokens)
    with pytest.raises(TasklawsError, match="source: n_tokens is 1023, less than one step"):
        dataclasses.replace(runs, n_tokens=(1023,))


def test_the_table_is_read_back_and_a_malformed_mark_refused(tmp_path):

    _, table = draw_sets(SETTINGS, 0, frozenset())
    SETS.write(tmp_path / "sets.csv", table)
    assert list(read_sets(tmp_path / "sets.csv")[SETS.columns]["is_learned"].unique()) == [False]
    text = (tmp_path / "sets.csv").read_text().replace("False", "perhaps", 1)
    (tmp_path / "sets.csv").write_text(text)
    with pytest.raises(TasklawsError, match="is_learned"):
        read_sets(tmp_path / "sets.csv")


def test_a_fixed_rank_still_shares_that_skill():
    settings = {**SETTINGS.chain, "overlap": 1.0, "shared_rank": 30}
    (family,) = build({"chain": settings})
    assert {item.skills for seed in (1, 2) for item in family.items(seed, "test")} == {(family.skills[38].name,)}
