"""What lm-eval wrote: result files of today (0.4), of 0.3 and before, and those of lighteval, which took the form over.

    {"results": {"arc_easy": {"acc,none": 0.4, "acc_stderr,none": 0.01}}, "n-samples": {..}, "config": {..}, ..}  0.4
    {"results": {"arc_easy": {"acc": 0.4, "acc_stderr": 0.01}}, "versions": {..}, "config": {..}}                  0.3
    {"results": {"harness|arc:challenge|25": {"acc": 0.4}}, "config_general": {"model_name": ..}}              lighteval

docs/import.md says where a real file of each was seen.
"""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasklaws.readers.chance import chance_of
from tasklaws.readers.runs import (
    EvalRun,
    LeftOut,
    Score,
    count,
    dotted,
    finite_number,
    first_name,
    implied_n_items,
    is_number,
    left_out,
    moment,
    part,
    positive,
    stamp,
)

_MARKS = ("config", "versions", "configs", "config_general", "n-shot")  # one of them stands beside `results`
# What stands among a task's metrics but is none; a metric of such a name has its filter behind it, as in "name,none".
_NOTES = {"alias", "name", "sample_len", "sample_count", "samples"}
_NAME_KEYS = ("peft", "delta", "pretrained", "model", "path", "engine")  # where lm-eval 0.4.13 looks for a model's name
# What config.model says where it names the way to run a model; "gpt2" was one of them in lm-eval 0.3.
_BACKENDS = frozenset(
    (
        *("hf", "hf-auto", "hf-causal", "hf-causal-experimental", "hf-seq2seq", "hf-multimodal", "hf-mistral3"),
        *("hf-audiolm-qwen", "huggingface", "gpt2", "gpt3", "vllm", "vllm-vlm", "sglang", "sglang-generate", "nemo_lm"),
        *("megatron_lm", "mamba_ssm", "sparseml", "deepsparse", "neuronx", "ipex", "openvino", "openvino-causal"),
        *("optimum-causal", "auto-gptq", "steered", "winml", "local-completions", "local-chat-completions", "openai"),
        *("openai-completions", "openai-chat-completions", "anthropic", "anthropic-chat"),
        *("anthropic-chat-completions", "textsynth", "gguf", "ggml", "watsonx_llm", "dummy", "custom"),
    )
)
_STEP = re.compile(r"(?:^|[^a-z])(?:global_?)?step[-_]?(\d{1,15})", re.IGNORECASE)


