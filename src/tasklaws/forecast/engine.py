"""Forecasts as tables: one row a task and wanted model, and one for each method behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.forecast.combine import Forecast, History, combined_forecast, panel_design_effect, sampling
from tasklaws.forecast.floor import LEAVES, after_jump, decades, floors, from_floor, in_words
from tasklaws.forecast.given import given_scores
from tasklaws.forecast.panel import LEAST_RUNGS, Panel, axis_of, size_gap
from tasklaws.forecast.verdict import BACKWARD, BEHIND, Width, panel_verdicts
from tasklaws.stats.predictive import Predictive
from tasklaws.tables import HEADLINES, POINTS_OF_HEADLINE, SIZES

_HEADED = 0.8


def forecast_tables(
    history: History,
    origin: int,
    targets: Sequence[int],
    *,
    given: Mapping[int, Array] | None = None,
    ends: Mapping[int, tuple[int, int]] | None = None,
    threshold: float | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecasts of the models `targets` from the first `origin` of the history's panel (the columns of
    BACKTEST_FORECASTS, and link_mean, link_sd, design_effect and widening), and those of each method and baseline (the
    columns of BACKTEST_METHODS).

    `observed` is what the panel holds, empty where unknown; nothing else of a row depends on it, but for `log_score`
    (nats, on the link scale). A task that no known model was asked has no row. `evidence` ends in BACKWARD where the
    wanted model is smaller, or no later, than a known one. `given` are scores of some targets that are known,
    (tasks,) with NaN elsewhere: the other tasks' forecasts rest on them too (`given_scores`), and they have no row.
    `ends` are models at the first and last place where a target may be, if that is uncertain. `p_passes` is the
    probability of more than `threshold`, of a loss of less. `leaves_floor` is the probability that a task whose known
    rungs are all at the floor stands LEAVES above it, empty of other tasks (`floor`).
    """
    tables, methods = [], []
    known = history.known(origin)
    by_skills = bool(given) and history.is_crowd(origin)
    if given and by_skills:
        history = _with_given(history, given)
    enough = len(np.unique(known.size)) >= LEAST_RUNGS
    floor = floors(known)
    for target in targets:
        found, said = outcome(history, origin, target, ends.get(target) if ends else None)
        shown = given[target] if given and target in given else np.full(len(found.mean), np.nan)
        if np.isfinite(shown).any() and not by_skills:
            said = given_scores(history, origin, target, said, shown)
        leaves = np.where(np.isfinite(floor), said.exceeds(np.nan_to_num(floor) + LEAVES), np.nan)
        table = _with_interval(history.panel, origin, target, said)
        predicted = table["predicted"].to_numpy()
        unit = predicted if known.loss else np.ones_like(predicted)
        half = (table["upper"] - table["lower"]).to_numpy() / 2 / unit
        gap = size_gap(history.panel, origin, target)
        parts = zip(half.tolist(), found.width.tolist(), found.sampling.tolist(), strict=True)
        widths = [Width(own, width, of_items, gap) for own, width, of_items in parts]
        verdicts = panel_verdicts(known, widths, history.is_crowd(origin))
        backward = _backward(history.panel, origin, target)
        link_mean, link_sd = said.moments
        width = np.where(np.isfinite(floor), link_sd, found.width)
        table = table.assign(
            **{name: getattr(history.panel, name)[target] for name in SIZES},
            observed=history.panel.value[:, target],
            verdict=[one.verdict for one in verdicts],
            method="combination" if origin >= LEAST_RUNGS or history.is_crowd(origin) else "repeat_last",
            fit_status="converged" if enough else "unidentified",
            expected_error_points=100 * said.expected_error(predicted) / unit,
            headline=_headlines(said, predicted, unit),
            crps=said.crps(history.panel.value[:, target]),
            n_tests=found.n_tests,
            leaves_floor=leaves,
            equivalent_items=1 / np.maximum(width**2 - (found.scale * found.noise) ** 2, 1e-12),
            evidence=[
                one.evidence + (f"; {in_words(one_leaves, known, gap)}" if one_leaves >= 0 else "") + backward
                for one, one_leaves in zip(verdicts, leaves, strict=True)
            ],
            link_mean=link_mean,
            link_sd=link_sd,
            design_effect=panel_design_effect(known),
            widening=found.widening,
        )
        if threshold is not None:
            above = said.exceeds(np.full(len(predicted), threshold))
            table["p_passes"] = 1 - above if known.loss else above
        asked = ~np.isfinite(shown)
        tables.append(table[asked].dropna(subset="predicted"))
        by_method = _method_table(history, origin, target, found)
        methods.append(by_method[asked[by_method.index]])
    return pd.concat(tables, ignore_index=True), pd.concat(methods, ignore_index=True)


