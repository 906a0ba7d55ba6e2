"""The report's tables, the sentences on them, and the tidy table that `dvc plots show` draws."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasklaws.overlap.effective_number import worth
from tasklaws.report.load import CORPUS, Results, Task, of_task
from tasklaws.report.template import in_points, percent
from tasklaws.tables import BASELINE_NAMES, CURVES, is_loss

BASELINE_ERRORS = [f"abs_error_{name}" for name in BASELINE_NAMES]


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
    return table.assign(abs_error_law=law, abs_error_best=table[BASELINE_ERRORS].min(axis=1))


def headline(compared: pd.DataFrame) -> str:
    """One sentence on how well the exact-match forecasts did."""
    rows = compared[compared["metric"] == "exact_match"]
    if rows.empty:
        return "No forecast could be made on this ladder."
    ranked = rows[rows["abs_error_best"].notna()]
    won = int((ranked["abs_error"] < ranked["abs_error_best"]).sum())
    tied = int((ranked["abs_error"] == ranked["abs_error_best"]).sum())
    baselines = ", ".join(
        f"{column.removeprefix('abs_error_').replace('_', ' ')} {in_points(rows[column].mean())}"
        for column in BASELINE_ERRORS
        if rows[column].notna().all()
    )
    return (
        f"Of {len(rows)} shares solved that were forecast, {int(rows['inside'].sum())} came out inside the 90% "
        f"interval. The mean error was {in_points(rows['abs_error'].mean())}; of the baselines: {baselines}. "
        f"The forecast was closer than the best of them, picked in hindsight, for {won} of {len(ranked)} curves and "
        f"tied with it for {tied}."
    )


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
                long = forecasts.melt(["n_params"], [*ends], "role").replace({"role": ends})
                parts.append(long.assign(curve=curve, metric=metric).reindex(columns=CURVES.columns))
    return pd.concat([part.astype({"seed": "Int64", "n_params": float}) for part in parts])


def effective_number_table(results: Results) -> pd.DataFrame:
    """Effective numbers of tasks, with the factor by which overlap widened the forecast of the share solved."""
    task = ["family", "elicitation"]
    forecasts = results.forecasts[results.forecasts["metric"] == "exact_match"].drop_duplicates(task, keep="last")
    return results.effective_numbers.merge(forecasts[[*task, "widening"]], "left", task)


def effective_number_sentences(table: pd.DataFrame) -> list[str]:
    """What the table says: the extremes, how often the design fits, where a curve is a step beyond its tasks."""
    if table.empty:
        return []
    name = table["family"] + " " + table["elicitation"]
    share = table["n_eff"] / table["n_items"]
    (least, low), (most, high) = ((name.iloc[at], table.iloc[at]) for at in (share.argmin(), share.argmax()))
    sentences = [
        f"The items of {least} hang together most: {worth(low.to_dict())}. Those of {most} least: "
        f"{worth(high.to_dict())}."
    ]
    both = table[table["observed"].notna() & table["designed"].notna()]
    if len(both):
        within = both["designed"].between(both["observed_low"], both["observed_high"])
        open_ended = (both["observed_high"] >= 0.99 * both["n_items"]) & (both["observed_low"] <= 1.01)
        sentences.append(
            f"What the skills that items name would make of them lies within the 90% limits of what is seen in "
            f"{within.sum()} of {len(both)} families"
            + (f"; in {open_ended.sum()} of them the limits say nothing." if open_ended.any() else ".")
        )
    shown = table["index"].notna() & table["expected_index"].notna()
    if shown.any():
        steeper = name[shown & (table["index"] > table["expected_index_high"])]
        named = f" ({', '.join(steeper)})" if len(steeper) else ""
        sentences.append(
            f"In {len(steeper)} of {shown.sum()} families{named} the sharpest gap makes up more of the rise than it "
            "would with so many independent tasks on a smooth rise, in 95% of draws. That alone is no step."
        )
    if table["widening"].notna().any():
        sentences.append(
            f"Of all shares solved, overlap widens the interval of {name.iloc[table['widening'].argmax()]} most: "
            f"by {percent(table['widening'].max() - 1)}."
        )
    return sentences


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
