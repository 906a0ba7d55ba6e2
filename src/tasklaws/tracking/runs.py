"""What MLflow holds of a ladder: a run of the ladder, below it one a rung, below that one a seed; `fit`, `forecast`."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.forecast.headline import headline
from tasklaws.ladder.card import Checkpoint, MadeBy, read_made_by
from tasklaws.paths import Paths
from tasklaws.provenance.chain import Chain
from tasklaws.provenance.dotted import Leaves, flatten
from tasklaws.tables import FORECASTS, VALIDATION, read_checkpoints
from tasklaws.tracking import notes
from tasklaws.tracking.made import DATA_TAGS, Made
from tasklaws.tracking.responses import tables
from tasklaws.tracking.run import Metric, Model, Run, allowed, hash_json, metrics_of, texts

KEY_METRIC = "exact_match"
KEY_METRIC_NAME = "score"  # the key metric's name in MLflow, beside the forecast and its error
Rows = list[dict[str, Any]]
_Value = TypeVar("_Value")


def ladders(root: Path, chain: Chain) -> list[str]:
    """The ladders in dvc.lock that were validated and whose results lie under `root`."""
    names = [name.removeprefix("validate@") for name in chain.stages if name.startswith("validate@")]
    return [name for name in names if Paths(name, root).metrics.is_file()]


def collect(root: Path, chain: Chain, ladder: str) -> list[Run]:
    """The runs of a ladder from its outputs under `root` and the params in dvc.lock, each after the one above it.

    The params are those that the results were made with, whatever params.yaml says by now. A missing or damaged output,
    and a ladder that was not validated, raise TasklawsError.
    """
    validate, fit = (chain.stages.get(f"{stage}@{ladder}") for stage in ("validate", "fit"))
    if validate is None or fit is None:
        raise TasklawsError(f"dvc.lock has no results of ladder {ladder}: run `dvc repro`")
    made = Made(root, chain, ladder)
    paths, rungs = made.paths, validate.param("models.rungs")
    observations = pd.concat([read_checkpoints(paths.observations(role)) for role in ("fit", "holdout")])
    validation, forecasts = VALIDATION.read(paths.validation), FORECASTS.read(paths.forecasts)
    headlines = {rung: key_rows(validation, rung) for rung in rungs}
    checked = [rung for rung in rungs if headlines[rung]]
    if not checked:
        raise TasklawsError(f"{paths.validation} has no forecast of {KEY_METRIC}: run `dvc repro --force validate`")
    largest = max(checked, key=lambda rung: headlines[rung][0]["n_params"])
    figures = [paths.figures / notes.figure(row, KEY_METRIC) for row in headlines[largest]]
    figures = [path for path in figures if path.is_file()]
    measured = read_json(paths.metrics)
    checks = flatten(measured, "validation")
    runs = [ladder_run(made, rungs, largest, headlines[largest], figures, headline(measured))]
    for rung, entry in rungs.items():
        rows = observations[observations["rung"] == rung]
        runs += rung_runs(made, rung, entry, rows, headlines[rung], figures)
    runs += [fit_run(made, fit.param("laws"), forecasts), forecast_run(made, forecasts, checks)]
    # validate reads, by way of others, all that is behind any of them. But where another ladder's rung of the same name
    # has taken a rung's place, dvc.lock no longer says that any stage wrote its scores.
    scores = [paths.scores(entry["role"]) / f"{rung}.csv" for rung, entry in rungs.items()]
    whole = made.is_whole(paths.validation.relative_to(root).as_posix())
    each = [path.relative_to(root).as_posix() for path in (*scores, *map(paths.responses, rungs))]
    whole = whole and all(chain.written(name) for name in each)
    return [replace(run, is_whole=whole) for run in runs]


def table_rows(table: pd.DataFrame) -> Rows:
    """A table's rows by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def key_rows(validation: pd.DataFrame, rung: str) -> Rows:
    """What was forecast of a holdout rung's scores and what it did, a row a task; none of a rung to fit."""
    rows = validation[(validation["rung"] == rung) & (validation["metric"] == KEY_METRIC)]
    return [{**row, "task": f"{row['family']}_{row['elicitation']}"} for row in table_rows(rows)]