def outlook(known: Panel, gap: float, found: Forecast) -> Predictive:
    """The distribution of a target, `gap` in ln size beyond the known models, of which the combination is `found`:
    tasks at the floor may leave it, and those that the last rung alone shows to have risen may stay where they are."""
    far = decades(known, gap)
    return from_floor(known, floors(known), far, after_jump(known, far, found.predictive(known.link)))


def outcome(
    history: History, origin: int, target: int, ends: tuple[int, int] | None = None
) -> tuple[Forecast, Predictive]:
    """The combined forecast of model number `target` from the first `origin`, and what it holds possible; `ends` are
    models at the first and last place where the target may be, if that is uncertain."""
    found = combined_forecast(history, origin, target)
    if ends is not None:
        found = _anywhere_between(found, *(combined_forecast(history, origin, end) for end in ends))
    return found, outlook(history.known(origin), size_gap(history.panel, origin, target), found)


def _with_given(history: History, given: Mapping[int, Array]) -> History:
    """The history with these scores of wanted models revealed: models of many families are forecast by skills, which
    take them in (`combine.History`)."""
    values = np.full((len(history.panel.tasks), len(history.panel.models)), np.nan)
    for target, shown in given.items():
        values[:, target] = shown
    return replace(history, given=values, _crowds={}, _final={})


def _anywhere_between(found: Forecast, first: Forecast, last: Forecast) -> Forecast:
    """The forecast with the standard deviation that a place anywhere between two others adds: that of a uniform
    distribution between their means."""
    return replace(found, sd=np.hypot(found.sd, (last.mean - first.mean) / np.sqrt(12)))


def _headlines(said: Predictive, predicted: Array, unit: Array) -> list[str]:
    """Of each row how close the outcome will be, in points (of a loss percent of it): the first of
    POINTS_OF_HEADLINE of which the forecast is sure by at least _HEADED. Of forecasts under one headline some nine in
    ten are as close as it says, as most are surer than the least sure one."""
    sure = [said.within(predicted, points / 100 * unit) >= _HEADED for points in POINTS_OF_HEADLINE]
    return [HEADLINES[row.index(True)] if any(row) else HEADLINES[-1] for row in zip(*map(list, sure), strict=True)]


def _backward(panel: Panel, origin: int, target: int) -> str:
    """What `evidence` says of a wanted model that lies behind a known one, or is of the same day."""
    axis = axis_of(panel)
    last = panel.size[:origin].max()
    looks_back = panel.size[target] <= last if axis == "date" else panel.size[target] < last
    return f"; {BEHIND[axis]}: {BACKWARD}" if looks_back else ""


def _method_table(history: History, origin: int, target: int, found: Forecast) -> pd.DataFrame:
    """The forecasts of every single method and baseline, their intervals not scaled by backtest."""
    noise = sampling(history.known(origin))
    weights = dict(zip(found.methods, found.weights, strict=True))
    tables = []
    for name, prediction in (history.by_baseline(origin) | history.in_use(origin)).items():
        mean, sd = prediction.mean[:, target - origin], prediction.sd[:, target - origin]
        said = Predictive.normal(history.panel.link, mean, np.hypot(sd, noise))
        table = _with_interval(history.panel, origin, target, said)
        tables.append(table.assign(method=name, weight=weights.get(name, 0.0)))
    return pd.concat(tables).dropna(subset="predicted")


def _with_interval(panel: Panel, origin: int, target: int, said: Predictive) -> pd.DataFrame:
    """A row a task: what it forecasts, value and interval, and the log density of what was observed (on the link)."""
    lower, predicted, upper = said.interval
    table = pd.DataFrame(panel.tasks, columns=["task", "metric"])
    return table.assign(
        ladder=panel.ladder,
        model=panel.models[target],
        n_fit=origin,
        predicted=predicted,
        lower=lower,
        upper=upper,
        log_score=said.log_density(panel.value[:, target]),
    )
