"""`tasklaws ask`: one model, any tasks, without the pipeline."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from tenacity import wait_none

import tiny
from hub_server import Hub, Revision
from local_tasks import write_tasks
from openai_server import KEY, OpenAIServer
from tasklaws import cli
from tasklaws.core.files import read_jsonl
from tasklaws.core.settings import HF
from tasklaws.harness.named_model import means_by_name

pytestmark = pytest.mark.slow
OURS = "addition_direct,largest_of_four"
ASK_EACH = """
import sys
from contextlib import suppress
from tasklaws import cli

for model in sys.argv[1:]:
    sys.argv = ["tasklaws", "ask", model, "--tasks", "addition_direct"]
    with suppress(SystemExit):
        cli.main()
"""


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository, whose params.yaml has the families' settings."""
    monkeypatch.chdir(tiny.ROOT)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("lm_eval.models.api_models.wait_exponential", lambda **_: wait_none())


def ask(model: object, tasks: str, *words: object) -> int:
    given = ["tasklaws", "ask", str(model), "--tasks", tasks, "--limit", "6", "--dtype", "float64", *map(str, words)]
    with mock.patch.object(sys, "argv", given):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def server_args(server: OpenAIServer, directory: Path, path: str = "completions") -> tuple[str, str]:
    tokenizer = "" if "chat" in path else f",tokenizer={directory}"
    return "--model-args", f"model=tiny,base_url={server.base}/{path},timeout=1{tokenizer}"


def test_a_directory_is_asked_and_other_commands_take_what_it_said(model_dir, tmp_path, capsys):
    corpus = model_dir.parent / "corpus"
    for seed, name in enumerate(("one", "two")):
        tiny.write_model(tmp_path / name, corpus, seed)
        assert ask(tmp_path / name, OURS, "--out", tmp_path / f"out-{name}", "--json") == 0
        answer = json.loads(capsys.readouterr().out)
        assert {row["task"] for row in answer["results"]} == {"addition_direct", "largest_of_four_choice"}
    found = pd.read_csv(tmp_path / "out-one/points.csv")
    assert (found["n_items"] == 6).all()
    assert found["n_params"].nunique() == 1
    said = read_jsonl(tmp_path / "out-one/responses.jsonl")
    assert len(said) == 12
    right = found.query("task == 'largest_of_four_choice' and metric == 'exact_match'")
    assert right["chance"].item() == 0.25
    both = pd.concat(pd.read_csv(tmp_path / f"out-{name}/items.csv") for name in ("one", "two"))
    both.to_csv(tmp_path / "items.csv", index=False)
    with mock.patch.object(sys, "argv", ["tasklaws", "compare", str(tmp_path / "items.csv"), "--models", "one,two"]):
        cli.main()
    from tasklaws.tabular.points import read_points

    assert len(read_points(tmp_path / "out-one/points.csv")) == len(found)
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.mark.network
def test_a_server_is_asked_as_a_directory_is(model_dir, tmp_path):
    assert ask(model_dir, OURS, "--out", tmp_path / "here") == 0
    with OpenAIServer(model_dir, key=KEY) as server:
        args = server_args(server, model_dir)
        assert ask("local-completions", OURS, *args, "--n-params", 1000, "--out", tmp_path / "there") == 0
    here, there = (read_jsonl(tmp_path / name / "responses.jsonl") for name in ("here", "there"))
    assert list(here) == list(there)
    assert all(KEY not in path.read_text() for path in (tmp_path / "there").iterdir())


@pytest.mark.network
def test_a_chat_server_writes_alone(model_dir, tmp_path, capsys):
    with OpenAIServer(model_dir) as server:
        args = server_args(server, model_dir, "chat/completions")
        assert ask("local-chat-completions", OURS, *args, "--chat-template", "--out", tmp_path / "out") == 0
        assert ask("local-chat-completions", "largest_of_four", *args, "--chat-template") == 1
        assert ask("local-chat-completions", OURS, *args) == 1
    told = capsys.readouterr().err
    assert "note: largest_of_four_choice is left out: local-chat-completions gives no likelihoods" in told
    assert "error: no task is left to ask" in told
    assert "is a chat server, which takes messages alone" in told
    metrics = set(pd.read_csv(tmp_path / "out/points.csv")["metric"])
    assert "exact_match" in metrics
    assert "target_bits_per_byte" not in metrics


