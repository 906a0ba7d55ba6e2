"""custom_tasks/: every family in every way, under lm-eval's own command too."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from lm_eval.api.model import LM
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

import tiny
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item, Response, read_items
from tasklaws.families.prompts import prompt, split_task, target
from tasklaws.harness.lm_eval_task import document, item_splits
from tasklaws.harness.task_files import stale_task_files, task_files
from tasklaws.tables import scored_metrics

TASKS = tiny.ROOT / "custom_tasks"
LM_EVAL = Path(sys.executable).with_name("lm_eval")


class Loader(yaml.SafeLoader):
    """Reads task files, taking `!function x.y` as text."""


Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


class Silent(LM):
    """Finds every text equally likely."""

    def loglikelihood(self, requests):
        return [(-1.0, False) for _ in requests]

    def generate_until(self, requests):
        raise NotImplementedError

    def loglikelihood_rolling(self, requests):
        raise NotImplementedError


def of_file(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(), Loader)


@pytest.fixture(scope="module")
def manager() -> TaskManager:
    return TaskManager(include_path=str(TASKS), include_defaults=False)


@pytest.mark.parametrize("task", tiny.tasks())
@pytest.mark.parametrize("style", ["", "_plain"])
def test_every_family_and_elicitation_has_its_tasks_and_group(manager, task, style):
    family, elicitation = split_task(task)
    name = f"{task}{style}"
    wanted = [name] if elicitation == "choice" else [name, f"{name}_likelihood"]
    group = of_file(TASKS / "_plain.yaml" if style else TASKS / family / "_group.yaml")
    assert group["group"] == f"tasklaws{style or '_' + family}"
    for name in wanted:
        assert name in manager.all_tasks
        assert name in group["task"]
        config = of_file(TASKS / family / f"{name}.yaml")
        assert config["include"] == "../_base.yaml"
        told = {"prompts": "plain"} if style else {}
        assert config["dataset_kwargs"] == {"family": family, "elicitation": elicitation, **told}


def test_nothing_is_there_that_no_family_asks(manager):
    tasks = [*tiny.tasks(), *tiny.tasks("plain")]
    likelihoods = [f"{task}_likelihood" for task in tasks if "_choice" not in task]
    groups = ["tasklaws", *(f"tasklaws_{family.name}" for family in tiny.families())]
    assert set(manager.all_tasks) == {*tasks, *likelihoods, *groups, "tasklaws_plain"}
    assert of_file(TASKS / "_group.yaml")["task"] == groups[1:]


@pytest.mark.parametrize("path", sorted(TASKS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_has_a_version(path):
    config = of_file(path)
    base = of_file(TASKS / config["include"].removeprefix("../")) if "include" in config else {}
    assert (base | config)["metadata"]["version"] == 1.0


def test_the_files_are_what_the_families_say():
    files = task_files(tiny.families())
    written = {path: (TASKS / path).read_text() for path in files if (TASKS / path).is_file()}
    assert written == files, "run `tasklaws custom-tasks`"
    assert stale_task_files(files, tiny.ROOT) == []


def test_a_page_says_what_the_family_s_file_says():
    page = task_files(tiny.families())[Path("addition/README.md")]
    assert "## What its score means\n\nEach further digit is one more step" in page
    assert "## Source\n\nNot from the essays" in page
    assert "- `per_length`: 50" in page
    (example,) = re.findall(r"(?<!`)```text\n(.*?)\n```", page, re.DOTALL)
    assert example in {prompt(item.question, "direct") + target(item, "direct") for item in tiny.items("addition")}


def test_a_right_answer_is_never_cut_off(model_dir):
    """answer_tokens and program_tokens, in the tokens of a small corpus."""
    from tasklaws.ladder.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(model_dir)
    for family in tiny.families():
        for way in family.elicitations:
            limit = {"direct": family.answer_tokens, "python": family.program_tokens}.get(way)
            targets = [target(item, way) for item in tiny.items(family.name)]
            longest = max(targets, key=len)
            assert limit is None or len(tokenizer(longest)["input_ids"]) <= limit, (family.name, way, longest)


def test_documents_hold_what_judging_needs(items_dir, monkeypatch):
    monkeypatch.setenv("TASKLAWS_ITEMS", str(items_dir))
    splits = item_splits("gauss_sum", "python")
    items = {item.id: item for item in read_items(items_dir / "gauss_sum.jsonl")}
    assert [row["id"] for row in splits["test"]] == list(items)
    for row in splits["test"]:
        item: Item = items[row["id"]]
        assert row == document(item, "python")
        assert (row["answer"], row["fuel"], row["target"]) == (item.answer, item.fuel, " " + item.programs[0])
    assert len(splits["shots"]) == 5


def test_a_choice_document_knows_which_is_right(items_dir, monkeypatch):
    monkeypatch.setenv("TASKLAWS_ITEMS", str(items_dir))
    for row in item_splits("largest_of_four", "choice")["test"]:
        assert row["choices"][row["right"]] == row["target"] == f" {row['answer']}"


@pytest.mark.parametrize("task", tiny.tasks())
def test_few_shot_examples_are_never_test_items(manager, items_dir, monkeypatch, task):
    """In the very prompts that lm-eval builds; against all items, not only those asked here."""
    monkeypatch.setenv("TASKLAWS_ITEMS", str(items_dir))
    monkeypatch.setattr("lm_eval.evaluator.add_env_info", lambda _: None)  # runs pip
    _, elicitation = split_task(task)
    output = simple_evaluate(
        Silent(),
        tasks=[task if elicitation == "choice" else f"{task}_likelihood"],
        task_manager=manager,
        num_fewshot=3,
        predict_only=True,
        bootstrap_iters=0,
        verbosity="ERROR",
    )
    (samples,) = output["samples"].values()
    asked = {question for each in tiny.families() for item in tiny.items(each.name) for question in each.reserved(item)}
    for sample in samples:
        context = sample["arguments"][0][0]
        *shots, last = context.split("\n\n")
        assert last == sample["doc"]["prompt"]
        assert len(set(shots)) == 3
        for shot in shots:
            question, _, answer = shot.removeprefix("Q: ").partition("\nP:" if elicitation == "python" else "\nA:")
            assert question not in asked
            assert answer.startswith(" ")


def lm_eval(folder: Path, model_dir: Path, items: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The plain command, in a directory that holds custom_tasks and data/items alone."""
    (folder / "custom_tasks").symlink_to(TASKS)
    (folder / "data").mkdir()
    (folder / "data/items").symlink_to(items)
    environment = {name: value for name, value in os.environ.items() if name != "TASKLAWS_ITEMS"}
    command = [LM_EVAL, "--model", "hf", "--model_args", f"pretrained={model_dir},dtype=float32"]
    command += ["--include_path", "custom_tasks", "--device", "cpu", "--batch_size", "8", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def results(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("results_*.json")
    return json.loads(path.read_text())["results"]


@pytest.mark.heavy
def test_the_plain_command_scores_programs_and_runs_groups(tmp_path, model_dir, items_dir):
    tasks = "gauss_sum_python,tasklaws_largest_of_four,tasklaws_addition"
    output = ("--output_path", "out", "--log_samples")
    done = lm_eval(tmp_path, model_dir, items_dir, "--tasks", tasks, "--limit", "5", *output)
    assert done.returncode == 0, done.stderr
    assert "gauss_sum_python" in done.stdout
    found = results(tmp_path / "out")
    assert 0 <= found["gauss_sum_python"]["exact_match,none"] <= 1
    assert 0 <= found["gauss_sum_python"]["partial_credit,none"] <= 1
    assert 0 <= found["largest_of_four_choice"]["brier,none"] <= 2
    assert found["addition_direct_likelihood"]["target_bits_per_byte,none"] > 0
    assert found["addition_python"]["exact_match,none"] == 0
    (samples,) = tmp_path.rglob("samples_gauss_sum_python_*.jsonl")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    assert len(rows) == 5
    assert all(row["doc"]["elicitation"] == "python" for row in rows)


@pytest.mark.heavy
@pytest.mark.skipif(not (tiny.ROOT / "models/nano-234k/config.json").is_file(), reason="models/nano-234k: `dvc pull`")
def test_the_readme_s_example_shows_a_model_solving_something(tmp_path):
    (line,) = re.findall(r"^lm_eval .*$", (tiny.ROOT / "README.md").read_text(), re.MULTILINE)
    arguments = line.split()[line.split().index("--tasks") :]
    done = lm_eval(
        tmp_path, tiny.ROOT / "models/nano-234k", tiny.ROOT / "data/items", *arguments, "--output_path", "out"
    )
    assert done.returncode == 0, done.stderr
    (task,) = results(tmp_path / "out").values()
    assert task["exact_match,none"] > 0
    assert task["exact_match_flexible,none"] >= task["exact_match,none"]


def test_missing_items_are_named(manager, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TASKLAWS_ITEMS", raising=False)
    with pytest.raises(TasklawsError, match=r"data/items/addition.jsonl does not exist: run `dvc repro`"):
        simple_evaluate(Silent(), tasks=["addition_direct_likelihood"], task_manager=manager, verbosity="ERROR")


def test_the_judge_runs_a_program_in_the_sandbox():
    """What process_results calls, on a response that is right, one that is wrong and one that never ends."""
    from tasklaws.harness.metrics import score_document

    item = next(each for each in tiny.items("gauss_sum") if each.question == "sum 1..100")
    asked = document(item, "python")
    right = {"exact_match": 1.0, "exact_match_flexible": 1.0, "partial_credit": 1.0}
    wrong = {"exact_match": 0.0, "exact_match_flexible": 0.0}
    assert score_document(asked, [" " + item.programs[0]]) == right
    assert score_document(asked, [" print(5051)"]) == wrong | {"partial_credit": 0.75}
    assert score_document(asked, [" while 1:pass"]) == wrong | {"partial_credit": 0.0}
    assert score_document(asked, [(-8.0, False)]).keys() == {"target_bits_per_byte"}
    assert score_document(document(item, "direct"), [" 5050\n"]) == right


def test_the_judge_scores_a_choice():
    from tasklaws.harness.metrics import score_document

    item = tiny.items("largest_of_four")[0]
    asked = document(item, "choice")
    said = [(-1.0 if index == asked["right"] else -20.0, False) for index in range(4)]
    scores = score_document(asked, said)
    assert scores["exact_match"] == 1.0
    assert scores["partial_credit"] == pytest.approx(1, abs=1e-6)
    assert scores["brier"] == pytest.approx(0, abs=1e-6)
    others = [said[(index + 1) % 4] for index in range(4)]
    assert score_document(asked, others)["exact_match"] == 0.0


@pytest.mark.parametrize("style", ["terse", "plain"])
@pytest.mark.parametrize("task", tiny.tasks())
def test_the_pipeline_and_the_plain_command_score_alike(task, style, tmp_path):
    """Every elicitation: a right answer, wrong ones, and what ends badly."""
    from tasklaws.harness.metrics import score_document
    from tasklaws.harness.score import score
    from tasklaws.sandbox import OutcomeCache

    family, elicitation = split_task(task)
    item = tiny.items(family)[0]
    if style == "plain":
        item = replace(item, question=next(each for each in tiny.families() if each.name == family).plain(item))
    asked = document(item, elicitation, style)
    where = {"seed": 0, "step": 1, "family": family, "elicitation": elicitation, "item": item.id}
    said: list[dict[str, Any]]
    if elicitation == "choice":
        said = [{"log_likelihoods": [-1.0 - (index - shift) % 4 for index in range(4)]} for shift in range(4)]
    else:
        right = asked["target"]
        texts = [right, f"{right}\n\nQ: next", "", " 1", " while 1: pass", "```python\nprint(1)\n```"]
        said = [{"response": text, "log_likelihood": -3.5} for text in texts]
    outcomes = OutcomeCache(tmp_path, 1)
    table = score("a", [Response(**where, **each) for each in said], {item.id: item}, outcomes, style)
    for each, row in zip(said, table.to_dict("records"), strict=True):
        if elicitation == "choice":
            plain = score_document(asked, [(value, False) for value in each["log_likelihoods"]])
        else:
            plain = score_document(asked, [each["response"]]) | score_document(asked, [(each["log_likelihood"], False)])
        assert plain == {name: row[name] for name in plain}
        assert {name for name in scored_metrics(table) if not pd.isna(row[name])} == set(plain)
