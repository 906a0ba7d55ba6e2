"""lm-eval's own tasks through our asking and scoring: plain lm-eval's scores, and what its names and errors become."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lm_eval
import pytest
from lm_eval.tasks import TaskManager

import local_tasks
from tasklaws.core.checked import read
from tasklaws.core.schema import Response
from tasklaws.core.settings import Asking, Benchmark
from tasklaws.harness.benchmarks.about import write_benchmarks
from tasklaws.harness.benchmarks.ask import ask_benchmarks
from tasklaws.harness.benchmarks.items import read_benchmarks
from tasklaws.harness.benchmarks.scores import Scored
from tasklaws.harness.models import load_model

ASKING = Asking("float64", num_fewshot=0, shots="same", prompts="terse", chat_template=False)
REPEATS = 4


@pytest.fixture(scope="module")
def model(model_dir):
    return load_model(model_dir, ASKING, batch_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model) -> Path:
    """The tasks; of `written` the first answers are those that the model gives."""
    first = local_tasks.write_tasks(tmp_path_factory.mktemp("tasks"))
    said = plain(model, first, ["written"], REPEATS)["samples"]["written"]
    right = [sample["resps"][0][number % 2].split() for number, sample in enumerate(said[:4])]
    return local_tasks.write_tasks(first, [words[0] if words else "none" for words in right])


def plain(model, folder: Path, names: list[str], repeats: int | None = None) -> dict[str, Any]:
    """What `lm_eval` itself says of the same model."""
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    loaded = manager.load(names)
    for task in loaded["tasks"].values():
        if repeats and task.OUTPUT_TYPE == "generate_until":
            task.set_config("repeats", repeats)
    tasks = [*loaded["groups"].values()] or list(loaded["tasks"].values())
    found: Any = lm_eval.simple_evaluate(model, tasks=tasks, task_manager=manager, bootstrap_iters=0)
    return found


def settings(folder: Path, **benchmarks: Any) -> Any:
    asked = {name: read(Benchmark, how, name, "") for name, how in benchmarks.items()}
    return SimpleNamespace(benchmarks=asked, benchmark_folder=str(folder))


def scored(model, folder: Path, out: Path, **benchmarks: Any) -> dict[str, Scored]:
    """Written, asked, stored as JSON and scored."""
    conf = settings(folder, **benchmarks)
    write_benchmarks(conf, out)
    loaded = read_benchmarks(conf, out)
    rows = ask_benchmarks(model, [one for one, _ in loaded], ASKING, 4)
    stored = [json.loads(json.dumps({"seed": 0, "step": 1, **row})) for row in rows]
    said = {row["item"]: read(Response, row, "row", "") for row in stored}
    return {one.family: Scored(one, items, said) for one, items in loaded}


def means(one: Scored) -> dict[str, float]:
    """Every metric of a benchmark: means of items' scores, and what is of all together."""
    columns: dict[str, list[float]] = {}
    for _, row in one.rows():
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    found = {name: math.fsum(values) / len(values) for name, values in columns.items()}
    return found | {metric.name: value for metric, value, _ in one.whole()}


def as_written(value: float) -> str:
    """As our tables have it."""
    return f"{value:.10g}"


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("choices", {"acc": "acc,none", "acc_norm": "acc_norm,none", "exact_match": "acc,none"}),
        ("ending", {"perplexity": "perplexity,none", "acc": "acc,none", "exact_match": "acc,none"}),
        ("text", {"word_perplexity": "word_perplexity,none", "bits_per_byte": "bits_per_byte,none"}),
        ("subjects", {"acc": "acc,none", "exact_match": "acc,none"}),
    ],
)
def test_scores_are_those_of_plain_lm_eval(model, folder, tmp_path, task, names):
    wanted = plain(model, folder, [task])["results"][task]
    found = means(scored(model, folder, tmp_path, **{task: {}})[task])
    assert {name: as_written(value) for name, value in found.items()} == {
        name: as_written(wanted[key]) for name, key in names.items()
    }


def test_a_group_has_the_scores_of_its_tasks_too(model, folder, tmp_path):
    wanted = plain(model, folder, ["subjects"])["results"]
    one = scored(model, folder, tmp_path, subjects={})["subjects"]
    found = one.by_task()
    for task in ("choices", "letters"):
        for key in ("acc,none", "acc_norm,none"):
            assert as_written(found[task][key]) == as_written(wanted[task][key])
    assert {skill for item in one.items for skill in item.skills} == {
        "task:choices",
        "task:letters",
        "subject:sums",
        "subject:strings",
    }


def test_repeats_are_all_scored(model, folder, tmp_path):
    wanted = plain(model, folder, ["written"], REPEATS)
    one = scored(model, folder, tmp_path, written={"repeats": REPEATS})["written"]
    found = means(one)
    for kind in ("strict", "lenient"):
        assert as_written(found[f"exact_match,{kind}"]) == as_written(
            wanted["results"]["written"][f"exact_match,{kind}"]
        )
    samples = [one for one in wanted["samples"]["written"] if one["filter"] == "strict"]
    rights = [[text.split(" ")[1:2] == [sample["target"]] for text in sample["resps"][0]] for sample in samples]
    assert any(any(each) and not all(each) for each in rights)
    for (_, row), each in zip(one.rows(), rights, strict=True):
        assert row["exact_match"] == row[f"exact_match,strict,mean@{REPEATS}"] == sum(each) / REPEATS
        pairs = [(a, b) for a in range(REPEATS) for b in range(a)]
        assert row["pass@2"] == pytest.approx(sum(each[a] or each[b] for a, b in pairs) / len(pairs))
        assert row["pass@4"] == float(any(each))
