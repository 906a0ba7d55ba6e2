"""Records of Every Eval Ever (arXiv 2606.14516), read and written: one JSON document for a model's results.

Written are records of schema 0.3.0, by hand: the schema's own package needs Python 3.12 and a dozen more.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tasklaws.core.files import write_json
from tasklaws.readers.runs import (
    EvalRun,
    LeftOut,
    Score,
    count,
    dotted,
    finite_number,
    first_name,
    is_number,
    left_out,
    moment,
    part,
    positive,
)
from tasklaws.tables import SIZES, losses

SCHEMA_VERSION = "0.3.0"


def is_record(document: Any) -> bool:
    """Whether a JSON document has the shape of a record."""
    return (
        isinstance(document, dict)
        and "schema_version" in document
        and isinstance(document.get("evaluation_results"), list)
        and isinstance(document.get("model_info"), dict)
    )


def read_record(file: Path, document: Mapping[str, Any], found: list[LeftOut]) -> EvalRun:
    """The run of one record; results that are no finite numbers are added to `found`."""
    info = document["model_info"]
    details = info.get("additional_details")
    times = (moment(document.get(key)) for key in ("evaluation_timestamp", "retrieved_timestamp"))
    step = _figure(details, "step")
    return EvalRun(
        file=file,
        scores=list(_scores(file, document["evaluation_results"], found)),
        name=first_name(info.get("id"), info.get("name")),
        step=int(step) if step is not None and step == int(step) and step >= 0 else None,
        ran=next((time for time in times if time is not None), None),
        n_params_total=positive(_figure(details, "num_parameters")) or _billions(details),
        ladder=_ours(document, "ladder"),
        date=_day(_ours(document, "date")),
        is_final={"True": True, "False": False}.get(_ours(document, "is_final") or ""),
        sizes={size: figure for size in SIZES if (figure := _figure(details, size)) is not None and figure >= 0},
    )


def _ours(document: Mapping[str, Any], key: str) -> str | None:
    """What a record that tasklaws wrote has of its model under a key; None in others', where it may mean another."""
    by = part(document, "eval_library", "additional_details", "converted_by")
    text = part(document, "model_info", "additional_details", key)
    return text if isinstance(text, str) and text.strip() and str(by).startswith("tasklaws ") else None


def _day(text: str | None) -> str | None:
    day = moment(text)
    return None if day is None else day.date().isoformat()


def _figure(details: Any, key: str) -> float | None:
    """A number among details, all of which are text."""
    text = part(details, key)
    try:
        return finite_number(float(text)) if isinstance(text, str) else finite_number(text)
    except ValueError:
        return None


def _billions(details: Any) -> float | None:
    billions = positive(_figure(details, "size_billions_parameters"))
    return None if billions is None else positive(1e9 * billions)


def _scores(file: Path, results: list[Any], found: list[LeftOut]) -> Iterator[Score]:
    for place, result in enumerate(results):
        task, metric = _task(result), _metric(result)
        where = f"evaluation_results[{place}]"
        config, details = part(result, "metric_config"), part(result, "score_details")
        value = part(details, "score")
        if not is_number(value):
            found.append(
                left_out(file, dotted(where, "score"), task or "", metric, value, "it should be a finite number")
            )
            continue
        if task is None:
            found.append(LeftOut(str(file), where, "", metric, "", "it has no evaluation_name"))
            continue
        if part(config, "score_type") == "levels":
            found.append(left_out(file, where, task, metric, value, "a level, and no score"))
            continue
        lower = part(config, "lower_is_better")
        # Before 0.3.0 `standard_error` was a number.
        stderr = part(details, "uncertainty", "standard_error")
        stderr = finite_number(part(stderr, "value") if isinstance(stderr, dict) else stderr)
        yield Score(
            where=where,
            task=task,
            metric=metric,
            value=float(value),
            stderr=stderr if stderr is not None and stderr >= 0 else None,
            n_items=count(part(details, "uncertainty", "num_samples")),
            chance=_chance(details),
            n_shot=_figure(part(result, "generation_config", "additional_details"), "num_fewshot"),
            higher_is_better=not lower if isinstance(lower, bool) else None,
            unit=_unit(config),
        )


def _chance(details: Any) -> float | None:
    chance = _figure(part(details, "details"), "chance")
    return chance if chance is not None and 0 <= chance < 1 else None


def _unit(config: Any) -> str | None:
    """The unit that a metric's range or unit states: "share", "percent" or, of any other range, "other"."""
    least, most = _figure(config, "min_score"), _figure(config, "max_score")
    unit = part(config, "metric_unit")
    if (least, most) == (0, 100) or (unit == "percent" and most in (None, 100)):
        return "percent"
    if (least, most) == (0, 1) or (unit == "proportion" and most in (None, 1)):
        return "share"
    return "other" if least not in (None, 0) or most not in (None, 1, 100) else None


