"""What Inspect wrote: logs in JSON, or in its .eval archives of JSON.

{"version": 2, "status": "success", "eval": {"task": "arc", "model": "openai/gpt", ..},
 "results": {"scores": [{"name": "choice", "metrics": {"accuracy": {"value": 0.4}, "stderr": {..}}}]},
 "samples": [{"id": 1, "epoch": 1, "choices": [..], "scores": {"choice": {"value": "C"}}}]}
"""

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.readers.runs import (
    EvalRun,
    LeftOut,
    Score,
    count,
    dotted,
    finite_number,
    first_name,
    is_number,
    item_name,
    left_out,
    moment,
    part,
    score_of,
    stamp,
)
from tasklaws.tabular.numbers import LETTERS

# Not scores but what belongs to one.
_SPREADS = frozenset({"stderr", "bootstrap_stderr", "bootstrap_std", "std", "var", "ci_lower", "ci_upper"})
_CONVERT = "convert it by `inspect log convert --to json`"


def is_log(document: Any) -> bool:
    """Whether a JSON document has the shape of an Inspect log."""
    return isinstance(document, dict) and isinstance(document.get("eval"), dict) and "status" in document


def read_archive(path: Path) -> dict[str, Any]:
    """The document that a .eval archive holds, its samples with no more than their scores.

    One that is not whole, or compressed in a way that this Python cannot read, raises TasklawsError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            document = json.loads(archive.read("header.json"))
            samples = json.loads(archive.read("summaries.json")) if "summaries.json" in archive.namelist() else []
    except NotImplementedError as error:
        raise TasklawsError(f"{path}: compressed as this Python cannot read ({error}): {_CONVERT}") from error
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, EOFError) as error:
        raise TasklawsError(f"{path}: no whole Inspect log ({str(error)[:80]}): {_CONVERT}") from error
    if not is_log(document):
        raise TasklawsError(f"{path}: no whole Inspect log (its header has no `eval`): {_CONVERT}")
    return {**document, "samples": samples}


def read_log(file: Path, document: Mapping[str, Any], found: list[LeftOut]) -> EvalRun:
    """The run of one log; a log of a run that did not succeed, and numbers that are none, are added to `found`."""
    scores = list(_scores(file, document, found)) if _complete(file, document, found) else []
    return EvalRun(file=file, scores=scores, name=model_name(document), ran=ran(file, document))


def model_name(document: Mapping[str, Any]) -> str | None:
    return first_name(part(document, "eval", "model"))


def inspect_task(document: Mapping[str, Any]) -> str:
    """The task's name, without the package that it is registered in."""
    name = first_name(part(document, "eval", "task_display_name"), part(document, "eval", "task")) or "task"
    return name.rstrip("/").rpartition("/")[2]


def ran(file: Path, document: Mapping[str, Any]) -> datetime | None:
    """When the log's run began, by what it says or its name."""
    return moment(part(document, "eval", "created")) or stamp(file.name)


def _complete(file: Path, document: Mapping[str, Any], found: list[LeftOut]) -> bool:
    status = document.get("status")
    if status != "success":
        found.append(
            left_out(file, "status", inspect_task(document), "", status, "a run that did not end has no result")
        )
    return status == "success"


def _scores(file: Path, document: Mapping[str, Any], found: list[LeftOut]) -> Iterator[Score]:
    scores = part(document, "results", "scores")
    scores = [score for score in scores if isinstance(score, dict)] if isinstance(scores, list) else []
    task = inspect_task(document)
    names = {str(score.get("name")) for score in scores}
    choices = _number_of_choices(document)
    for score in scores:
        metrics = score.get("metrics")
        if not isinstance(metrics, dict):
            continue
        name = str(score.get("name"))
        # Of several epochs "mean" is the plain score; others, as "at_least_1", are scores of their own.
        reducer = "" if score.get("reducer") in (None, "mean") else str(score["reducer"])
        stderr = finite_number(part(metrics, "stderr", "value"))
        for key, metric in metrics.items():
            if key in _SPREADS:
                continue
            value = part(metric, "value")
            where = dotted("results", "scores", name, key)
            if not is_number(value):
                odd = value if isinstance(metric, dict) else metric
                found.append(left_out(file, where, task, key, odd, "its `value` should be a finite number"))
                continue
            yield Score(
                where=where,
                task=task,
                metric=key if len(names) == 1 else f"{name}/{key}",
                value=float(value),
                filter=reducer,
                stderr=stderr if key in ("accuracy", "mean") and stderr is not None and stderr >= 0 else None,
                n_items=count(score.get("scored_samples")),
                chance=1 / choices if choices and name == "choice" and key == "accuracy" and not reducer else None,
            )


def _number_of_choices(document: Mapping[str, Any]) -> int | None:
    """How many choices each sample has; None where they differ, or where there are none."""
    listed = [part(sample, "choices") for sample in samples(document)]
    numbers = {len(choices) if isinstance(choices, list) else 0 for choices in listed}
    return numbers.pop() if len(numbers) == 1 and min(numbers) > 1 else None


def samples(document: Mapping[str, Any]) -> list[Any]:
    found = document.get("samples")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _scorers(sample: Mapping[str, Any]) -> list[str]:
    scores = sample.get("scores")
    return list(scores) if isinstance(scores, dict) else []


def sample_scores(
    file: Path, document: Mapping[str, Any], scorer: str | None, found: list[LeftOut]
) -> Iterator[tuple[str, float, float | None]]:
    """Each sample's id, score in [0, 1] and chance, of the `scorer` or of the first that all samples have.

    Samples without such a score (an error, a limit) are added to `found`.
    """
    task, choices = inspect_task(document), _number_of_choices(document)
    names = Counter(name for one in samples(document) for name in _scorers(one))
    chosen = scorer if scorer is not None else next((name for name, _ in names.most_common(1)), "")
    for one in samples(document):
        identity = item_name(one.get("id"))
        value = part(one, "scores", chosen, "value")
        score = LETTERS.get(value) if isinstance(value, str) else score_of(value)
        if score is None or identity is None:
            where = dotted("samples", str(one.get("id")), "scores", chosen)
            found.append(
                left_out(file, where, task, chosen or "score", value, "no score in [0, 1], nor one of C I P N")
            )
            continue
        yield identity, score, 1 / choices if choices and chosen == "choice" else None
