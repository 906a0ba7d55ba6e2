"""One model asked some tasks, without the pipeline: what it said, its scores, and points that other commands take."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
from lm_eval.api.model import LM

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_file, write_json, write_jsonl
from tasklaws.core.schema import BENCHMARK, Elicitation, Item, Response, read_family_items
from tasklaws.core.settings import (
    HF,
    PARAMS,
    Asking,
    BatchSize,
    Benchmark,
    Device,
    Settings,
    load,
)
from tasklaws.families import build
from tasklaws.families.draws import write_items
from tasklaws.families.prompts import TASKS
from tasklaws.harness.ask import Means, loaded_models
from tasklaws.harness.benchmarks.ask import ask_benchmarks
from tasklaws.harness.benchmarks.items import items_of
from tasklaws.harness.benchmarks.scores import Scored
from tasklaws.harness.benchmarks.tasks import load_benchmarks
from tasklaws.harness.named_model import means_by_name, short_name
from tasklaws.harness.respond import respond
from tasklaws.harness.score import score
from tasklaws.harness.scored_points import points_of, scores_by_item, table_text
from tasklaws.harness.servers import resumed_from
from tasklaws.ladder.heldout import count_config
from tasklaws.sandbox import OutcomeCache
from tasklaws.tabular.points import write_points

KEY_DIGITS = 16
_OUTCOMES = Path(".work/outcomes")
_UNKNOWN = "n_params of {} is unknown: state --n-params where points.csv is to be forecast from"


@dataclass(frozen=True)
class AskedModel:
    """What a model said and is worth: `responses` a row an item, `scores` the same in numbers, `points` a row a task
    and metric (tables.POINTS) with the limits `low` and `high` of a 90% interval; `record` says how it was asked."""

    name: str
    record: Mapping[str, object]
    responses: Sequence[Mapping[str, object]]
    scores: pd.DataFrame
    points: pd.DataFrame
    notes: Sequence[str]

    def to_dict(self) -> dict[str, object]:
        columns = ["task", "metric", "value", "low", "high", "n_items", "chance"]
        rows = self.points[columns].astype(object).where(self.points[columns].notna(), None).to_dict("records")
        return {"model": self.name, "asked": self.record, "results": rows, "notes": list(self.notes)}

    def summary(self) -> str:
        """A line a task and metric."""
        return table_text(self.points)

    def write(self, directory: Path) -> None:
        """responses.jsonl, scores.csv, points.csv, items.csv (a score an item, for `compare`) and summary.json."""
        write_jsonl(directory / "responses.jsonl", self.responses)
        self.scores.drop(columns=["rung", "seed", "step"]).to_csv(directory / "scores.csv", index=False)
        write_points(directory / "points.csv", self.points.drop(columns=["low", "high"]))
        scores_by_item(self.name, self.scores).to_csv(directory / "items.csv", index=False)
        write_json(directory / "summary.json", self.to_dict())


def ask_model(
    model: str,
    tasks: Sequence[str],
    asking: Asking,
    *,
    arguments: Mapping[str, Any] | None = None,
    device: Device = "auto",
    batch_size: BatchSize = "auto",
    limit: int | None = None,
    own_shots: bool = True,
    folder: Path = TASKS,
    name: str | None = None,
    sizes: Mapping[str, int] | None = None,
    kept: Path | None = None,
    tell: Callable[[Sequence[str]], None] = lambda notes: None,
) -> AskedModel:
    """Ask one model some tasks: families of ours, or one way of asking them, and any task or group of lm-eval.

    `model` is a directory, a .gguf file, one of lm-eval's model types with its `arguments`, or a repository of a hub.
    Of a family `limit` items are asked, evenly spread, of lm-eval's tasks the first ones; these have as many examples
    as they say themselves (`own_shots`), or as `asking` says. Tasks in `folder` come before lm-eval's own. `sizes` are
    its n_params and n_tokens, where they are known; of a model that runs here n_params is counted. Answers are kept in
    the directory `kept`, in one named by a key of KEY_DIGITS hex digits, until all are there. `tell` is given the notes
    as they come up, before anything is asked where that can be. The families need the repository, whose params.yaml has
    their settings.
    """
    if not folder.is_dir():
        raise TasklawsError(f"--folder {folder} is no folder: give one, with lm-eval tasks of your own or empty")
    with tempfile.TemporaryDirectory(prefix="tasklaws.") as work:
        means = means_by_name(model, dict(arguments or {}), asking, device, batch_size, Path(work))
        settings = load() if PARAMS.is_file() and TASKS.is_dir() else None
        ways, others, notes = _sorted_out(tasks, settings, means)
        items, asked_items = Path(work) / "items", dict[str, Item]()
        only = set[str]()
        if settings is not None and ways:
            asked_items, only = _write_items(settings, ways, items, asking, limit)
        shots = None if own_shots else asking.num_fewshot
        wanted = {task: Benchmark(limit=limit, num_fewshot=shots) for task in others}
        name = name or short_name(model, means.arguments)
        if "n_params" not in (sizes or {}) and means.kind not in HF:
            notes.append(_UNKNOWN.format(name))
        tell(notes)
        with _quiet():
            benchmarks = load_benchmarks(wanted, folder, where="--tasks")[0] if wanted else []
            parts = None if kept is None else kept / _key(means, ways, wanted, items, model)
            (loaded,) = loaded_models([Path(model)], means)
            rows: list[dict[str, object]] = []
            with resumed_from(parts):
                if ways:
                    folders = [] if parts is None else [parts]
                    rows += next(respond([loaded], asking, batch_size, ways, items, only, means.likelihoods, folders))
                own = parts and parts / BENCHMARK
                rows += ask_benchmarks(loaded, benchmarks, asking, batch_size, means.likelihoods, own)
    said = [Response(seed=0, step=0, **row) for row in rows]  # type: ignore[arg-type]
    tables = []
    if ways and settings is not None:
        outcomes = OutcomeCache(_OUTCOMES, settings.execution.workers)
        families = [one for one in said if one.elicitation != BENCHMARK]
        tables.append(score(name, families, asked_items, outcomes, asking.prompts))
    whole: list[dict[str, object]] = []
    for one in benchmarks:
        answers = {each.item: each for each in said if each.family == one.family}
        found = Scored(one, list(items_of(one)), answers)
        tables.append(pd.DataFrame(found.rows(name, 0, 0)))
        whole += [
            {"task": one.family, "metric": metric.name, "value": value, "n_items": n_items}
            for metric, value, n_items in found.whole()
        ]
    scores = pd.concat(tables, ignore_index=True)
    known = {"ladder": "asked", "model": name, "n_params": _n_params(loaded)} | dict(sizes or {})
    if known["n_params"] is None and means.kind in HF:
        tell([_UNKNOWN.format(name)])
        notes.append(_UNKNOWN.format(name))
    record = means.record | {"model": model, "model_args": dict(arguments or {}), "tasks": list(tasks), "limit": limit}
    return AskedModel(name, record, rows, scores, points_of(scores, whole, known), notes)


def _sorted_out(
    tasks: Sequence[str], settings: Settings | None, means: Means
) -> tuple[dict[str, tuple[Elicitation, ...]], list[str], list[str]]:
    """The families that are asked and in which ways, lm-eval's tasks, and a line on what is left out."""
    ways: dict[str, tuple[Elicitation, ...]] = {}
    others, notes = list[str](), list[str]()
    known = {} if settings is None else {one.name: one.elicitations for one in build(settings.families.sets)}
    by_task = {f"{family}_{way}": (family, way) for family, all_ in known.items() for way in all_}
    for task in dict.fromkeys(tasks):
        if task not in known and task not in by_task:
            others.append(task)
            continue
        for family, way in [by_task[task]] if task in by_task else [(task, way) for way in known[task]]:
            if way == "choice" and not means.likelihoods:
                notes.append(f"{family}_choice is left out: {means.kind} gives no likelihoods of the choices")
            elif way not in ways.get(family, ()):
                ways[family] = (*ways.get(family, ()), way)
    if not ways and not others:
        raise TasklawsError("no task is left to ask: " + "; ".join(notes or ["give some by --tasks"]))
    return ways, others, notes


