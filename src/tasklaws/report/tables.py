"""The report's tables, and the tidy table that `dvc plots show` draws."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasklaws.report.load import CORPUS, Results, Task, of_task
from tasklaws.report.template import counted, percent
from tasklaws.tables import BASELINE_NAMES, CURVES, is_loss

WAY = ["prompts", "num_fewshot", "shots", "chat_template"]
_READINGS = ["exact_match", "exact_match_flexible"]


def ladder_table(results: Results) -> pd.DataFrame:
    """One row a rung: role, sizes, budget, number of seeds, held-out loss of its final checkpoints and half its range
    over seeds (NaN of one)."""
    final = results.observations[results.observations["is_final"]].groupby("rung", sort=False)
    table = final[["role", "n_params", "n_params_total", "n_tokens", "train_flops"]].first()
    losses = results.observed(CORPUS, "loss_nats").groupby("rung")["value"]
    half_range = ((losses.max() - losses.min()) / 2).where(losses.size() > 1)
    return table.assign(n_seeds=final["seed"].nunique(), loss=losses.mean(), half_range=half_range).reset_index()


def comparison_table(results: Results) -> pd.DataFrame:
    """Each forecast beside its outcome, with the absolute error of the law in compute (`abs_error_law`) and of the best
    baseline, picked in hindsight (`abs_error_best`; NaN without baselines)."""
    table = results.validation
    law = table["abs_error_power"].where(table["metric"].map(is_loss), table["abs_error_logistic"])
    best = table[[f"abs_error_{name}" for name in BASELINE_NAMES]].min(axis=1)
    return table.assign(abs_error_law=law, abs_error_best=best)


def plot_table(results: Results) -> pd.DataFrame:
    """Every final score, forecast and interval in one tidy table, for `dvc plots show`."""
    ends = {"predicted": "forecast", "lower": "forecast lower", "upper": "forecast upper"}
    parts = []
    for task in [CORPUS, *results.tasks]:
        for metric in results.metrics(task):
            curve = " ".join(task)
            parts.append(results.observed(task, metric).assign(curve=curve)[CURVES.columns])
            forecasts = of_task(results.forecasts, task, metric)
            if len(forecasts):
                long = forecasts.melt(["rung", "n_params"], [*ends], "role").replace({"role": ends})
                parts.append(long.assign(curve=curve, metric=metric).reindex(columns=CURVES.columns))
    return pd.concat([part.astype({"seed": "Int64", "n_params": float}) for part in parts])


def effective_number_table(results: Results) -> pd.DataFrame:
    """Effective numbers of tasks, with the factor by which overlap widened the forecast of the share solved."""
    task = ["family", "elicitation"]
    forecasts = results.forecasts[results.forecasts["metric"] == "exact_match"].drop_duplicates(task, keep="last")
    return results.effective_numbers.merge(forecasts[[*task, "widening"]], "left", task)


def real_table(results: Results) -> pd.DataFrame:
    """What a real model scored, a row a task and a column a way of asking, first the one that the figures show.

    `72% (35%)` is the share solved where answers are read as people would, and by exact match where that is another.
    """
    real = results.real.assign(task=results.real["family"] + " · " + results.real["elicitation"])
    real["way"] = [_way(*row) for row in zip(*(real[name] for name in WAY), strict=True)]
    cells = real.pivot(index=["way", "task"], columns="metric", values="value").reindex(columns=_READINGS)
    exact, read = (cells[name] for name in _READINGS)
    shown = read.fillna(exact).map(percent) + exact.map(lambda share: f" ({percent(share)})").where(read != exact, "")
    by_way = shown.mask(read.isna(), exact.map(percent)).unstack("way")
    return by_way.loc[real["task"].unique(), real.sort_values("drawn", ascending=False, kind="stable")["way"].unique()]


def _way(prompts: str, num_fewshot: float, shots: str, chat_template: bool) -> str:
    examples = f"{counted(int(num_fewshot), 'shot')} ({shots})" if num_fewshot else "no shots"
    return f"{prompts}, {examples}" + (", chat template" if chat_template else "")


class MethodRow(NamedTuple):
    """A method's weight in, and forecast of, each of several curves (NaN where it has none), and its mean absolute
    error on the holdout, NaN unless it forecast all that came out."""

    method: str
    weights_and_forecasts: list[tuple[float, float]]
    error: float


def combination_rows(results: Results, metric: str) -> tuple[list[Task], list[MethodRow]]:
    """The curves forecast under one metric and the methods that their combinations mix (of the last holdout rung), the
    weightiest first."""
    curves = [*results.tasks, CORPUS]
    forecasts = {task: found for task in curves if (found := results.forecast(task, metric)) is not None}
    if not forecasts:
        return [], []
    parts, observed = [], []
    for task, forecast in forecasts.items():
        methods, outcomes = (
            table[table["rung"] == forecast["rung"]]
            for table in (of_task(results.methods, task, metric), of_task(results.validation, task, metric))
        )
        parts.append(methods.set_index("method")[["weight", "predicted"]])
        observed.append(outcomes["observed"].mean())
    table = pd.concat(parts, axis=1, keys=range(len(parts)))
    weights, predicted = (table.xs(name, axis=1, level=1) for name in ("weight", "predicted"))
    apart = (predicted - observed).abs().loc[:, np.isfinite(observed)]
    errors = apart.mean(axis=1).where(apart.notna().all(axis=1))
    total = weights.sum(axis=1)
    used = sorted(total.index[total > 0], key=lambda name: (-total[name], name))
    return list(forecasts), [
        MethodRow(name, list(zip(weights.loc[name], predicted.loc[name], strict=True)), errors[name]) for name in used
    ]


def law_rows(results: Results) -> pd.DataFrame:
    """The laws fitted to shares solved and to the held-out loss, one row each."""
    curves = [*((task, "exact_match") for task in results.tasks), (CORPUS, "loss_nats")]
    return pd.concat([of_task(results.laws, task, metric) for task, metric in curves])


def mirage_rows(results: Results) -> pd.DataFrame:
    """The mirage check with what became of each `jump`: survives, mirage, undecided, or no jump."""
    survives = results.mirage["survives"]
    words = np.where(survives.isna(), "undecided", np.where(survives == True, "survives", "mirage"))  # noqa: E712
    return results.mirage.assign(jump=np.where(results.mirage["statistic"].isna(), "no jump", words))
