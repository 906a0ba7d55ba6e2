"""What the task files call: lm-eval wants functions beside its YAML, these hand over to the package's own."""

from typing import Any

from tasklaws.harness.lm_eval_task import item_splits as load

__all__ = ["judge", "load"]


def judge(document: dict[str, Any], results: list[Any]) -> dict[str, float]:
    """Scores of one document; imported only now, as asking alone needs no sandbox."""
    from tasklaws.harness.metrics import score_document

    return score_document(document, results)