@pytest.mark.network
def test_a_server_that_dies_is_asked_the_rest(model_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tasklaws.harness.respond.PART", 4)
    out, own = tmp_path / "out", tmp_path / "out.unfinished/a person's own"
    own.mkdir(parents=True)
    with OpenAIServer(model_dir, {6: "die"}) as server:
        port = int(server.base.split(":")[2].split("/")[0])
        assert ask("local-completions", OURS, *server_args(server, model_dir), "--out", out) == 1
    assert "what it has said is kept: run the same command again" in capsys.readouterr().err
    assert not out.exists()
    with OpenAIServer(model_dir, port=port) as again:
        assert ask("local-completions", OURS, *server_args(again, model_dir), "--out", out) == 0
    assert len(again.requests) == 36 - 4, "what one part of four requests held is not asked again"
    assert list(own.parent.iterdir()) == [own]


@pytest.mark.network
def test_a_model_that_a_server_does_not_list_is_named(model_dir, tmp_path, capsys):
    with OpenAIServer(model_dir) as server:
        kind, args = server_args(server, model_dir)
        assert (
            ask(
                "local-completions", "addition_direct", kind, args.replace("=tiny", "=tinny"), "--out", tmp_path / "out"
            )
            == 1
        )
    assert "has no model 'tinny': it has tiny" in capsys.readouterr().err
    assert not server.requests


@pytest.mark.network
@pytest.mark.parametrize(
    ("faults", "line"),
    [({-1: 500}, "answers 500 at each of"), ({-1: 401}, "refuses the key (401)"), ({-1: "die"}, "is not reached")],
)
def test_of_a_server_that_said_nothing_nothing_is_kept(model_dir, tmp_path, capsys, faults, line):
    with OpenAIServer(model_dir, faults) as server:
        args = server_args(server, model_dir)
        capsys.readouterr()
        assert ask("local-completions", "addition_direct", *args, "--out", tmp_path / "out") == 1
    first, *other, last = capsys.readouterr().err.strip().splitlines()
    assert first == "note: n_params of tiny is unknown: state --n-params where points.csv is to be forecast from"
    assert line in last
    assert not other
    assert "kept" not in last
    assert not list(tmp_path.iterdir())


@pytest.mark.network
def test_what_families_said_is_kept_where_a_benchmark_fails(model_dir, tmp_path, capsys):
    folder = write_tasks(tmp_path / "tasks")
    with OpenAIServer(model_dir, dict.fromkeys(range(12, 1000), 500)) as server:
        args = (*server_args(server, model_dir), "--folder", folder, "--out", tmp_path / "out")
        assert ask("local-completions", "addition_direct,text", *args) == 1
    assert "what it has said is kept: run the same command again" in capsys.readouterr().err


def test_tasks_of_lm_eval_stand_beside_ours(model_dir, tmp_path, capsys):
    folder = write_tasks(tmp_path / "tasks")
    out = tmp_path / "out"
    assert ask(model_dir, "choices,addition_direct,text", "--folder", folder, "--out", out, "--json") == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert {row["task"] for row in results} == {"choices", "addition_direct", "text"}
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    args = {"pretrained": str(model_dir), "dtype": "float64", "device": "cpu"}
    plain = simple_evaluate("hf", args, ["choices", "text"], limit=6, task_manager=manager, bootstrap_iters=0)
    for row in results:
        if row["task"] in ("choices", "text") and f"{row['metric']},none" in plain["results"][row["task"]]:
            assert row["value"] == pytest.approx(plain["results"][row["task"]][f"{row['metric']},none"], rel=1e-12)


@pytest.mark.parametrize(
    ("model", "tasks", "words", "line"),
    [
        ("no-such-model", OURS, (), "no-such-model is no directory, no .gguf file, no model type of lm-eval"),
        ("DIR", "no_such_task", (), "has a task or group 'no_such_task': near names are noor_stem_tasks"),
        ("hf", OURS, (), "give pretrained=DIR, or OWNER/NAME of a hub"),
        ("DIR", "addition_direct", ("--batch-size", "0"), "--batch-size 0: give 1 or more, or auto"),
        ("DIR", "addition_direct", ("--chat-template",), "has no chat template"),
        ("DIR", "addition_direct", ("--model-args", "auth_token=abc"), "model_args has auth_token"),
        ("DIR", "addition_direct", ("--num-fewshot", "200000"), "few-shot examples exist: lower --num-fewshot"),
        ("DIR", "addition_direct", ("--num-fewshot", "5000", "--shots", "related"), "exist: lower --num-fewshot"),
        ("DIR", "addition_direct", ("--folder", "/no"), "--folder /no is no folder"),
        ("local-completions", OURS, ("--model-args", "model=m,base_url=http://127.0.0.1:1/v1"), "give tokenizer=DIR"),
        ("local-completions", OURS, ("--model-args", "base_url=http://127.0.0.1:1/v1,tokenizer=/no"), "tokenizer /no"),
    ],
)
def test_what_cannot_be_is_one_line(model_dir, tmp_path, capsys, model, tasks, words, line):
    assert ask(model_dir if model == "DIR" else model, tasks, *words, "--out", tmp_path / "out") == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("error: ")
    assert line in told[-1]
    assert "conf/" not in told[-1]
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def broken(model_dir, tmp_path_factory) -> Path:
    """A directory with others in it that are no whole model, or may not be loaded unasked."""
    import torch
    from safetensors.torch import load_file

    folder = tmp_path_factory.mktemp("broken")

    def copy(name: str) -> Path:
        return Path(shutil.copytree(model_dir, folder / "models" / name))

    pickled = copy("pickled")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    cut = copy("cut") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-100])
    cut = copy("cut head") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:4])
    (copy("no config") / "config.json").unlink()
    (copy("bad config") / "config.json").write_text("{")
    (copy("no weights") / "model.safetensors").unlink()
    own = copy("own code") / "config.json"
    mapped = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    own.write_text(json.dumps(json.loads(own.read_text()) | {"model_type": "own", "auto_map": mapped}))
    (own.parent / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    return folder / "models"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nix", "PLACE does not exist: give a model's directory"),
        ("no such", "PLACE does not exist: give a model's directory"),
        ("pickled", "PLACE holds its weights as pickle files alone (pytorch_model.bin), which can run any code"),
        ("pickled", "if you trust them, give use_safetensors=False among its arguments"),
        ("cut", "PLACE/model.safetensors does not load"),
        ("cut head", "PLACE/model.safetensors does not load"),
        ("no config", "PLACE holds no config.json: give a model's directory"),
        ("bad config", "PLACE/config.json"),
        ("no weights", "PLACE holds no weights (model.safetensors): give a model's directory"),
        (
            "own code",
            "names code of the model's own, which can do anything: if you trust it, give trust_remote_code=True",
        ),
        ("own code/own.py", "give a model's directory"),
    ],
)
def test_a_directory_that_may_not_or_cannot_be_loaded_is_named(broken, tmp_path, capsys, name, line):
    place = broken / name
    for model, *by_argument in ((place,), ("hf", "--model-args", f"pretrained={place}")):
        assert ask(model, "addition_direct", *by_argument, "--out", tmp_path / "out") == 1
        (told,) = capsys.readouterr().err.strip().splitlines()
        assert told.startswith("error: ")
        assert line.replace("PLACE", str(place)) in told
    assert not (tmp_path / "out").exists()
    assert not (broken.parent / "ran").exists()


