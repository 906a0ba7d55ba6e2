"""Asking a model: the rows of plain lm-eval, whatever the batch size, the order and the company."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from tasklaws.cells.shards import join
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_json, write_jsonl
from tasklaws.core.schema import read_items
from tasklaws.core.settings import Ask, Asking
from tasklaws.harness.ask import Part
from tasklaws.harness.models import load_model
from tasklaws.harness.respond import respond, tasks_of

ASKING = Asking("float64", num_fewshot=0, shots="same", prompts="terse", chat_template=False)
# Families of long and of short prompts, in every way of asking.
ASK = {
    "gauss_sum": ["direct", "python"],
    "step_chain": ["direct"],
    "addition": ["direct"],
    "largest_of_four": ["choice"],
}


def said(model_dir: Path, ask: Ask, items_dir: Path, batch_size: int = 16, num_fewshot: int = 0):
    """What the model says, in float64."""
    asking = replace(ASKING, num_fewshot=num_fewshot)
    return next(respond([load_model(model_dir, asking)], asking, batch_size, ask, items_dir))


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository's root, where custom_tasks/ lies."""
    monkeypatch.chdir(tiny.ROOT)


@pytest.fixture(scope="module")
def rows(model_dir, items_dir):
    """What the model says, one item at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny.ROOT)
        return said(model_dir, ASK, items_dir, batch_size=1)


def test_every_item_is_asked_in_every_way(rows, items_dir):
    wanted = {
        (family, way, item.id)
        for family, ways in ASK.items()
        for way in ways
        for item in read_items(items_dir / f"{family}.jsonl")
    }
    keys = [(row["family"], row["elicitation"], row["item"]) for row in rows]
    assert set(keys) == wanted
    assert keys == sorted(keys)
    assert len(keys) == len(wanted)


def test_a_row_holds_what_was_said(rows):
    for row in rows:
        if row["elicitation"] == "choice":
            assert set(row) == {"family", "elicitation", "item", "log_likelihoods"}
            assert len(row["log_likelihoods"]) == 4
            assert all(-math.inf < value < 0 for value in row["log_likelihoods"])
        else:
            assert set(row) == {"family", "elicitation", "item", "response", "log_likelihood"}
            assert isinstance(row["response"], str)
            assert -math.inf < row["log_likelihood"] < 0
            assert row["elicitation"] == "python" or "\n" not in row["response"]
            assert "\n\n" not in row["response"]


@pytest.mark.parametrize("batch_size", [7, 64])
def test_the_batch_size_does_not_matter(rows, model_dir, items_dir, batch_size):
    assert said(model_dir, ASK, items_dir, batch_size) == rows


@pytest.mark.parametrize("seed", [1, 2])
def test_what_else_is_asked_and_in_which_order_does_not_matter(rows, model_dir, items_dir, seed):
    rng = random.Random(seed)
    pairs = [(family, way) for family, ways in ASK.items() for way in ways]
    some = rng.sample(pairs, 3)
    ask: dict[str, list] = {}
    for family, way in some:
        ask.setdefault(family, []).append(way)
    expected = [row for row in rows if (row["family"], row["elicitation"]) in some]
    assert said(model_dir, ask, items_dir) == expected


def test_what_parts_say_is_joined_to_the_bytes_of_the_whole(rows, model_dir, items_dir, tmp_path):
    where = {"seed": 0, "step": 1}
    shards = [tmp_path / f"{number}.jsonl" for number in (1, 2, 3)]
    for number, shard in enumerate(shards, 1):
        models = [load_model(model_dir, ASKING)]
        own = next(respond(models, ASKING, 16, ASK, items_dir, Part(number, 3)))
        assert 0 < len(own) < len(rows)
        write_jsonl(shard, [where | row for row in own])
        write_json(shard.with_suffix(".json"), {})
    join(shards, tmp_path / "joined.jsonl")
    write_jsonl(tmp_path / "whole.jsonl", [where | row for row in rows])
    assert (tmp_path / "joined.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_few_shot_examples_do_not_depend_on_batch_or_company_either(rows, model_dir, items_dir):
    ask = {"addition": ["direct"], "largest_of_four": ["choice"]}
    both = said(model_dir, ask, items_dir, 1, num_fewshot=3)
    addition = said(model_dir, {"addition": ["direct"]}, items_dir, 5, num_fewshot=3)
    assert addition == [row for row in both if row["family"] == "addition"]
    assert addition != [row for row in rows if row["family"] == "addition"], "the examples are read"


def test_a_log_likelihood_is_that_of_the_right_text(rows, model_dir, items_dir):
    """Against the model itself, one token after the other."""
    import torch

    from tasklaws.families.prompts import prompt, target
    from tasklaws.ladder.heldout import load_directory

    tokenizer, model = load_directory(model_dir, torch.float64)
    items = {item.id: item for item in read_items(items_dir / "gauss_sum.jsonl")}
    checked = [row for row in rows if row["family"] == "gauss_sum"]
    assert len(checked) > 5
    for row in checked:
        item = items[row["item"]]
        given = tokenizer(prompt(item.question, row["elicitation"]), add_special_tokens=False)["input_ids"]
        right = tokenizer(target(item, row["elicitation"]), add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logits = model(torch.tensor([[*given, *right]])).logits[0, len(given) - 1 : -1]
        expected = logits.log_softmax(-1).gather(1, torch.tensor(right)[:, None]).sum()
        assert row["log_likelihood"] == pytest.approx(float(expected), abs=2e-6)


def test_rows_are_those_of_plain_lm_eval(model_dir, items_dir):
    """Item by item, with few-shot examples, two models after each other, against lm-eval asking each alone."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    n_shots = 2
    asking = replace(ASKING, num_fewshot=n_shots)
    manager = TaskManager(include_path="custom_tasks", include_defaults=False, metadata={"items": str(items_dir)})
    loaded = manager.load(tasks_of(ASK))
    for task in loaded["tasks"].values():
        task.override_metric("bypass")
        task.set_config("num_fewshot", n_shots)
        task.set_fewshot_seed(1234)
    samples = evaluate(HFLM(pretrained=str(model_dir), device="cpu", dtype="float64", batch_size=1), loaded)["samples"]
    first, second = respond([load_model(model_dir, asking)] * 2, asking, 256, ASK, items_dir)
    assert first == second
    n_compared = 0
    for row in first:
        task = f"{row['family']}_{row['elicitation']}"
        (sample,) = [each for each in samples[task] if each["doc"]["id"] == row["item"]]
        said = [repeats[0] for repeats in sample["resps"]]
        if row["elicitation"] == "choice":
            assert row["log_likelihoods"] == [round(likely, 6) for likely, _ in said]
        else:
            (sample,) = [each for each in samples[f"{task}_likelihood"] if each["doc"]["id"] == row["item"]]
            assert row["response"] == said[0]
            assert row["log_likelihood"] == round(sample["resps"][0][0][0], 6)
        n_compared += 1
    assert n_compared == sum(map(len, samples.values())) - sum(
        len(samples[task]) for task in samples if "_likeli" in task
    )