def _parted(metrics: Sequence[Metric]) -> tuple[list[Metric], list[Metric]]:
    """The scores, and all others."""
    scores = [each for each in metrics if each.name.startswith(f"{KEY_METRIC_NAME}/")]
    return scores, [each for each in metrics if not each.name.startswith(f"{KEY_METRIC_NAME}/")]


def by_task(rows: Rows, **columns: str) -> dict[str, object]:
    """The numbers of tasks as `name/task`, by the columns that they stand in."""
    return {f"{name}/{row['task']}": row[column] for name, column in columns.items() for row in rows}


def ladder_run(
    made: Made,
    rungs: Mapping[str, Any],
    largest: str,
    rows: Rows,
    figures: list[Path],
    first: Mapping[str, float],
) -> Run:
    """The few numbers to see first: the headline's, and each task's score of the largest holdout with its forecast."""
    paths = made.paths
    metrics = {**first, **by_task(rows, score="observed", forecast="predicted", error="error")}
    params = {"holdout": largest, "n_rungs": len(rungs), **by_task(rows, verdict="verdict")}
    tags = {**made.tags(paths.validation), notes.NOTE: notes.of_ladder(largest, rungs, rows, figures)}
    return Run("ladder", paths.ladder, None, texts(params), metrics_of(metrics), tags, by_name(figures, "figures/"))


def rung_runs(
    made: Made, rung: str, entry: Mapping[str, Any], observations: pd.DataFrame, rows: Rows, figures: list[Path]
) -> Iterator[Run]:
    """A rung: its source as params, its observations by training step, averaged over seeds; below it each seed."""
    paths, role = made.paths, entry["role"]
    scores = paths.scores(role)
    made_by = read_made_by(scores, rung)
    card = made_by.card
    if observations.empty:
        raise TasklawsError(f"{paths.observations(role)}: rung {rung} has no observations: run `dvc repro observe`")
    sizes = known({"n_params": card.n_params, "n_params_total": card.n_params_total})
    inputs = made.data_sets(rung)
    tags = {"role": role, **made.tags(scores / f"{rung}.csv"), **identifying(made_by)}
    tags |= {DATA_TAGS[name]: digest for name, digest in inputs.items()}
    seeds = {int(str(seed)): seed_metrics(own, f"{rung}-seed{seed}") for seed, own in observations.groupby("seed")}
    values: dict[tuple[str, int], list[float]] = {}
    for metric in (metric for own in seeds.values() for metric in own):
        values.setdefault((metric.name, metric.step), []).append(metric.value)
    means = [Metric(name, math.fsum(each) / len(each), step) for (name, step), each in values.items()]
    # A page lists metrics in the order in which they were logged.
    first, rest = _parted(means)
    yield Run(
        "rung",
        rung,
        ("ladder", paths.ladder),
        texts({**flatten(entry["source"], "source"), "role": role, **sizes, **by_task(rows, verdict="verdict")}),
        [*first, *metrics_of({**by_task(rows, forecast="predicted", error="error"), **sizes}), *rest],
        {**tags, notes.NOTE: notes.of_rung(rung, made_by, rows, figures)},
        by_name([scores / f"{rung}.json"]),
        inputs,
        aside=made.trained(rung),
    )
    said = tables(paths, rung, scores, {one.seed: one.step for one in card.checkpoints if one.is_final})
    for seed, metrics in seeds.items():
        first, rest = _parted(metrics)
        yield Run(
            "seed",
            f"{rung} seed {seed}",
            ("rung", rung),
            texts({"seed": seed, "role": role, **sizes}),
            [*first, *metrics_of(sizes), *rest],
            {**tags, notes.NOTE: notes.of_seed(rung, seed), **notes.TABLE},
            {notes.RESPONSES: said[seed]},
            inputs,
            [checkpoint(rung, one, card.n_params) for one in card.checkpoints if one.seed == seed],
        )


