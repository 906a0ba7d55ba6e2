"""Small valid files of every kind that `tasklaws import` reads, made by hand after real ones (docs/import.md)."""

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODELS = "model,n_params,n_tokens\na-10m,10000000,200000000\nb-30m,30000000,600000000\n"


def lm_eval_04(name: str = "org/a-10m", acc: float = 0.4, **changes: Any) -> dict[str, Any]:
    """lm-eval 0.4.13: a group and its tasks, two filters, choices in the settings, counts and directions."""
    tasks = {
        "t1": {"alias": "t1", "sample_len": 100, "acc,none": acc, "acc_stderr,none": 0.01, "acc_norm,none": acc / 2},
        "t2": {"alias": "t2", "sample_len": 100, "acc,none": acc / 2, "acc_stderr,none": "N/A"},
        "gen": {"exact_match,strict-match": acc, "exact_match,flexible-extract": acc / 2},
        "wiki": {"bits_per_byte,none": 1.3, "bits_per_byte_stderr,none": math.nan},
    }
    group = {"pair": {"alias": "pair", "acc,none": 0.75 * acc, "sample_count": {"acc,none": 200}}}
    document = {
        "results": {**tasks, **group},
        "groups": group,
        "group_subtasks": {"pair": ["t1", "t2"]},
        "configs": {"t1": {"doc_to_choice": ["no", "yes"]}, "t2": {"doc_to_choice": ["no", "yes"]}},
        "versions": {"t1": 1.0},
        "n-shot": {"t1": 0, "gen": 5},
        "n-samples": {"t1": {"original": 900, "effective": 100}, "t2": {"original": 900, "effective": 100}},
        "higher_is_better": {"t1": {"acc": True}, "wiki": {"bits_per_byte": False}},
        "config": {"model": "hf", "model_args": {"pretrained": name}, "model_num_parameters": 11_000_000},
        "date": 1_767_261_600.0,
        "model_name": name,
    }
    return document | changes


def lm_eval_040(name: str = "org/a-10m", acc: float = 0.4) -> dict[str, Any]:
    """lm-eval 0.4.0: the tasks of a group are known by how their aliases are indented; no counts."""
    results = {
        "pair": {"acc,none": acc, "acc_stderr,none": 0.02, "alias": "pair"},
        "t1": {"acc,none": acc, "acc_stderr,none": 0.01, "alias": " - t1"},
        "t2": {"acc,none": acc, "acc_stderr,none": 0.01, "alias": " - t2"},
        "t3": {"acc,none": acc, "acc_stderr,none": 0.01, "alias": "t3"},
    }
    return {
        "results": results,
        "groups": {"pair": results["pair"]},
        "configs": {"t1": {"metric_list": [{"metric": "acc", "higher_is_better": True}]}},
        "versions": {"pair": "N/A", "t1": 1.0},
        "n-shot": {"pair": 0, "t1": 0},
        "config": {"model": "hf", "model_args": f"pretrained={name},dtype=float"},
        "git_hash": "x",
    }


def lm_eval_03(name: str = "org/a-10m", acc: float = 0.4) -> dict[str, Any]:
    """lm-eval 0.3: names of metrics without filters."""
    return {
        "results": {"t1": {"acc": acc, "acc_stderr": 0.01}, "lambada_openai": {"ppl": 20.5, "ppl_stderr": 1.0}},
        "versions": {"t1": 0},
        "config": {"model": "hf-causal", "model_args": f"pretrained={name}", "num_fewshot": 0, "limit": None},
    }


def lighteval(name: str = "org/a-10m", acc: float = 0.4) -> dict[str, Any]:
    """The Open LLM Leaderboard's files, and lighteval 0.13's, which name settings by task."""
    return {
        "config_general": {"lighteval_sha": "?", "max_samples": None, "model_name": name},
        "results": {
            "harness|arc:challenge|25": {"acc": acc, "acc_stderr": 0.01, "acc_norm": acc},
            "mmlu:anatomy|5": {"acc": acc, "acc_stderr": math.nan},
            "mmlu:astronomy|5": {"acc": acc, "acc_stderr": 0.02},
            "mmlu:_average|5": {"acc": acc, "acc_stderr": 0.02},
            "all": {"acc": acc},
        },
        "versions": {"all": 0},
        "config_tasks": {
            "mmlu:anatomy|5": {"effective_num_docs": 135, "metrics": [{"metric_name": "acc", "higher_is_better": True}]}
        },
    }


def inspect_log(name: str = "openai/a-10m", acc: float = 0.5) -> dict[str, Any]:
    """Inspect 0.3: one scorer, two epochs with two reducers, and the samples."""

    def scored(reducer: str, value: float) -> dict[str, Any]:
        metrics = {"accuracy": {"name": "accuracy", "value": value}, "stderr": {"name": "stderr", "value": 0.1}}
        return {"name": "choice", "scorer": "choice", "reducer": reducer, "scored_samples": 4, "metrics": metrics}

    def sample(identity: int, epoch: int) -> dict[str, Any]:
        letter = "CIPN"[(identity + epoch) % 4]
        return {"id": identity, "epoch": epoch, "choices": ["x", "y"], "scores": {"choice": {"value": letter}}}

    return {
        "version": 2,
        "status": "success",
        "eval": {"task": "pkg/quiz", "model": name, "created": "2026-01-02T10:00:00+02:00", "config": {"epochs": 2}},
        "results": {"total_samples": 8, "scores": [scored("mean", acc), scored("at_least_1", 0.9)]},
        "samples": [sample(identity, epoch) for epoch in (1, 2) for identity in range(4)],
    }


