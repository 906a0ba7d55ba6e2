"""Observations: means and standard errors by hand, and no rung in the place of another."""

import math
import re

import pytest

from tasklaws.core.errors import TasklawsError
from tasklaws.harness.observe import observations
from tasklaws.ladder.card import Card, Checkpoint, train_flops
from tasklaws.tables import FLEXIBLE, OBSERVATIONS, SCORES, read_scores, refuse_identical


def checkpoint(path, seed, step, last=200):
    return Checkpoint(
        path=path,
        seed=seed,
        step=step,
        is_final=step == last,
        n_tokens=step * 10,
        train_flops=train_flops(1000, step * 10),
        loss_nats=0.5,
        bits_per_byte=0.25,
        files={"model.safetensors": "c" * 64},
    )


def card(rung="n1"):
    checkpoints = (checkpoint(".", 0, 200), checkpoint("seed0-step100", 0, 100), checkpoint("seed1-step200", 1, 200))
    return Card(
        rung=rung,
        source_kind="train",
        n_params=1000,
        n_params_total=1500,
        tokenizer_sha256="a" * 64,
        checkpoints=checkpoints,
        corpus_sha256="b" * 64,
    )


def scores(rung="n1", said="", **replaced):
    """Three direct and two choice items, at each checkpoint of `card`."""
    rows = []
    for seed, step in ((0, 200), (0, 100), (1, 200)):
        for item, exact in enumerate((1.0, 0.0, 0.0)):
            values = {"exact_match": exact, "partial_credit": (exact + 1) / 2, "target_bits_per_byte": 2.0 + item}
            rows.append({"family": "addition", "elicitation": "direct", "item": f"add-{item}", "chance": 0.0, **values})
            rows[-1] |= {"seed": seed, "step": step}
        for item, brier in enumerate((0.2, 0.6)):
            values = {"exact_match": 1.0, "partial_credit": 0.5, "target_bits_per_byte": 1.0, "brier": brier}
            rows.append({"family": "largest", "elicitation": "choice", "item": f"big-{item}", "chance": 0.25, **values})
            rows[-1] |= {"seed": seed, "step": step}
    for row in rows:
        row |= {"rung": rung, "response": f"{said}{row['item']}{row['seed']}{row['step']}"} | replaced
    return SCORES.frame(rows)


