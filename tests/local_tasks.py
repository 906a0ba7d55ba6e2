"""lm-eval tasks over JSON files that a test writes: a choice, a text with filters, likelihoods, and a group."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

WORDS = ("sum", "sort", "sha256", "reverse", "add", "copy")


def write_tasks(folder: Path, written: Sequence[str] = ("7", "12", "30", "4"), named: str | None = None) -> Path:
    """Write tasks into a folder, which they call `named`, and return it: `choices`, `letters` and `written` (whose
    right answers are given), `ending` and `text`, and the group `subjects` of the first two."""
    folder.mkdir(parents=True, exist_ok=True)
    docs = {
        "choices": [
            {
                "q": f"{WORDS[number % 6]} {number}",
                "options": [str(number), str(number + 1), f"{number}{number}", "none"][: 2 + number % 3],
                "gold": number % 2,
                "subject": ("sums", "strings")[number % 2],
            }
            for number in range(9)
        ],
        "letters": [
            {"q": f"letter {number}", "options": ["a", "bb", "ccc"], "gold": number % 3} for number in range(4)
        ],
        "written": [{"q": f"{WORDS[number % 6]} 1..{number}", "a": answer} for number, answer in enumerate(written)],
        "ending": [{"before": f"Q: sum 1..{number}", "last": f"{number}"} for number in range(6)],
        "text": [{"all": f"Q: sum 1..{number}\nA: {number * (number + 1) // 2}"} for number in range(2, 6)],
    }
    for name, rows in docs.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    choice = {
        "output_type": "multiple_choice",
        "doc_to_text": "Q: {{q}}\nA:",
        "doc_to_choice": "options",
        "doc_to_target": "gold",
        "metric_list": [_mean("acc"), _mean("acc_norm")],
    }
    tasks: dict[str, dict[str, Any]] = {
        "choices": choice,
        "letters": choice,
        "written": {
            "output_type": "generate_until",
            "doc_to_text": "Q: {{q}}\nA:",
            "doc_to_target": "{{a}}",
            "generation_kwargs": {"until": ["\n"], "do_sample": True, "temperature": 1.0, "max_gen_toks": 6},
            "metric_list": [_mean("exact_match")],
            "filter_list": [_filter("strict", r"^ (\S+)"), _filter("lenient", r"([0-9a-z]+)")],
        },
        "ending": {
            "output_type": "loglikelihood",
            "doc_to_text": "{{before}}",
            "doc_to_target": " {{last}}",
            "metric_list": [
                {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
                _mean("acc"),
            ],
        },
        "text": {
            "output_type": "loglikelihood_rolling",
            "doc_to_text": "",
            "doc_to_target": "{{all}}",
            "metric_list": [
                {"metric": name, "aggregation": kind, "higher_is_better": False}
                for name, kind in (("word_perplexity", "weighted_perplexity"), ("bits_per_byte", "bits_per_byte"))
            ],
        },
    }
    for name, task in tasks.items():
        data = {
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": f"{named or folder}/{name}.json"}},
            "test_split": "test",
            "metadata": {"version": 1.0},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **data, **task}))
    group = {"group": "subjects", "task": ["choices", "letters"], "aggregate_metric_list": [{"metric": "acc"}]}
    (folder / "subjects.yaml").write_text(yaml.safe_dump(group))
    return folder


def write_odd_tasks(folder: Path) -> None:
    """Beside those of `write_tasks`, tasks that cannot be asked, or not without more."""
    letters = yaml.safe_load((folder / "letters.yaml").read_text())
    written = yaml.safe_load((folder / "written.yaml").read_text())
    odd: dict[str, dict[str, Any]] = {
        "zero": letters | {"num_fewshot": 0},
        "unsafe": written | {"unsafe_code": True},
        "seen": written | {"doc_to_image": "a"},
        "gone": written | {"dataset_kwargs": {"data_files": {"test": f"{folder}/gone.json"}}},
        "shown": letters | {"fewshot_split": "test"},
        "guess": letters | {"doc_to_choice": ["one"], "doc_to_target": "0"},
    }
    odd["shown"]["tag"] = "shown_letters"
    (folder / "letters.yaml").write_text(yaml.safe_dump(letters | {"tag": "shown_letters"}))
    for name, task in odd.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task | {"task": name}))


def _mean(name: str) -> dict[str, object]:
    return {"metric": name, "aggregation": "mean", "higher_is_better": True}


def _filter(name: str, pattern: str) -> dict[str, object]:
    steps = [{"function": "regex", "regex_pattern": pattern, "group_select": 0}, {"function": "take_first"}]
    return {"name": name, "filter": steps}
