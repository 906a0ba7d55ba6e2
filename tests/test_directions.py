"""Which way of a metric is better: by its name, and by what a table states."""

import pandas as pd
import pytest

from tasklaws.tables import ACCURACIES, LOSSES, METRICS, direction, is_loss, losses

DOWN = ["val_bpb", "eval/loss", "loss-c4", "Validation Loss", "wikitext.word_perplexity", "nll_per_token", "rc_bpb"]
DOWN += ["bits_per_byte,none", "test_cross_entropy", "neg_log_likelihood", "error_rate", "brier_score,none", "WER"]
UP = ["acc,none", "exact_match_strict-match", "exact_match,flexible-extract", "pass@1", "f1", "MMLU accuracy"]
UP += ["quasi_exact_match", "rougeL_acc", "win_rate", "mc2", "log_likelihood"]
UNKNOWN = ["neg_loss", "brier_skill_score", "acc_drop", "wibble", "", "lossy", "accuse", "1 - error gain"]


@pytest.mark.parametrize("metric", DOWN)
def test_less_is_better_of_a_name_with_a_losss_word(metric):
    assert direction(metric) == "down"
    assert is_loss(metric)


@pytest.mark.parametrize("metric", UP)
def test_more_is_better_of_a_name_with_a_scores_word(metric):
    assert direction(metric) == "up"
    assert not is_loss(metric)


@pytest.mark.parametrize("metric", UNKNOWN)
def test_a_name_without_a_known_word_or_with_two_that_disagree_says_nothing(metric):
    assert direction(metric) is None


def test_every_listed_metric_goes_its_way():
    assert {direction(metric) for metric in LOSSES} == {"down"}
    assert {direction(metric) for metric in ACCURACIES} == {"up"}
    assert None not in {direction(metric) for metric in METRICS}


def test_what_a_row_states_goes_before_its_metrics_name():
    columns = {"metric": ["val_bpb", "val_bpb", "acc", "acc"], "higher_is_better": [None, True, False, None]}
    table = pd.DataFrame(columns, index=list("abcd"))
    assert losses(table).to_dict() == {"a": True, "b": False, "c": True, "d": False}
    assert losses(table[["metric"]]).tolist() == [True, True, False, False]
    assert losses(table.drop(columns="metric")).tolist() == [False, False, True, False]
    assert losses(table).dtype == bool