def _task(result: Any) -> str | None:
    """The evaluation's name, behind its data set's where it does not begin with that: scorers share their names."""
    name, data = part(result, "evaluation_name"), part(result, "source_data", "dataset_name")
    if not isinstance(name, str) or not name.strip():
        return None
    return name if not isinstance(data, str) or not data.strip() or name.startswith(data) else f"{data}/{name}"


def _metric(result: Any) -> str:
    config = part(result, "metric_config")
    said = [part(config, key) for key in ("metric_name", "metric_kind", "metric_id")]
    description = part(config, "evaluation_description")
    said.append(description if isinstance(description, str) and len(description.split()) == 1 else None)
    own = part(result, "evaluation_name")
    return next((name for name in said if isinstance(name, str) and name.strip() and name != own), "score")


def write_records(directory: Path, table: pd.DataFrame, retrieved: datetime, version: str) -> list[Path]:
    """Write a table of points as records, one a ladder, model and step, as the data store lays them out; returns paths.

    `retrieved` is when the table came to be and `version` that of tasklaws. The same rows make the same files.
    """
    written = []
    for (ladder, model, _), rows in table.groupby(["ladder", "model", "step"], dropna=False, sort=True):
        step = rows["step"].iloc[0]
        record = _record(str(ladder), str(model), None if pd.isna(step) else int(step), rows, retrieved, version)
        owner, _, name = str(record["model_info"]["id"]).rpartition("/")
        path = (
            directory / "data" / _slug(str(ladder)) / _slug(owner or "unknown") / _slug(name) / f"{_uuid(record)}.json"
        )
        write_json(path, record)
        written.append(path)
    return written


def _record(
    ladder: str, model: str, step: int | None, rows: pd.DataFrame, retrieved: datetime, version: str
) -> dict[str, Any]:
    seconds = f"{(retrieved - datetime(1970, 1, 1)).total_seconds():.0f}"
    known = {size: rows[size].dropna().unique() for size in SIZES}
    details = {size: _text(values[0]) for size, values in known.items() if len(values) == 1}
    details |= {} if step is None else {"step": str(step)}
    stated = {name: rows[name].dropna().unique() for name in ("date", "is_final") if name in rows}
    details |= {"ladder": ladder} | {name: str(values[0]) for name, values in stated.items() if len(values) == 1}
    rows = rows.sort_values(["task", "metric"], kind="stable")
    loss = losses(rows)
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{ladder}/{model}{'' if step is None else f'@{step}'}/{seconds}",
        "retrieved_timestamp": seconds,
        "source_metadata": {
            "source_name": ladder,
            "source_type": "documentation",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
        },
        "eval_library": {
            "name": "unknown",
            "version": "unknown",
            "additional_details": {"converted_by": f"tasklaws {version}"},
        },
        "model_info": {
            "name": model,
            "id": model,
            "additional_details": {"deployment_type": "unknown", "model_availability": "unknown", **details},
        },
        "evaluation_results": [
            _result(row, bool(row["is_loss"])) for row in rows.assign(is_loss=loss).to_dict("records")
        ],
    }


def _result(row: Mapping[Any, Any], loss: bool) -> dict[str, object]:
    uncertainty: dict[str, object] = {}
    if pd.notna(row["stderr"]):
        uncertainty["standard_error"] = {"value": float(row["stderr"])}
    if pd.notna(row["n_items"]) and row["n_items"] == int(row["n_items"]):
        uncertainty["num_samples"] = int(row["n_items"])
    score: dict[str, object] = {"score": float(row["value"])}
    if uncertainty:
        score["uncertainty"] = uncertainty
    if pd.notna(row["chance"]):
        score["details"] = {"chance": _text(row["chance"])}
    found = {
        "evaluation_name": row["task"],
        "source_data": {"dataset_name": row["task"], "source_type": "other"},
        "metric_config": {
            "metric_name": row["metric"],
            "lower_is_better": loss,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": "Infinity" if loss else 1.0,
        },
        "score_details": score,
    }
    if pd.notna(row.get("n_shot", math.nan)):
        found["generation_config"] = {"additional_details": {"num_fewshot": _text(row["n_shot"])}}
    return found


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _slug(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", name).strip("._") or "unknown"


def _uuid(record: Mapping[str, Any]) -> str:
    """A version-4 UUID that follows from the content: the data store wants one in the name, and no clock or chance."""
    text = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"
