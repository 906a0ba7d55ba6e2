"""What the installed lm-eval writes is imported."""

from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.model import LM
from lm_eval.evaluator import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

import tiny
from tasklaws.readers.merge import merge_results
from tasklaws.tabular.points import read_points, write_points

MODELS = "model,ladder,n_params,tokens_per_step\nme/longest,mine,1000,50\n"


class Longest(LM):
    """Finds longer texts likelier."""

    def loglikelihood(self, requests):
        return [(-1 / len(request.arguments[1]), False) for request in requests]

    def generate_until(self, requests):
        raise NotImplementedError

    def loglikelihood_rolling(self, requests):
        raise NotImplementedError


@pytest.mark.slow
def test_a_real_run_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.write_items(tmp_path / "items", every=30)
    monkeypatch.setenv("TASKLAWS_ITEMS", str(tmp_path / "items"))
    manager = TaskManager(include_path=str(tiny.ROOT / "custom_tasks"), include_defaults=False)
    results = {}
    for step in (10, 20):
        tracker = EvaluationTracker(output_path=str(tmp_path / f"results/step{step}"))
        found: dict[str, Any] = simple_evaluate(
            Longest(),
            model_args=f"pretrained=me/longest,revision=step{step}",
            tasks=["largest_of_four_choice", "addition_direct_likelihood"],
            task_manager=manager,
            evaluation_tracker=tracker,
            limit=4,
            bootstrap_iters=0,
            verbosity="ERROR",
        )
        samples = found.pop("samples")
        tracker.save_results_aggregated(results=found, samples=samples)
        results[step] = found["results"]
    assert len(list(tmp_path.rglob("results_*.json"))) == 2
    models = tmp_path / "models.csv"
    models.write_text(MODELS)
    write_points(tmp_path / "table.csv", merge_results([tmp_path / "results"], "table", models)[0])
    table = read_points(tmp_path / "table.csv")
    assert set(table["metric"]) == {"exact_match", "partial_credit", "target_bits_per_byte", "brier"}
    assert table["n_tokens"].tolist() == (table["step"] * 50).tolist()
    assert table["is_final"].tolist() == (table["step"] == 20).tolist()
    assert set(table["n_items"]) == {4}
    for row in table.itertuples():
        assert row.value == pytest.approx(results[row.step][row.task][f"{row.metric},none"])