def _write_items(
    settings: Settings, ways: Mapping[str, Sequence[str]], out: Path, asking: Asking, limit: int | None
) -> tuple[dict[str, Item], set[str]]:
    """Write the families' items as the stage items does; all of them by their ids, and the ids that are asked."""
    families = build(settings.families.sets)
    n_shots = max(settings.elicitation.n_shots_kept, asking.num_fewshot)
    for family in (one for one in families if one.name in ways):
        if asking.prompts == "plain" and not family.is_plain:
            raise TasklawsError(f"{family.name} has no plain prompts: ask it with --prompts terse")
        try:
            write_items(family, families, settings.seed, settings.families.split, n_shots, out)
        except TasklawsError as error:
            raise TasklawsError(str(error).replace("n_shots_kept", "--num-fewshot")) from error
    found, only = dict[str, Item](), set[str]()
    for asked in ways:
        items = read_family_items([f"{asked}.plain" if asking.prompts == "plain" else asked], out)
        found |= {item.id: item for item in items}
        count = min(limit or len(items), len(items))
        only |= {items[(2 * place + 1) * len(items) // (2 * count)].id for place in range(count)}
    return found, only


def _n_params(model: LM) -> int | None:
    """The non-embedding parameters of a model that runs here."""
    config = getattr(getattr(model, "model", None), "config", None)
    if config is None:
        return None
    return count_config(config, False)[0]


def _key(means: Means, ways: Any, wanted: Any, items: Path, model: str) -> str:
    """What determines the answers, as far as it is known."""
    places = [place for root in (items, Path(model)) for place in (root, *sorted(root.rglob("*")))]
    files = [path for path in places if path.is_file()]
    parts = [json.dumps([means.record, ways, wanted], sort_keys=True, default=vars), *map(sha256_file, files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:KEY_DIGITS]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and warnings of lm-eval and transformers."""
    os.environ.update({"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1"})
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with redirect_stderr(StringIO()):
        yield