def every_eval_ever(name: str = "org/a-10m", score: float = 0.4) -> dict[str, Any]:
    """Every Eval Ever 0.3.0: a share and a percentage, whose range says so."""

    def result(task: str, value: float, most: float, lower: bool = False) -> dict[str, Any]:
        return {
            "evaluation_name": task,
            "source_data": {"dataset_name": task, "source_type": "other"},
            "metric_config": {
                "metric_name": "accuracy",
                "lower_is_better": lower,
                "score_type": "continuous",
                "min_score": 0,
                "max_score": most,
            },
            "score_details": {
                "score": value,
                "uncertainty": {"standard_error": {"value": most / 100}, "num_samples": 50},
            },
        }

    return {
        "schema_version": "0.3.0",
        "evaluation_id": f"quiz/{name}/1",
        "retrieved_timestamp": "1767261600",
        "source_metadata": {
            "source_type": "documentation",
            "source_organization_name": "we",
            "evaluator_relationship": "other",
        },
        "eval_library": {"name": "ours", "version": "1"},
        "model_info": {
            "name": name,
            "id": name,
            "additional_details": {"deployment_type": "unknown", "model_availability": "unknown"},
        },
        "evaluation_results": [result("quiz", score, 1), result("exam", 100 * score, 100)],
    }


def lm_eval_samples(acc: float = 1.0) -> list[dict[str, Any]]:
    """lm-eval's samples: four choices each, their log-likelihoods."""
    answers = [["-1.5", "False"], ["-0.5", "True"], ["-2.0", "False"], ["-3.0", "False"]]
    return [
        {
            "doc_id": place,
            "doc": {"q": place},
            "target": "x",
            "resps": [[one] for one in answers],
            "filtered_resps": answers,
            "filter": "none",
            "metrics": ["acc", "acc_norm"],
            "acc": acc if place % 2 else 0.0,
            "acc_norm": 0.0,
        }
        for place in range(4)
    ]


def py_irt() -> list[dict[str, Any]]:
    return [{"subject_id": name, "responses": {"q1": 1, "q2": 0, "q3": place % 2}} for place, name in enumerate("abc")]


def metr() -> list[dict[str, Any]]:
    """METR's runs: two at a task, one of them broken off, and one of a person."""

    def run(alias: str, task: str, score: int, fatal: str | None = None) -> dict[str, Any]:
        return {
            "run_id": f"{alias}{task}",
            "task_id": f"{task}/main",
            "task_family": task,
            "alias": alias,
            "model": alias.lower(),
            "score_binarized": score,
            "score_cont": float(score),
            "human_minutes": 12.5,
            "fatal_error_from": fatal,
        }

    runs = [run(alias, task, score) for alias in ("Old", "New") for task, score in (("sums", 1), ("proofs", 0))]
    return [*runs, run("New", "proofs", 0, "usageLimits"), run("human", "proofs", 1)]


def instances(name: str = "org/a-10m") -> list[dict[str, Any]]:
    """Every Eval Ever's scores by item."""
    return [
        {
            "schema_version": "0.3.0",
            "evaluation_id": f"quiz/{name}/1",
            "model_id": name,
            "evaluation_name": "quiz",
            "sample_id": f"q{place}",
            "interaction_type": "single_turn",
            "input": {"raw": "?", "reference": ["x"], "choices": ["x", "y"]},
            "output": {"raw": ["x"]},
            "answer_attribution": [],
            "evaluation": {"score": float(place % 2), "is_correct": bool(place % 2)},
        }
        for place in range(4)
    ]


# By name: what a file is called, and what it holds. Files of results first, then those of scores by item.
RESULTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "lm-eval 0.4.13": ("results_2026-01-01T10-00-00.000000.json", lm_eval_04),
    "lm-eval 0.4.0": ("results.json", lm_eval_040),
    "lm-eval 0.3": ("a-10m.json", lm_eval_03),
    "lighteval": ("results_2026-01-01T10-00-00.000000.json", lighteval),
    "inspect": ("2026-01-02T10-00-00-00-00_quiz_x.json", inspect_log),
    "every eval ever": ("6f6f676f-4465-4478-811a-9f5ac97b3d2e.json", every_eval_ever),
}
SAMPLES: dict[str, tuple[str, Callable[[], Any]]] = {
    "lm-eval samples": ("samples_t1_2026-01-01T10-00-00.000000.jsonl", lm_eval_samples),
    "inspect": ("2026-01-02T10-00-00-00-00_quiz_x.json", inspect_log),
    "py-irt": ("answers.jsonlines", py_irt),
    "metr": ("all_runs.jsonl", metr),
    "every eval ever instances": ("6f6f676f-4465-4478-811a-9f5ac97b3d2e_samples.jsonl", instances),
}


def write(path: Path, document: Any) -> Path:
    """A file of a document: text as it is, a list as JSON lines where the name says so, else JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(document, str):
        text = document
    elif path.suffix in (".jsonl", ".jsonlines"):
        text = "".join(json.dumps(line) + "\n" for line in document)
    else:
        text = json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return path


def write_archive(path: Path, document: dict[str, Any], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """An Inspect log as a .eval archive."""
    header = {key: value for key, value in document.items() if key != "samples"}
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("header.json", json.dumps(header))
        archive.writestr("summaries.json", json.dumps(document["samples"]))
    return path
