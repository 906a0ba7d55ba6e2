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
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Response, read_benchmark_items
from tasklaws.core.settings import Asking, Benchmark
from tasklaws.harness.benchmarks.about import write_benchmarks
from tasklaws.harness.benchmarks.ask import ask_benchmarks
from tasklaws.harness.benchmarks.items import read_benchmarks
from tasklaws.harness.benchmarks.scores import NotAllAnswered, Scored
from tasklaws.harness.benchmarks.tasks import load_benchmarks
from tasklaws.harness.models import load_model

ABOUT = ("rung", "seed", "step", "family", "elicitation", "item", "chance", "response")
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
    for row in one.rows("small", 0, 1):
        for name in row.keys() - set(ABOUT):
            columns.setdefault(name, []).append(row[name])
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
    for row, each in zip(one.rows("small", 0, 1), rights, strict=True):
        assert row["exact_match"] == row[f"exact_match,strict,mean@{REPEATS}"] == sum(each) / REPEATS
        pairs = [(a, b) for a in range(REPEATS) for b in range(a)]
        assert row["pass@2"] == pytest.approx(sum(each[a] or each[b] for a, b in pairs) / len(pairs))
        assert row["pass@4"] == float(any(each))


def test_what_is_known_of_a_benchmark_is_written(model, folder, tmp_path):
    write_benchmarks(settings(folder, choices={"limit": 5}, written={}, ending={}), tmp_path)
    about = json.loads((tmp_path / "benchmarks.json").read_text())
    assert {"choices.yaml", "choices.json"} <= set(about["own_files"])  # a change of them asks anew
    known = about["benchmarks"]
    (task,) = known["choices"]["tasks"].values()
    assert task["n_documents"] == 5
    assert task["n_documents_of_task"] == 9
    assert task["version"] == "1.0"
    assert task["output_type"] == "multiple_choice"
    assert set(task["data_set"]["files"]) == {"choices.json"}
    assert str(folder) not in (tmp_path / "benchmarks.json").read_text()
    assert known["choices"]["solved"] == "acc,none"
    assert known["written"]["solved"] == "exact_match,strict"
    assert [(one["name"], one["of"]) for one in known["ending"]["metrics"]] == [
        ("perplexity", "all answers"),
        ("acc", "items"),
    ]
    items = read_benchmark_items(tmp_path / "choices.jsonl")
    assert [item.chance for item in items] == [pytest.approx(1 / len(item.choices)) for item in items]
    assert items[1].id == "choices-00001"
    assert items[1].answer == items[1].choices[1]
    assert items[1].skills == ("subject:strings",)
    samples = plain(model, folder, ["choices"])["samples"]["choices"]
    assert [item.sha256 for item in items] == [sample["doc_hash"] for sample in samples[:5]]


def test_two_runs_write_the_same_bytes(folder, tmp_path):
    for name in ("one", "two"):
        write_benchmarks(settings(folder, subjects={}, written={}), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_documents_that_have_changed_are_refused(folder, tmp_path):
    own = local_tasks.write_tasks(tmp_path / "tasks")
    conf = settings(own, written={})
    write_benchmarks(conf, tmp_path / "out")
    local_tasks.write_tasks(own, ["8", "12", "30", "4"])
    with pytest.raises(
        TasklawsError, match=r"document written-00000 .* is not what it was: run `dvc repro --force ben"
    ):
        read_benchmarks(conf, tmp_path / "out")


def test_answers_that_are_missing_are_named(model, folder, tmp_path):
    conf = settings(folder, letters={})
    write_benchmarks(conf, tmp_path)
    ((asked, items),) = read_benchmarks(conf, tmp_path)
    with pytest.raises(NotAllAnswered, match=r"no 1 answers to each request of letters-00000"):
        Scored(asked, items, {})


@pytest.mark.parametrize(
    ("benchmarks", "message"),
    [
        ({"letters": {"repeats": 2}}, r"task letters writes nothing \(multiple_choice\): leave repeats"),
        ({"letters": {"generation_kwargs": {"do_sample": True}}}, "writes nothing"),
        ({"zero": {"num_fewshot": 2}}, r"task zero forbids examples \(num_fewshot: 0\), 2 are asked for"),
        ({"letters": {"num_fewshot": 1}}, "task letters has no examples but the documents that are asked"),
        ({"shown": {"num_fewshot": 5}}, r"task shown has 3 examples to show, 5 are asked for: lower num_fewshot"),
        ({"letters": {"metrics": ["f1"]}}, r"benchmarks.letters.metrics has 'f1': its metrics are acc, acc_norm"),
        ({"letters": {"solved": "f1"}}, r"benchmarks.letters.solved is 'f1': its metrics are acc, acc_norm"),
        ({"unsafe": {}}, "task unsafe runs what a model writes outside any sandbox"),
        ({"seen": {}}, "task seen shows pictures or sounds"),
        ({"gone": {}}, r"benchmark gone cannot be loaded \(\w+: .*\): its data set must be in the cache"),
        ({"guess": {}}, r"what a guess scores cannot be told of task guess: state benchmarks.guess.chance"),
        ({"shown_letters": {}, "letters": {}}, "benchmarks ask 'letters' twice"),
        ({"subjects": {}, "choices": {}}, "benchmarks ask 'choices' twice"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(tmp_path, benchmarks, message):
    tasks = local_tasks.write_tasks(tmp_path / "tasks")
    local_tasks.write_odd_tasks(tasks)
    with pytest.raises(TasklawsError, match=message) as caught:
        write_benchmarks(settings(tasks, **benchmarks), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_no_task_is_told_the_nearest(tmp_path):
    with pytest.raises(TasklawsError, match=r"neither lm-eval nor .* has a task or group 'writen': near names are wri"):
        load_benchmarks({"writen": Benchmark()}, local_tasks.write_tasks(tmp_path), [])


@pytest.mark.heavy
def test_so_is_one_that_is_near_a_task_of_lm_eval(tmp_path):
    with pytest.raises(TasklawsError, match="near names are arc_easy"):
        load_benchmarks({"arc_eas": Benchmark()}, tmp_path)


def test_a_task_of_lm_eval_itself_needs_no_search_the_second_time(tmp_path):
    """All of lm-eval's tasks take half a minute to read; the folders of those that are asked, nothing."""
    how = {"arithmetic_1dc": Benchmark()}
    with pytest.raises(TasklawsError, match=r"benchmark arithmetic_1dc cannot be loaded"):
        load_benchmarks(how, local_tasks.write_tasks(tmp_path), ["arithmetic"])