def is_results(document: Any) -> bool:
    """Whether a JSON document has the shape of a result file of lm-eval or lighteval."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("results"), dict)
        and any(mark in document for mark in _MARKS)
    )


def read_results(file: Path, document: Mapping[str, Any], found: list[LeftOut]) -> EvalRun:
    """The run of one result file; entries that are no finite numbers are added to `found`.

    Unknown is None. `n_items` is what the file says, or what a value and its standard error imply.
    """
    lighteval = isinstance(document.get("config_general"), dict)
    arguments = _arguments(part(document, "config", "model_args"))
    config, model = part(document, "config_general"), part(document, "config_general", "model_config")
    name = (
        first_name(part(config, "model_name"), part(model, "model_name")) if lighteval else _name(document, arguments)
    )
    revision = part(model, "revision") if lighteval else arguments.get("revision")
    revision = revision if isinstance(revision, str) and revision.strip() else None
    scores = list((_lighteval_scores if lighteval else _scores)(file, document, found))
    return EvalRun(
        file=file,
        scores=scores,
        name=name,
        revision=revision,
        step=_step(revision, name, file),
        ran=moment(document.get("date")) or stamp(file.name),
        n_params_total=positive(part(document, "config", "model_num_parameters")),
        groups=_lighteval_groups(document) if lighteval else _groups(document),
    )


def _scores(file: Path, document: Mapping[str, Any], found: list[LeftOut]) -> Iterator[Score]:
    groups = document.get("groups")
    tasks = {**(groups if isinstance(groups, dict) else {}), **document["results"]}
    for task, metrics in tasks.items():
        # "group_subtasks" apart, lm-eval keeps nothing of a group: its choices are those of its tasks.
        below = part(document, "group_subtasks", task)
        choices = _choices(document, [task] if not isinstance(below, list) or not below else below)
        shots = finite_number(part(document, "n-shot", task)), finite_number(part(document, "config", "num_fewshot"))
        n_shot = next((shot for shot in shots if shot is not None), None)
        effective = count(part(document, "n-samples", task, "effective"))
        directions = _directions(part(document, "configs", task, "metric_list"), "metric")
        for key, value, stderr in _numbers(file, task, metrics, found):
            metric, _, filtered = key.partition(",")
            asked = effective or count(part(metrics, "sample_count", key)) or count(part(metrics, "sample_len"))
            better = part(document, "higher_is_better", task, metric)
            better = directions.get(metric) if better is None else better
            yield Score(
                where=dotted("results", task, key),
                task=task,
                metric=metric,
                value=value,
                filter="" if filtered == "none" else filtered,
                stderr=stderr,
                n_items=asked or implied_n_items(value, stderr),
                chance=chance_of(task, metric, choices),
                n_shot=n_shot,
                higher_is_better=better if isinstance(better, bool) else None,
            )


def _numbers(file: Path, task: str, metrics: Any, found: list[LeftOut]) -> Iterator[tuple[str, float, float | None]]:
    """Each metric's key, value and standard error."""
    if not task.strip():
        found.append(left_out(file, "results", task, "", task, "a task needs a name"))
        return
    if not isinstance(metrics, dict):
        found.append(left_out(file, dotted("results", task), task, "", metrics, "it should hold metrics by name"))
        return
    for key, value in metrics.items():
        metric, _, filtered = key.partition(",")
        if key in _NOTES or not metric.strip() or metric.endswith("_stderr"):
            continue
        if not is_number(value):
            where = dotted("results", task, key)
            found.append(left_out(file, where, task, metric, value, "it should be a finite number"))
            continue
        name = f"{metric}_stderr,{filtered}" if filtered else f"{metric}_stderr"
        stderr = finite_number(metrics.get(name))  # unknown where it says "N/A", or NaN of a single item
        if stderr is not None and stderr < 0:
            where = dotted("results", task, name)
            found.append(left_out(file, where, task, f"{metric}_stderr", stderr, "a standard error is 0 or more"))
            stderr = None
        yield key, float(value), stderr


def _choices(document: Mapping[str, Any], tasks: list[Any]) -> list[Any] | None:
    """`doc_to_choice` of tasks whose questions all have as many; None where a task has none, or writes its answer."""
    found = None
    for task in tasks:
        config = part(document, "configs", task) if isinstance(task, str) else None
        choices = None if part(config, "output_type") == "generate_until" else part(config, "doc_to_choice")
        if not isinstance(choices, list) or (found is not None and len(found) != len(choices)):
            return None
        found = choices
    return found


