"""`tasklaws plan-run`: what a ladder will cost, said before anything is spent."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
import yaml

import local_tasks
import tiny
from command import run
from tasklaws.budget import estimate, made, rates
from tasklaws.budget.asked import by_tokenizer, requests_of
from tasklaws.budget.estimate import plan_run
from tasklaws.budget.plan import RunPlan
from tasklaws.compose import compose
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Settings
from tasklaws.harness.ask import means_of
from tasklaws.ladder import memory
from tasklaws.provenance.chain import parse_chain

if TYPE_CHECKING:
    from hub_server import Hub

ONE_FAMILY = [f"~elicitation.ask.{family}" for family in tiny.SETTINGS.elicitation.ask if family != "addition"]


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.ROOT)
    monkeypatch.setattr(rates, "_PROBE_SECONDS", 0.01)


def settings(*words: str) -> Settings:
    return Settings.of(yaml.safe_load(compose([*words, *ONE_FAMILY])))


def planned(*words: str, **given: float) -> RunPlan:
    return plan_run(settings(*words), given)


def test_cells_and_items_are_those_of_the_ladder() -> None:
    found = planned("models=nano_mini")
    n_items = len(tiny.items("addition"))
    assert [rung.n_checkpoints for rung in found.rungs] == [3, 3, 3]
    assert {rung.asked.n_items for rung in found.rungs} == {n_items}
    totals = found.totals()
    assert (totals.rungs, totals.cells, totals.items, totals.fetch) == (3, 9, n_items, 0)
    assert totals.train_seconds > 0
    assert [rung.n_params_total for rung in found.rungs] == sorted(rung.n_params_total or 0 for rung in found.rungs)
    assert json.loads(json.dumps(found.to_dict()))["totals"] == asdict(totals)
    assert "mini-21k" in found.summary()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    tiny.write_corpus(folder / "corpus")
    tiny.write_model(folder / "model", folder / "corpus")
    return folder / "model"


def test_tokens_are_those_that_a_model_is_given(model: Path, tmp_path: Path) -> None:
    from tasklaws.core.files import write_jsonl
    from tasklaws.families.draws import item_files
    from tasklaws.harness import respond
    from tasklaws.harness.models import load_model, questions_of

    own = settings("models=nano_mini", "models.num_fewshot=2")
    asking = own.models.asking("mini-1k")
    asked = requests_of(own, asking, likelihoods=True).in_tokens(by_tokenizer(model / "tokenizer.json"))
    families = list(tiny.families())
    for family in families:
        for name, items in item_files(family, families, own.seed, "test", own.elicitation.n_shots_kept).items():
            write_jsonl(tmp_path / f"{name}.jsonl", [item.to_dict() for item in items])
    lm = load_model(model, asking)
    requests = respond.lm_eval_requests(asking, respond.tasks_of(own.elicitation.ask), tmp_path, lm)
    questions = [one for one in questions_of(lm, requests) if one is not None]
    assert len(questions) == len(requests) == asked.n_requests
    read = sum(map(len, {one.text for one in questions})) + sum(len(one.following) for one in questions)
    assert asked.n_read == pytest.approx(read, rel=0.02)
    assert asked.n_written == sum(one.n_tokens for one in questions if not one.following)
    longest = max(len(one.text) + max(one.n_tokens, len(one.following)) for one in questions)
    assert asked.longest == pytest.approx(longest, rel=0.02)


@pytest.mark.network
def test_a_published_ladder_and_what_is_in_the_cache(hub: "Hub") -> None:
    from huggingface_hub import snapshot_download

    found = planned("models=pythia_ladder", mps=1e13)
    assert [rung.n_checkpoints for rung in found.rungs] == [4] * 8
    assert {rung.dtype for rung in found.rungs} == {"bfloat16"}
    largest = found.rungs[-1]
    assert largest.memory["bfloat16"].weights == 2 * 11846072320
    assert largest.memory["float32"].weights == 4 * 11846072320
    assert largest.fetch == 4 * 4 * 11846072320  # at most, while no config.json says how they are published
    assert largest.seconds["mps"] == pytest.approx(2 * 11846072320 * (largest.n_read + largest.n_written) / 1e13)
    assert found.rates["bfloat16"]["mps"].source == "as given"
    assert hub.asked == [], "sizes that conf/ states are not looked up"
    assert "nothing" in found.summary().splitlines()[1]

    snapshot_download("EleutherAI/pythia-70m", revision="main", endpoint=hub.endpoint)
    after = planned("models=pythia_ladder").rungs[0]
    assert after.there == ("1 of 4 in the hub's cache",)


@pytest.mark.network
def test_sizes_that_conf_does_not_state_come_from_the_hub_or_are_unknown(
    hub: "Hub", monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["models=pythia_ladder", *(f"~models.rungs.pythia-{size}" for size in ("1b", "1b4", "2b8", "6b9", "160m"))]
    words += [
        f"~models.rungs.pythia-410m.source.{key}" for key in ("n_params", "n_params_total", "layers", "width", "heads")
    ]
    read = planned(*words).rungs[1]
    assert read.n_params_total == 2 * 16 * 257 + (read.n_params or 0)  # that of the stand-in
    assert read.memory
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")
    found = planned(*words)
    unknown = found.rungs[1]
    assert (unknown.n_params, unknown.fetch, unknown.disk, unknown.seconds["cpu"]) == (None, None, None, None)
    assert found.totals().fetch is None
    assert ("pythia-410m",) in [names for note, names in found.notes.items() if note.startswith("size unknown until")]
    assert "unknown" in found.summary()


@pytest.mark.network
def test_a_repository_that_is_not_there_is_refused(hub: "Hub") -> None:
    words = [f"~models.rungs.pythia-410m.source.{key}" for key in ("n_params", "n_params_total")]
    with pytest.raises(TasklawsError, match="cannot fetch no/such"):
        planned("models=pythia_ladder", "models.rungs.pythia-410m.source.repo=no/such", *words)


def test_what_does_not_fit_is_refused_with_the_sum_after_the_plan(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "available_memory", lambda device: 1 << 20)
    assert run("plan-run", "models=nano_mini", *ONE_FAMILY, "--json") == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["refused"][0].startswith(
        "mini-1k does not fit in the memory of cpu: 2 processes, each "
    )
    (line,) = said.err.splitlines()
    assert line.startswith("error: mini-1k does not fit")
    assert " weights + " in line
    assert " cache + " in line
    assert "1 MiB are free" in line


def test_a_server_has_its_own_memory_and_speed() -> None:
    source = "{kind: lm_eval, model: local-chat-completions, model_args: {model: m}, n_params: 1000000}"
    rung = planned("models=nano_mini", f"+models.rungs.served={{role: fit, source: {source}}}").rungs[-1]
    assert (rung.name, dict(rung.memory), rung.seconds["cpu"], rung.fetch, rung.disk) == (
        "served",
        {},
        None,
        0,
        mock.ANY,
    )
    assert rung.asked.n_requests == len(tiny.items("addition")), "chat servers are not asked for likelihoods"


@pytest.mark.parametrize(("wanted", "trained"), [("auto", "cpu"), ("cpu", "cpu"), ("cuda", "cuda")])
def test_the_device_is_that_which_asking_takes(wanted: str, trained: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(estimate, "available_memory", lambda device: 1 << 40)
    source = "{kind: lm_eval, model: hf-auto, model_args: {pretrained: some/model}, n_params: 1000}"
    other = f"+models.rungs.other={{role: fit, source: {source}}}"
    own = settings("models=nano_mini", f"execution.device={wanted}", other)
    planned_on = {rung.name: (rung.device, rung.processes) for rung in plan_run(own, {"cuda": 1e13}).rungs}
    assert planned_on["mini-1k"] == (trained, 2 if trained == "cpu" else 1)
    assert planned_on["other"] == ("cpu" if wanted == "cpu" else "cuda", 1)
    for name in own.models.rungs:
        assert means_of(name, own).device == planned_on[name][0]


def test_a_benchmark_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    folder = local_tasks.write_tasks(tmp_path / "tasks")
    own = settings("models=nano_mini", f"benchmark_folder={folder}", "+benchmarks.writen={limit: 3}")
    with pytest.raises(TasklawsError, match=r"has a task or group 'writen': near names are .*written"):
        plan_run(own, {})


def test_benchmarks_are_counted_once_their_documents_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasklaws.harness.benchmarks.about import write_benchmarks

    folder = local_tasks.write_tasks(tmp_path / "tasks")
    own = settings("models=nano_mini", f"benchmark_folder={folder}", "+benchmarks.written={repeats: 2, limit: 3}")
    without = settings("models=nano_mini")
    for name in ("custom_tasks", "conf"):
        (tmp_path / name).symlink_to(tiny.ROOT / name)
    monkeypatch.chdir(tmp_path)
    found = plan_run(own, {})
    assert any(note.startswith("benchmarks are not counted") for note in found.notes)
    write_benchmarks(own, tmp_path / "data/benchmarks")
    found, other = plan_run(own, {}), plan_run(without, {})
    assert not any(note.startswith("benchmarks are not counted") for note in found.notes)
    asked, before = found.rungs[0].asked, other.rungs[0].asked
    assert (asked.n_tasks, asked.n_items) == (before.n_tasks + 1, before.n_items + 3)
    assert asked.n_written - before.n_written == 3 * 2 * 6  # max_gen_toks


LOCK = """schema: '2.0'
stages:
  model@mini-1k:
    cmd: python -P stages/model.py mini-1k
    params:
      params.yaml:
        models.rungs.mini-1k.source: {source}
    outs:
    - {{path: models/mini-1k, hash: md5, md5: {md5}, size: 1, nfiles: 1}}