def pick(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    (row,) = table.to_dict("records")
    return row


def test_means_and_standard_errors_are_those_by_hand():
    table = observations("ladder", "fit", [scores()], [card()])
    assert list(table) == OBSERVATIONS.columns
    assert not table.duplicated(OBSERVATIONS.keys).any()
    found = pick(table, seed=0, step=200, family="addition", metric="exact_match")
    assert found["value"] == pytest.approx(1 / 3)
    # Values 1, 0, 0: variance (4/9 + 1/9 + 1/9) / 2 = 1/3, over three items.
    assert found["stderr"] == pytest.approx(math.sqrt(1 / 3 / 3))
    assert (found["n_items"], found["chance"]) == (3, 0.0)
    assert (found["ladder"], found["role"], found["rung"]) == ("ladder", "fit", "n1")
    assert (found["n_params"], found["n_params_total"], found["n_tokens"]) == (1000, 1500, 2000)
    assert found["train_flops"] == 6 * 1000 * 2000
    assert found["is_final"] is True
    bits = pick(table, seed=0, step=100, family="addition", metric="target_bits_per_byte")
    assert (bits["value"], bits["n_items"], bits["is_final"]) == (3.0, 3, False)
    assert math.isnan(bits["chance"]), "chance is that of exact match alone"
    assert pick(table, seed=1, step=200, family="largest", metric="exact_match")["chance"] == 0.25
    brier = pick(table, seed=1, step=200, family="largest", metric="brier")
    assert brier["value"] == pytest.approx(0.4)
    assert brier["stderr"] == pytest.approx(math.sqrt(0.08) / math.sqrt(2))


def test_the_flexible_match_is_a_curve_only_where_it_is_wanted():
    table = scores()
    table[FLEXIBLE] = table["exact_match"].where(table["elicitation"] == "direct")
    assert observations("ladder", "fit", [table], [card()]).equals(observations("ladder", "fit", [scores()], [card()]))
    found = observations("ladder", "fit", [table], [card()], flexible=True)
    own = found[found["metric"] == FLEXIBLE]
    assert set(own["elicitation"]) == {"direct"}
    assert pick(own, seed=0, step=200)["value"] == pytest.approx(1 / 3)
    assert set(own["chance"]) == {0.0}


def test_a_metric_that_does_not_apply_is_absent():
    table = observations("ladder", "fit", [scores()], [card()])
    assert table["value"].notna().all()
    assert "brier" not in set(table[table["family"] == "addition"]["metric"])


def test_held_out_losses_come_along():
    table = observations("ladder", "holdout", [scores()], [card()])
    corpus = table[table["family"] == "corpus"]
    assert set(corpus["elicitation"]) == {"likelihood"}
    assert len(corpus) == 3 * 2
    assert pick(corpus, seed=0, step=100, metric="loss_nats")["value"] == 0.5
    assert pick(corpus, seed=0, step=100, metric="bits_per_byte")["value"] == 0.25
    assert set(table["role"]) == {"holdout"}


def test_the_order_of_scores_does_not_matter(tmp_path):
    for name, order in (("a", 1), ("b", -1)):
        table = observations("ladder", "fit", [scores()[::order]], [card()])
        OBSERVATIONS.write(tmp_path / name, table)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_scores_of_an_unknown_checkpoint_are_refused():
    strange = scores()
    strange["step"] = strange["step"].replace(100, 150)
    with pytest.raises(TasklawsError, match=r"rung n1 has scores of seed 0 step 150, but no such checkpoint"):
        observations("ladder", "fit", [strange], [card()])


def test_only_the_listed_rungs_are_read(tmp_path):
    for rung in ("n1", "n2", "stale"):
        SCORES.write(tmp_path / f"{rung}.csv", scores(rung))
    assert set(read_scores(tmp_path, ["n2", "n1"])["rung"]) == {"n1", "n2"}


def test_a_rung_without_results_is_named(tmp_path):
    SCORES.write(tmp_path / "n1.csv", scores())
    with pytest.raises(TasklawsError, match=r"rung n2 has no results in .*: run `dvc repro score@n2`"):
        read_scores(tmp_path, ["n1", "n2"])


def test_duplicate_rows_are_refused(tmp_path):
    path = tmp_path / "n1.csv"
    SCORES.write(path, scores())
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1]]))
    with pytest.raises(TasklawsError, match=r"duplicate row.*'rung': 'n1'"):
        read_scores(tmp_path, ["n1"])


def test_a_nan_score_is_refused(tmp_path):
    path = tmp_path / "n1.csv"
    SCORES.write(path, scores())
    path.write_text(path.read_text().replace(",0.5,", ",NaN,"))
    with pytest.raises(TasklawsError, match="partial_credit is NaN"):
        read_scores(tmp_path, ["n1"])


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        ("brier", 2.5, "brier is 2.5: it lies in [0, 2]"),
        ("exact_match", -0.5, "exact_match is -0.5: it lies in [0, 1]"),
        ("target_bits_per_byte", -1.5, "target_bits_per_byte is -1.5: it lies in [0, inf]"),
    ],
)
def test_a_score_out_of_its_metrics_range_is_refused(tmp_path, metric, value, said):
    SCORES.write(tmp_path / "n1.csv", scores(**{metric: value}))
    with pytest.raises(TasklawsError, match=re.escape(said)):
        read_scores(tmp_path, ["n1"])


def test_identical_rungs_raise_the_alarm():
    assert len(list(refuse_identical([scores("n1", "a"), scores("n2", "b")]))) == 2
    with pytest.raises(TasklawsError, match="rungs n1 and n2 gave identical responses throughout"):
        list(refuse_identical([scores("n1", "a"), scores("n2", "a")]))


def test_one_other_response_is_enough_to_tell_two_rungs_apart():
    other = scores("n2", "a")
    other.loc[(other["step"] == 200) & (other["item"] == "add-1"), "response"] = "x"
    assert len(list(refuse_identical([scores("n1", "a"), other]))) == 2


def test_the_alarm_does_not_depend_on_how_many_seeds_a_rung_has():
    two, one = scores("n1", "a"), scores("n2", "a")
    with pytest.raises(TasklawsError, match="identical"):
        list(refuse_identical([two, one[one["seed"] == 0]]))


def test_seeds_of_one_rung_may_agree():
    """Two seeds that both answer nothing are no mistake of ours."""
    assert len(list(refuse_identical([scores("n1", response="same")]))) == 1
