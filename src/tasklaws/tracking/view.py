"""How MLflow's page of a ladder's runs opens: the columns of its table, and score against size as charts.

MLflow keeps such a view, which its button Share writes, as a tag of the experiment, and opens it by the tag's name.
"""

import json
from collections.abc import Sequence

from tasklaws.tracking.run import KIND_TAG, Run

VIEW = "tasklaws"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"


def view(runs: Sequence[Run]) -> dict[str, str]:
    """The tags of an experiment with these runs: its view."""
    tasks = [name.removeprefix("score/") for name in names(runs[0]) if name.startswith("score/")]
    sizes = {"key": "n_params", "type": "METRIC"}
    section = {"uuid": "size", "name": "score against size", "display": True, "isReordered": False, "deleted": False}
    charts = [
        {
            "uuid": task,
            "type": "SCATTER",
            "runsCountToCompare": 100,
            "metricSectionId": section["uuid"],
            "deleted": False,
            "isGenerated": False,
            "displayName": task,
            "xaxis": sizes,
            "yaxis": {"key": f"score/{task}", "type": "METRIC"},
        }
        for task in tasks
    ]
    columns = ["attributes.`Duration`", "params.`role`", "metrics.`n_params`"]
    state = {
        "searchFilter": f"tags.`{KIND_TAG}` != 'seed'",
        "orderByKey": "metrics.`n_params`",
        "orderByAsc": True,
        "selectedColumns": columns + [f"metrics.`score/{task}`" for task in tasks],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": [section],
        "isAccordionReordered": True,
    }
    return {VIEW_TAG: json.dumps(state)}


def names(run: Run) -> list[str]:
    """The names of a run's metrics, each once, in order."""
    return list(dict.fromkeys(metric.name for metric in run.metrics))
