"""What lm-eval wrote: result files of today's layout (0.4) or the one before (0.3), as rows of a table of points.

Today: `{"results": {"arc_easy": {"acc,none": 0.4, "acc_stderr,none": 0.01}}, "n-samples": {..}, "config": {..}, ..}`.
Before, as Pythia published: `{"results": {"arc_easy": {"acc": 0.4, "acc_stderr": 0.01}}, "config": {..}, ..}`.
"""

import functools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.frames import read_csv, read_rows, refuse
from tasklaws.tables import ACCURACIES, MODELS, POINTS, is_loss

# What stands among a task's metrics but is none; a metric of such a name has its filter behind it, as in "name,none".
_NOTES = {"alias", "name", "sample_len", "sample_count", "samples"}
_NAMES = ("peft", "delta", "pretrained", "model", "path", "engine")  # where lm-eval 0.4.13 looks for a model's name
_STEP = re.compile(r"(?:^|[^a-z])(?:global_?)?step[-_]?(\d+)", re.IGNORECASE)
_CHECKPOINT = re.compile(r"(?:(?:global_?)?step|checkpoint)[-_]?(\d+)", re.IGNORECASE)

Rows = dict[str, Mapping[str, object]]  # by where each stands
_RESULT = ["model", "step", "n_params_total", "task", "metric", "value", "stderr", "n_items", "chance", "n_shot"]


def is_result(document: Any) -> bool:
    """Whether a JSON document has the shape of a result file of either layout."""
    return isinstance(document, dict) and isinstance(document.get("results"), dict) and "config" in document


def result_rows(path: Path, document: Mapping[str, Any]) -> Rows:
    """The rows of one result file, labelled `path: results.TASK.KEY`; what cannot be used raises TasklawsError.

    `model` is the last part of the name in config.model_args, `step` that of its revision or else of the file's name.
    `n_items` is what the file says, or what a value and its standard error imply. Unknown is None.
    """
    model, step = _model(path, document)
    total = _part(document, "config", "model_num_parameters")
    shared = {"model": model, "step": step, "n_params_total": total if _number(total) and total > 0 else None}
    found: Rows = {}
    groups = document["groups"] if isinstance(document.get("groups"), dict) else {}
    for task, metrics in [*groups.items(), *document["results"].items()]:
        shots = _part(document, "n-shot", task), _part(document, "config", "num_fewshot")
        if not isinstance(metrics, dict):
            raise TasklawsError(f"{path}: results.{task} is {metrics!r}: it should hold metrics by name")
        for key, value in metrics.items():
            name, _, filtered = key.partition(",")
            if key in _NOTES or not name.strip() or name.endswith("_stderr"):
                continue
            if not _number(value):
                raise TasklawsError(f"{path}: results.{task}.{key} is {value!r}: it should be a finite number")
            error = metrics.get(f"{name}_stderr,{filtered}" if filtered else f"{name}_stderr")
            stderr = error if _number(error) else None  # "N/A", or NaN of a single item
            counts = _part(document, "n-samples", task, "effective"), _part(metrics, "sample_count", key)
            n_items = next(filter(_number, counts), implied_n_items(value, stderr))
            found[f"{path}: results.{task}.{key}"] = shared | {
                "task": task,
                "metric": name if filtered in ("", "none") else f"{name}_{filtered}",
                "value": value,
                "stderr": stderr,
                "n_items": n_items,
                "chance": chance(task, name, _part(document, "configs", task, "doc_to_choice")),
                "n_shot": next(filter(_number, shots), None),
                "higher_is_better": _part(document, "higher_is_better", task, name),
            }
    return found


def implied_n_items(value: float, stderr: float | None) -> int | None:
    """The number n of right-or-wrong items behind a share p and its standard error sqrt(p (1 - p) / (n - 1)), if any.

    lm-eval's formula for a mean (lm_eval/api/metrics.py, mean_stderr: the sample's standard deviation over sqrt(n)).
    None unless n and n p come out whole, as they do not for other scores or where the standard error was bootstrapped.
    """
    if not stderr or not 0 < value < 1:
        return None
    exact = value * (1 - value) / stderr**2 + 1
    n_items = round(exact)
    whole = abs(exact - n_items) < 1e-6 * n_items and abs(value * n_items - round(value * n_items)) < 1e-6 * n_items
    return n_items if whole and n_items < 1e5 else None  # beyond that any number passes for whole


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _part(document: Any, *keys: str) -> Any:
    """What stands in an object under keys in turn; None where any is absent."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _model(path: Path, document: Mapping[str, Any]) -> tuple[str, int | None]:
    """A model's name without its owner or folder, and its training step."""
    given = _part(document, "config", "model_args")
    if isinstance(given, str):
        given = dict(part.split("=", 1) for part in given.split(",") if "=" in part)
    name = next((str(_part(given, key)) for key in _NAMES if _part(given, key)), document.get("model_name"))
    if not isinstance(name, str) or not name.strip("/"):
        raise TasklawsError(f"{path}: config.model_args is {given!r}: it should name the model, pretrained=NAME")
    *folders, last = name.strip("/").split("/")
    if folders and (checkpoint := _CHECKPOINT.fullmatch(last)):  # a folder of checkpoints, named by its own name
        return folders[-1], int(checkpoint[1])
    step = _STEP.search(str(_part(given, "revision"))) or _STEP.search(path.name)
    return last, int(step[1]) if step else None