def seed_metrics(observations: pd.DataFrame, model: str) -> list[Metric]:
    """A seed's observations at each of its steps, and what it had been trained on by then, each of its checkpoint."""
    found = {}
    for row in table_rows(observations):
        task = f"{row['family']}_{row['elicitation']}"
        name = f"{KEY_METRIC_NAME if row['metric'] == KEY_METRIC else row['metric']}/{task}"
        step = int(row["step"])
        for each, column in ((name, "value"), ("n_tokens", "n_tokens"), ("train_flops", "train_flops")):
            number = float(row[column])
            if not math.isnan(number):  # unknown
                found[each, step] = Metric(allowed(each), number, step, f"{model}-step{step}")
    return list(found.values())


def checkpoint(rung: str, one: Checkpoint, n_params: int) -> Model:
    """A checkpoint: how large, how long trained, its held-out loss; its weights as a tag."""
    shown = {"n_params": n_params, "seed": one.seed, "step": one.step, "n_tokens": one.n_tokens}
    loss = {"loss_nats": one.loss_nats, "bits_per_byte": one.bits_per_byte}
    tags = {"rung": rung, "path": f"models/{rung}/{one.path}", "weights_sha256": one.weights_sha256}
    tags |= {"commit": one.commit}
    return Model(f"{rung}-seed{one.seed}-step{one.step}", texts(known({**shown, **loss})), texts(known(tags)))


def known(values: Mapping[str, _Value | None]) -> dict[str, _Value]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def identifying(made_by: MadeBy) -> dict[str, str]:
    """What identifies a rung's models, its corpus and the sandbox that scored it."""
    card = made_by.card
    hashes: dict[str, str | None] = {
        "card_sha256": hash_json(card.to_dict()),
        "model_sha256": card.final.weights_sha256,
        "tokenizer_sha256": card.tokenizer_sha256,
        "sandbox_sha256": hash_json(made_by.sandbox),
        "corpus_sha256": card.corpus_sha256,
    }
    return known(hashes)


def fit_run(made: Made, laws: object, forecasts: pd.DataFrame) -> Run:
    """The laws: their settings, and for every curve how it is forecast and what that rests on."""
    paths = made.paths
    params = texts({**flatten(laws, "laws"), **per_curve(forecasts, "method"), **per_curve(forecasts, "fit_status")})
    files = by_name([paths.fits, paths.mirage, paths.observations("fit"), paths.effective_numbers])
    tags, aside = made.tags(paths.fits), made.aside(paths.fits)
    return Run("fit", "fit", ("ladder", paths.ladder), params, [], tags, files, aside=aside)


def forecast_run(made: Made, forecasts: pd.DataFrame, checks: Leaves) -> Run:
    """The forecasts with the holdout's n_params as step, the verdicts, the errors made, and every figure."""
    paths = made.paths
    metrics = [
        metric
        for row in table_rows(forecasts)
        for name in ("predicted", "lower", "upper")
        for metric in metrics_of({f"{_curve(row)}/{name}": row[name]}, int(row["n_params"]))
    ]
    metrics += metrics_of({key.replace(".", "/"): value for key, value in checks.items()})
    tables = [paths.forecasts, paths.methods, paths.validation]
    tables += [paths.surprises, paths.surprise_counts, paths.surprising_skills]
    files = by_name(tables) | by_name(sorted(paths.figures.glob("*.svg")), "figures/")
    params, tags = texts(per_curve(forecasts, "verdict")), made.tags(paths.forecasts)
    aside = made.aside(paths.forecasts)
    return Run("forecast", "forecast", ("ladder", paths.ladder), params, metrics, tags, files, aside=aside)


def by_name(files: Iterable[Path], folder: str = "") -> dict[str, Path | bytes]:
    return {f"{folder}{path.name}": path for path in files}


def _curve(row: Mapping[str, Any]) -> str:
    return f"{row['metric']}/{row['family']}_{row['elicitation']}"


def per_curve(forecasts: pd.DataFrame, column: str) -> dict[str, object]:
    """A column's entries by `column/metric/task`; that of the last rung where a curve has several."""
    return {f"{column}/{_curve(row)}": row[column] for row in table_rows(forecasts)}