"""


def test_what_is_made_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = settings("models=nano_mini").raw
    md5 = "0123456789abcdef0123456789abcdef.dir"
    text = LOCK.format(source=json.dumps(params["models"]["rungs"]["mini-1k"]["source"]), md5=md5)
    monkeypatch.chdir(tmp_path)
    chain = parse_chain(text, "dvc.lock")
    assert not made.is_made("model@mini-1k", chain, params), "it is neither here nor in DVC's cache"
    cached = tmp_path / ".dvc/cache/files/md5/01" / md5[2:]
    cached.parent.mkdir(parents=True)
    cached.write_text("[]")
    assert made.is_made("model@mini-1k", chain, params)
    assert not made.is_made("respond@mini-1k", chain, params)
    params["models"]["rungs"]["mini-1k"]["source"]["width"] = 8
    assert not made.is_made("model@mini-1k", chain, params), "it was made with other settings"
    monkeypatch.chdir(tiny.ROOT)
    monkeypatch.setattr(made, "is_made", lambda stage, *_: stage.startswith(("model@", "respond@mini-1k")))
    first, second, _ = planned("models=nano_mini").rungs
    assert (first.there, first.train_seconds, first.seconds["cpu"]) == (("trained", "asked"), 0, 0)
    assert second.there == ("trained",)
    assert (second.seconds["cpu"] or 0) > 0


@pytest.mark.parametrize("word", ["cuda", "cuda=fast", "tpu=1e14", "cuda=-1", "cuda=inf"])
def test_a_rate_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(TasklawsError, match="give DEVICE=FLOPS, such as cuda=1e14"):
        rates.parse_rates([word])
    assert rates.parse_rates(["cuda=1e14", "mps=5e12"]) == {"cuda": 1e14, "mps": 5e12}


def test_memory_is_told_of_the_cpu() -> None:
    assert (memory.available_memory("cpu") or 0) > 0