def usable(found: Rows, notes: list[str]) -> pd.DataFrame:
    """The rows less those of metrics that are neither a known loss nor a score in [0, 1], such as BLEU; adds a line on
    each to `notes`."""
    results = pd.DataFrame.from_dict(found, orient="index", columns=[*_RESULT, "higher_is_better"])
    sure = results["metric"].map(is_loss).astype(bool) | results["metric"].isin(ACCURACIES)
    odd = ~sure & (results["higher_is_better"].eq(False) | ~results["value"].between(0, 1))
    left_out = results["metric"].isin(results.loc[odd, "metric"])
    for metric, count in results.loc[left_out, "metric"].value_counts().sort_index().items():
        notes.append(f"left out {metric}, {count} row(s): neither a known loss nor a score in [0, 1]")
    return results[~left_out]


def place_in_ladders(results: pd.DataFrame, models: pd.DataFrame, ladder: str, notes: list[str]) -> pd.DataFrame:
    """Add each row's ladder and whether its step is final; ladders of several numbers of shots are split by these.

    A model's final step is the one at its n_tokens, where `models` has that and tokens_per_step, or else its last. A
    line on n_params that are taken from lm-eval is added to `notes`.
    """
    of_model = models_of_rows(results, models)
    results = results.assign(ladder=of_model["ladder"].astype("str").fillna(ladder))
    numbers = ["step", "stderr", "n_items", "chance", "n_shot", "n_params_total"]
    results = results.astype(dict.fromkeys(numbers, "float64"))
    if models["n_params"].isna().all() and results["n_params_total"].notna().all():
        notes.append("n_params are lm-eval's model_num_parameters, embeddings included: --models can give the others")
        results = results.assign(n_params=results["n_params_total"])
    last = (of_model["n_tokens"] / of_model["tokens_per_step"]).round()
    last = last.fillna(results.groupby(["ladder", "model"])["step"].transform("max"))
    results["is_final"] = results["step"].isna() | (results["step"] >= last)
    shots = results.groupby(["ladder", "model", "step", "task", "metric"], dropna=False)["n_shot"].transform("nunique")
    split = results["ladder"].isin(results.loc[shots > 1, "ladder"]) & results["n_shot"].notna()
    names = results["ladder"] + "-" + results["n_shot"].map("{:.0f}shot".format)
    results["ladder"] = results["ladder"].mask(split, names)
    return results.reindex(columns=[*POINTS.columns, "n_shot", "n_params_total"])


def read_models(path: Path) -> pd.DataFrame:
    """The table by model (a name's last part: owner and folders do not count); unknown is missing.

    A column of another name, a model given twice, or a number below 0 raises TasklawsError.
    """
    table = read_rows(path, ["model", "ladder"], MODELS.numbers, MODELS.keys)
    other = [column for column in table if column not in MODELS.columns]
    if other:
        raise TasklawsError(f"{path}: unknown column {other[0]!r}: a model has {', '.join(MODELS.columns)}")
    for column in [column for column in MODELS.numbers if column in table]:
        refuse(table[column], table[column] < 0, "give 0 or more")
    names = short_names(table["model"])
    refuse(names, names.isna() | names.duplicated(), "keep one named row for each model")
    return table.set_axis(names).reindex(columns=MODELS.columns)


def short_names(names: pd.Series) -> pd.Series:
    """A model's name without its owner or folders."""
    return names.str.rstrip("/").str.rsplit("/").str[-1]


def models_of_rows(table: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """What is known of each row's model, in the order of the rows."""
    return models.reindex(short_names(table["model"])).set_axis(table.index)


def fill(table: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Fill in the unknown sizes: N of any row, D by its step, D and FLOPs of a final one as at the end of training.

    A model without N or FLOPs raises TasklawsError, and so does one of a named step whose tokens a step are unknown:
    whether that step is the end of training cannot be told.
    """
    of_model = models_of_rows(table, models)
    end_known = of_model["n_tokens"].notna() | of_model["train_flops"].notna()
    unsure = table["step"].notna() & table["n_tokens"].isna() & of_model["tokens_per_step"].isna() & end_known
    if unsure.any():
        row = table[unsure].iloc[0]
        raise TasklawsError(
            f"{table.index[unsure][0]}: step {row['step']:.0f} of {row['model']} may not be the end of its training: "
            "give tokens_per_step in --models, or leave n_tokens and train_flops out there"
        )
    at_end = of_model.where(table["is_final"])
    n_tokens = table["n_tokens"].fillna(table["step"] * of_model["tokens_per_step"]).fillna(at_end["n_tokens"])
    n_params = table["n_params"].fillna(of_model["n_params"])
    train_flops = table["train_flops"].fillna(at_end["train_flops"])
    unsized = n_params.isna() & train_flops.isna()
    if unsized.any():
        names = ", ".join(table.loc[unsized, "model"].unique())
        remedy = "give a CSV with model and n_params as --models"
        raise TasklawsError(f"{table.index[unsized][0]}: no size of {names}: {remedy}")
    return table.assign(n_params=n_params, n_tokens=n_tokens, train_flops=train_flops)


GUESSABLE = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")  # metrics that a guess raises

# What lm-eval's results do not hold: how many choices a task's questions have, none where the answer is free text (one
# of many words or numbers, which a guess never hits).
_CHOICES = Path(__file__).with_name("choices.csv")


@functools.cache
def _chances() -> dict[str, float]:
    table = read_csv(_CHOICES, "install tasklaws again")
    return dict(zip(table["task"], (1 / table["n_choices"]).fillna(0.0), strict=True))


def chance(task: str, metric: str, choices: Any) -> float | None:
    """The accuracy of guessing, None where it is unknown.

    `choices` is `doc_to_choice` of lm-eval's task: a list where all questions have the same; else by the task.
    """
    if metric not in GUESSABLE:
        return None
    if isinstance(choices, list) and len(choices) > 1:
        return 1 / len(choices)
    if task.startswith(("mmlu_", "hendrycksTest-")):
        task = "mmlu"
    return _chances().get(task)