def test_a_model_with_another_tokenizer_is_asked_in_its_own_tokens(model_dir, items_dir, tmp_path):
    tiny.write_corpus(tmp_path / "corpus", count=60)
    tiny.write_model(tmp_path / "other", tmp_path / "corpus")
    assert (tmp_path / "other/tokenizer.json").read_bytes() != (model_dir / "tokenizer.json").read_bytes()
    ask = {"addition": ["direct"]}
    first, other = load_model(model_dir, ASKING), load_model(tmp_path / "other", ASKING)
    _, after = respond([first, other], ASKING, 256, ask, items_dir)
    assert [after] == list(respond([other], ASKING, 256, ask, items_dir))


def test_asking_runs_no_program(model_dir, items_dir, monkeypatch):
    def refuse(*_):
        raise AssertionError("a program ran while the model was asked")

    monkeypatch.setattr("tasklaws.sandbox.run", refuse)
    monkeypatch.setattr("tasklaws.sandbox.runner.run", refuse)
    assert said(model_dir, {"sha256_power": ["python"]}, items_dir)


@pytest.mark.parametrize(
    ("ask", "task"),
    [({"subtraction": ["direct"]}, "subtraction_direct"), ({"largest_of_four": ["python"]}, "largest_of_four_python")],
)
def test_an_unknown_task_is_named(model_dir, items_dir, ask, task):
    with pytest.raises(TasklawsError, match=f"custom_tasks/ has no task '{task}'"):
        said(model_dir, ask, items_dir)


def test_every_way_but_choice_is_asked_for_likelihood_too():
    assert tasks_of({"gauss_sum": ["direct", "python"], "largest_of_four": ["choice"]}) == [
        "gauss_sum_direct",
        "gauss_sum_python",
        "largest_of_four_choice",
        "gauss_sum_direct_likelihood",
        "gauss_sum_python_likelihood",
    ]