def _groups(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """The tasks below each group: as `group_subtasks` says, or as aliases are indented in lm-eval before 0.4.3."""
    below = document.get("group_subtasks")
    if isinstance(below, dict):
        direct = {
            group: [name for name in names if isinstance(name, str)]
            for group, names in below.items()
            if isinstance(names, list) and names
        }
        return {group: _all_below(group, direct, {group}) for group in direct}
    if not isinstance(document.get("groups"), dict):
        return {}
    found: dict[str, list[str]] = {}
    above: list[tuple[int, str]] = []
    for task, metrics in document["results"].items():
        alias = part(metrics, "alias")
        depth = len(alias) - len(alias.lstrip(" ")) if isinstance(alias, str) else 0
        above = [(level, group) for level, group in above if level < depth]
        for _, group in above:
            found.setdefault(group, []).append(task)
        above.append((depth, task))
    return found


def _all_below(group: str, direct: Mapping[str, list[str]], seen: set[str]) -> list[str]:
    found = []
    for name in direct.get(group, []):
        if name not in seen:
            seen.add(name)
            found += [name, *_all_below(name, direct, seen)]
    return found


def _arguments(given: Any) -> dict[str, Any]:
    """config.model_args by name, in any form: an object, its JSON, as Python prints it, a list of such or of
    `pretrained=a`, `pretrained=a,dtype=b` or a bare name."""
    if isinstance(given, str) and given.lstrip().startswith(("{", "[")):
        given = _written(given)
    if isinstance(given, list):
        objects = [one for one in given if isinstance(one, dict)]
        if objects:
            return {key: value for one in objects for key, value in one.items()}
        given = ",".join(str(one) for one in given)
    if isinstance(given, str):
        if "=" not in given:
            return {"pretrained": given.strip()} if given.strip() else {}
        pairs = (one.split("=", 1) for one in given.split(",") if "=" in one)
        given = {key.strip(): value.strip().strip("'\"") for key, value in pairs}
    return given if isinstance(given, dict) else {}


def _written(text: str) -> Any:
    """What JSON, or Python's text of a dict or list, holds; None where it is neither."""
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return read(text)
    return None


def _name(document: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    backend = part(document, "config", "model")
    given = [arguments.get(key) for key in _NAME_KEYS] + [document.get("model_name")]
    given.append(None if isinstance(backend, str) and backend.lower() in _BACKENDS else backend)
    return first_name(*given)


def _step(revision: str | None, name: str | None, file: Path) -> int | None:
    """The training step that a revision names, or else the file's name apart from the model's own."""
    own = (name or "").rstrip("/").rsplit("/", 1)[-1]
    text = file.name.replace(own, "") if own else file.name
    found = _STEP.search(revision or "") or _STEP.search(text)
    return int(found[1]) if found else None


def _lighteval_task(key: str) -> tuple[str, int | None]:
    """`harness|arc:challenge|25` or `arc:challenge|25`: the task and its number of shots."""
    pieces = key.split("|")
    if len(pieces) > 1 and pieces[-1].isdecimal() and len(pieces[-1]) < 6:
        return "|".join(pieces[1:-1] if len(pieces) > 2 else pieces[:-1]), int(pieces[-1])
    return key, None


def _lighteval_tasks(document: Mapping[str, Any]) -> dict[str, tuple[str, int | None]]:
    """Each key's task and number of shots, with its suite where another suite has the same."""
    plain = {key: _lighteval_task(key) for key in document["results"]}
    clash = {task for (task, _), number in Counter(plain.values()).items() if number > 1}
    return {
        key: (key.rpartition("|")[0], n_shot) if task in clash else (task, n_shot)
        for key, (task, n_shot) in plain.items()
    }


def _lighteval_scores(file: Path, document: Mapping[str, Any], found: list[LeftOut]) -> Iterator[Score]:
    tasks = _lighteval_tasks(document)
    for key, metrics in document["results"].items():
        task, n_shot = tasks[key]
        config = part(document, "config_tasks", key) or part(document, "config_tasks", key.rpartition("|")[0])
        # `effective_num_docs` is the whole split's where only some of it was asked.
        asked = None if part(document, "config_general", "max_samples") else count(part(config, "effective_num_docs"))
        better = _directions(part(config, "metrics"), "metric_name")
        for metric, value, stderr in _numbers(file, key, metrics, found):
            yield Score(
                where=dotted("results", key, metric),
                task=task,
                metric=metric,
                value=value,
                stderr=stderr,
                n_items=asked or implied_n_items(value, stderr),
                chance=chance_of(task, metric, None),
                n_shot=n_shot,
                higher_is_better=better.get(metric),
            )


def _directions(metrics: Any, name: str) -> dict[str, bool]:
    """Whether more is better, by metric, as a task's settings list it; `name` is the key of the metric's name."""
    listed = [one for one in metrics if isinstance(one, dict)] if isinstance(metrics, list) else []
    stated = [(one.get(name), one.get("higher_is_better")) for one in listed]
    return {metric: better for metric, better in stated if isinstance(metric, str) and isinstance(better, bool)}


def _lighteval_groups(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """`all` is the mean of all tasks, `mmlu:_average|5` that of the tasks `mmlu:*|5`."""
    tasks = [(key, task) for key, (task, _) in _lighteval_tasks(document).items()]
    found = {"all": [task for key, task in tasks if key != "all"]} if "all" in document["results"] else {}
    for _, task in tasks:
        start, mean, _ = task.partition(":_average")
        if mean:
            found[task] = [other for _, other in tasks if other.startswith(f"{start}:") and other != task]
    return found