def test_pickled_weights_are_loaded_where_they_are_allowed(broken, model_dir, tmp_path):
    allowed = ("--model-args", "use_safetensors=False")
    assert ask(broken / "pickled", "addition_direct", *allowed, "--out", tmp_path / "out") == 0
    assert ask(model_dir, "addition_direct", "--out", tmp_path / "safe") == 0
    here, there = (read_jsonl(tmp_path / name / "responses.jsonl") for name in ("out", "safe"))
    assert list(here) == list(there)


def test_every_name_of_lm_evals_own_type_means_the_same(model_dir, tmp_path):
    asking = tiny.SETTINGS.models.asking(next(iter(tiny.SETTINGS.models.rungs)))
    for kind in HF:
        means = means_by_name(kind, {"pretrained": str(model_dir)}, asking, "cpu", 1, tmp_path)
        assert means.device == "cpu"


@pytest.mark.network
def test_a_repository_is_refused_as_a_directory_is(broken, tmp_path):
    repos = {}
    for number, (repo, folder) in enumerate({"me/pickled": "pickled", "me/own": "own code"}.items()):
        files = {path.name: path.read_bytes() for path in (broken / folder).iterdir()}
        repos[repo] = {"main": Revision(str(number) * 40, files)}
    # A process of its own, as the hub's client reads its address once.
    with Hub(repos) as hub:
        there = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"}
        command = [sys.executable, "-c", ASK_EACH, *repos, "me/none"]
        done = subprocess.run(command, env=os.environ | there, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert lines[0].startswith("error: me/pickled holds no safetensors; pickled weights can run any code")
    assert lines[0].endswith("give use_safetensors=False among its arguments")
    assert lines[1].startswith("error: me/own needs code of the model's own, which can do anything")
    assert lines[2].startswith("error: me/none does not load")
    assert not (broken.parent / "ran").exists()


def test_outside_the_repository_lm_evals_tasks_alone_are_asked(model_dir, tmp_path, monkeypatch, capsys):
    folder = write_tasks(tmp_path / "tasks")
    monkeypatch.chdir(tmp_path)
    assert ask(model_dir, "choices", "--folder", folder, "--out", "out") == 0
    assert (tmp_path / "out/points.csv").is_file()
