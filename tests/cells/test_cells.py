"""Cells: what names them, what the store holds, and what becomes of them, whatever fails. No stage here takes time."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil
import pytest
import yaml

import tiny
from clone import ROOT
from command import run
from tasklaws.budget import rates
from tasklaws.cells import cell as cell_module
from tasklaws.cells.resources import strangers, wishes
from tasklaws.cells.shards import join
from tasklaws.cells.store import Store
from tasklaws.cells.work import served
from tasklaws.compose import compose
from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, write_json, write_jsonl
from tasklaws.core.settings import Resources, Settings, StageResources
from toy import Toy

pytestmark = pytest.mark.slow  # they import DVC
ALL = ("model@one", "model@two", "respond@one", "respond@two")
DONE = dict.fromkeys(ALL, "done")


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "repo")


def ids(toy: Toy) -> dict[str, str]:
    return {cell.name: cell.id for cell in toy.survey().cells}


def rung(toy: Toy, **source: int) -> None:
    toy.params["models"]["rungs"]["one"]["source"] |= source


CHANGES: dict[str, tuple[Callable[[Toy], object], set[str]]] = {
    "data that trains": (lambda toy: toy.write("data/corpus/train", "another"), set(ALL)),
    "one more file": (lambda toy: toy.write("data/corpus/more", ""), set(ALL)),
    "what is asked": (lambda toy: toy.write("data/items/one", "another"), {"respond@one", "respond@two"}),
    "code": (lambda toy: toy.write("stages/respond.py", "pass"), {"respond@one", "respond@two"}),
    "a rung": (lambda toy: rung(toy, n_tokens=10**6), {"model@one", "respond@one"}),
    "dtype": (lambda toy: toy.params["models"].update(dtype="float32"), {"respond@one", "respond@two"}),
    "the device that is meant": (lambda toy: toy.params["execution"].update(device="cpu"), set()),
    "device": (lambda toy: toy.params["execution"].update(device="cuda"), {"respond@one", "respond@two"}),
    "command": (
        lambda toy: toy.write("dvc.yaml", (toy.root / "dvc.yaml").read_text().replace("-P stages/m", "stages/m")),
        set(ALL),
    ),
    "workers": (lambda toy: toy.params["execution"].update(workers=7, engine="local", at_once=9), set()),
    "resources": (lambda toy: toy.params["execution"]["resources"]["respond"].update(minutes=1), set()),
    "another setting": (lambda toy: toy.params["laws"].update(replicates=60), set()),
    "bytecode": (lambda toy: toy.write("data/corpus/__pycache__/a.pyc", "x"), set()),
}


def test_a_key_changes_with_what_determines_the_outputs_and_with_nothing_else(toy: Toy) -> None:
    before = ids(toy)
    for what, (change, wanted) in CHANGES.items():
        change(toy)
        toy.save()
        after = ids(toy)
        assert {name for name in ALL if before[name] != after[name]} == wanted, what
        before = after


def test_a_key_changes_with_the_packages_that_compute_and_with_the_model_that_is_asked(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = toy.survey().cells
    assert before[2].key("a" * 64) != before[2].key("b" * 64)
    have = cell_module.packages()
    monkeypatch.setattr(cell_module, "packages", lambda: {**have, "matplotlib": "0"})
    assert ids(toy) == {cell.name: cell.id for cell in before}
    monkeypatch.setattr(cell_module, "packages", lambda: {**have, "torch": "0"})
    assert not set(ids(toy).values()) & {cell.id for cell in before}


def stage(toy: Toy, name: str) -> str:
    """What a stage says when DVC runs it."""
    kind, _, of = name.partition("@")
    environment = {**os.environ, "DVC_STAGE": name, "PYTHONPATH": str(ROOT / "src")}
    words = [sys.executable, "-P", f"stages/{kind}.py", of]
    done = subprocess.run(words, cwd=toy.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def outputs(toy: Toy) -> dict[str, bytes]:
    files = [path for name in ("models", "responses") for path in (toy.root / name).rglob("*") if path.is_file()]
    return {path.relative_to(toy.root).as_posix(): path.read_bytes() for path in files}


@pytest.mark.heavy
def test_any_engine_stores_the_same_bytes_and_stages_take_those_that_they_would_make(tmp_path: Path) -> None:
    stored = []
    for engine, at_once in (("debug", 1), ("local", 1), ("local", 2)):
        toy = Toy(tmp_path / f"{engine}{at_once}" / "repo", engine=engine, at_once=at_once)
        toy.write("stages/model.py", (toy.root / "stages/model.py").read_text().replace(str(toy.faults), "none"))
        toy.write("stages/respond.py", (toy.root / "stages/respond.py").read_text().replace(str(toy.faults), "none"))
        assert toy.submit() == DONE
        stored.append(toy.entries())
        assert not list((toy.store / "work").iterdir())
    assert stored[0] == stored[1] == stored[2]
    assert all("taken from the store" in stage(toy, name) for name in ALL)
    taken = outputs(toy)
    for name in ("models", "responses", ".work"):
        shutil.rmtree(toy.root / name)
    shutil.move(toy.store, toy.store.with_name("elsewhere"))
    assert all("is not here" in stage(toy, name) for name in ALL)
    assert outputs(toy) == taken
    assert len(taken) == 8


def test_what_is_damaged_is_named_not_used_and_made_again(toy: Toy) -> None:
    toy.submit()
    whole = toy.entries()
    said = next(toy.store.glob("entries/*/responses/toy/one.jsonl"))
    said.write_bytes(said.read_bytes()[::-1])
    states = toy.survey().states()
    assert states.counts["missing"] == 1
    assert [one.reason for one in states.cells if one.state == "missing"] == ["what the store has of it is damaged"]
    assert str(said) in " ".join(states.damaged)
    stage(toy, "model@one")
    told = stage(toy, "respond@one")
    assert str(said) in told
    assert "made here" in told
    cell = toy.survey().cells[2]
    manifest = said.parents[2] / "manifest.json"
    for damage in (said.unlink, said.with_name("more").touch, lambda: manifest.write_text("{")):
        damage()
        assert Store(toy.store).find(manifest.parent.name) is None
        shutil.rmtree(manifest.parent)
        Store(toy.store).put(cell, manifest.parent.name, toy.root)
        assert toy.entries() == whole


def test_one_that_fails_three_times_is_not_sent_again_and_the_others_are_kept(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy.fault("model@two", "fail")
    for _ in range(4):
        assert toy.submit() == {**DONE, "model@two": "failed", "respond@two": "missing"}
    states = {one.name: one for one in toy.survey().states().cells}
    assert "failed 3 times" in states["model@two"].reason
    assert "it was told to fail" in states["model@two"].reason
    assert Path(states["model@two"].log).read_text().count("begun") == 3
    assert states["respond@two"].reason == "model@two is not there"
    monkeypatch.chdir(toy.root)
    for words in (["submit"], ["cells", "--resubmit"]):
        assert run(*words) == 1
        assert "error: model@two failed" in capsys.readouterr().err
    assert run("cells") == 0
    toy.fault("model@two", "")
    shutil.rmtree(states["model@two"].reason.split("remove ")[1])
    assert toy.submit() == DONE


def begun(toy: Toy, cell: str, times: int = 1) -> psutil.Process:
    """The process of the stage of a cell that runs, once it has begun so many times."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        log = "".join(path.read_text() for path in toy.store.glob(f"logs/{cell}-*.log"))
        if f"begun {times} times" in log:
            for process in psutil.process_iter(["cmdline", "cwd"]):
                words, cwd = process.info["cmdline"] or [], process.info["cwd"] or ""
                if f"stages/{cell.split('@')[0]}.py" in words and cwd.startswith(str(toy.store)):
                    return process
        time.sleep(0.05)
    raise AssertionError(f"{cell} never began")


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[tuple[Toy, "subprocess.Popen[bytes]"]]:
    """A toy whose first cell sleeps, and `tasklaws submit` of it in a process of its own."""
    toy = Toy(tmp_path / "repo", engine="local", at_once=1)
    toy.fault("model@one", "sleep 60")
    null = subprocess.DEVNULL
    with subprocess.Popen(toy.command(), cwd=toy.root, stdout=null, stderr=null) as submitter:
        yield toy, submitter


@pytest.mark.heavy
def test_what_was_sent_goes_on_when_its_submitter_is_killed_and_is_not_sent_twice(
    sleeping: tuple[Toy, "subprocess.Popen[bytes]"],
) -> None:
    toy, submitter = sleeping
    process = begun(toy, "model@one")
    assert toy.states() == {**dict.fromkeys(ALL, "waiting"), "model@one": "running"}
    with pytest.raises(TasklawsError, match="another process submits"):
        toy.submit()
    submitter.kill()
    submitter.wait()
    assert toy.states() == {**dict.fromkeys(ALL, "missing"), "model@one": "running"}
    toy.params["execution"]["engine"] = "debug"
    toy.save()
    assert toy.submit() == {**DONE, "model@one": "running", "respond@one": "missing"}
    process.parent().send_signal(signal.SIGKILL)  # the cell; its stage ends with it
    psutil.wait_procs([process], 10)
    states = {one.name: one for one in toy.survey().states().cells}
    assert states["model@one"].state == "missing"
    assert "ended without a result" in states["model@one"].reason
    assert toy.submit() == DONE
    assert "begun 2 times" in Path(states["model@one"].log).read_text(), "it went on in the folder where it was"


@pytest.mark.heavy
def test_one_whose_time_is_over_is_queued_again_and_goes_on_where_it_was(
    sleeping: tuple[Toy, "subprocess.Popen[bytes]"],
) -> None:
    toy, submitter = sleeping
    begun(toy, "model@one").parent().send_signal(signal.SIGUSR2)  # as Slurm, and submitit's own processes, do
    assert submitter.wait(60) == 0
    assert toy.states() == DONE
    assert "begun 2 times" in next(toy.store.glob("logs/model@one-*.log")).read_text()


def test_what_cells_read_is_a_copy_that_edits_do_not_change(toy: Toy) -> None:
    toy.submit()
    wanted = toy.entries()
    shutil.rmtree(toy.store / "entries")
    toy.write("data/items/one", "edited")
    survey = toy.survey()
    toy.write("data/items/one", ", an item")
    (copied,) = toy.store.glob("inputs/*/data/items/one")
    assert copied.read_text() == ", an item"
    toy.submit()
    assert toy.entries() == wanted
    copied.write_text("edited")
    shutil.rmtree(toy.store / "entries")
    toy.submit()
    assert "is not as it was submitted" in toy.survey().states().summary()
    assert survey.cells[2].id != toy.survey().cells[2].id


def test_without_submitit_it_says_so_in_one_line_and_without_a_store_too(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(toy.root)
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert run("submit") == 1
    assert capsys.readouterr().err == "error: submitit is not installed: pip install 'tasklaws[cluster]'\n"
    assert run("cells", "--json") == 0
    assert json.loads(capsys.readouterr().out)["counts"]["missing"] == 4
    toy.params["execution"]["store"] = ""
    toy.save()
    assert run("cells") == 1
    assert "execution.store is empty" in capsys.readouterr().err
    assert "taken" not in stage(toy, "model@one")


def test_without_slurm_it_says_so(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    toy.params["execution"]["engine"] = "slurm"
    toy.save()
    for _ in range(2):  # also where a submission is on record
        with pytest.raises(TasklawsError, match=r"set execution\.engine to local"):
            toy.submit()
    toy.params["execution"]["engine"] = "debug"
    toy.save()
    assert toy.submit() == DONE
    toy.params["execution"]["engine"] = "slurm"
    toy.save()
    assert toy.states() == DONE  # nothing is left of which Slurm knows more


def test_a_dry_run_has_the_figures_of_plan_run_and_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(rates, "_probe", lambda *_: 1e10)
    assert run("plan-run", "models=nano_mini", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    words = ["submit", "models=nano_mini", f"execution.store={tmp_path / 'store'}", "--dry-run"]
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    for each in (plan, found["plan"]):
        each.pop("free_disk")
    assert found["plan"] == plan
    assert "note" in found or set(found["sent"]) >= {"model@mini-1k", "respond@mini-21k"}
    assert not (tmp_path / "store").exists()


def test_it_says_which_data_must_be_made_first(toy: Toy) -> None:
    pipeline = yaml.safe_load((toy.root / "dvc.yaml").read_text())
    pipeline["stages"]["items"] = {"cmd": "python -P stages/items.py", "deps": ["stages"], "outs": ["data/items"]}
    toy.write("dvc.yaml", yaml.safe_dump(pipeline))
    with pytest.raises(TasklawsError, match="tasklaws compose models=toy && dvc repro items"):
        toy.survey()


def test_shards_are_joined_in_the_order_of_items_benchmarks_last(tmp_path: Path) -> None:
    families = [("a", "direct", "10"), ("a", "direct", "2"), ("a", "python", "2"), ("c", "direct", "1")]
    items = [*families, ("b", "benchmark", "0")]
    keys = ("seed", "step", "family", "elicitation", "item")
    rows = [dict(zip(keys, (*of, *item), strict=True)) for of in ((0, 10), (0, 20), (1, 20)) for item in items]
    shards = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for number, shard in enumerate(shards):
        write_jsonl(shard, [row for place, row in enumerate(rows) if (1, 0, 2, 0, 0)[place % 5] == number])
        write_json(shard.with_suffix(".json"), {"device": "cpu"})
    write_jsonl(tmp_path / "whole.jsonl", rows)
    join(shards, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert read_json(tmp_path / "out.json") == {"device": "cpu"}
    write_json(tmp_path / "2.json", {"device": "cuda"})
    with pytest.raises(TasklawsError, match=r"2\.jsonl was asked otherwise"):
        join(shards, tmp_path / "out.jsonl")


def test_a_model_of_this_machine_is_found_by_its_path_and_belongs_to_the_key(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy.root)
    mine = toy.root / "../elsewhere/mine"
    mine.mkdir(parents=True)
    (mine / "weights").write_text("my own")
    toy.params["models"]["rungs"]["one"]["source"] = {"kind": "local", "path": "../elsewhere/mine"}
    toy.save()
    before = ids(toy)
    assert toy.submit() == DONE
    assert b"my own of a corpus" in toy.entries().values()
    (mine / "weights").write_text("another")
    assert {name for name in ALL if before[name] != ids(toy)[name]} == {"model@one", "respond@one"}
    assert toy.submit() == DONE
    assert b"another of a corpus" in toy.entries().values()


@pytest.fixture
def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.network
def test_a_server_is_started_waited_for_and_ended(port: int, tmp_path: Path) -> None:
    log, root = (tmp_path / "log").open("w"), f"http://127.0.0.1:{port}"
    command = f"sleep 1; {sys.executable} -m http.server {port} --bind 127.0.0.1"
    with log, served(command, f"{root}/v1/completions", log, tmp_path):
        with pytest.raises(HTTPError, match="404") as refused:
            urlopen(f"{root}/v1/completions")
        refused.value.close()
        with pytest.raises(TasklawsError, match="a port of its own"), served(command, root, log, tmp_path):
            pass
    with pytest.raises((URLError, ConnectionResetError)):  # the latter while it still dies
        urlopen(root)
    for wrong, address, line in (("exit 3", root, "the server ended with status 3"), ("exit 3", "", "base_url is ''")):
        with (
            (tmp_path / "log").open("a") as log,
            pytest.raises(TasklawsError, match=line),
            served(wrong, address, log, tmp_path),
        ):
            pass


@pytest.mark.network
def test_a_rungs_server_starts_once_for_card_and_answers(toy: Toy, port: int) -> None:
    served = {"kind": "lm_eval", "model": "local-completions", "n_params": 5}
    served |= {"model_args": {"base_url": f"http://127.0.0.1:{port}/v1/completions"}}
    toy.params["models"]["rungs"]["two"]["source"] = served
    starts = toy.root / "starts"
    server = f"echo start >> {starts}; {sys.executable} -m http.server {port} --bind 127.0.0.1"
    toy.params["execution"]["resources"]["respond"]["rungs"] = {"two": {"server": server}}
    toy.save()
    assert toy.submit() == DONE
    assert starts.read_text() == "start\n"
    toy.params["models"]["dtype"] = "float32"
    toy.params["execution"]["resources"]["respond"]["rungs"] = {"two": {"server": "echo broken; exit 2"}}
    toy.save()
    assert toy.submit() == {**DONE, "respond@two": "failed"}
    assert "the server ended with status 2 (broken)" in toy.survey().states().summary()


def test_what_a_cell_is_given_is_checked() -> None:
    resources = {**asdict(tiny.SETTINGS.execution.resources.model), "rungs": {"big": {"gpus": 2, "minutes": 5}}}

    def read_(**change: object) -> Resources:
        return read(Resources, resources | change, "resources", "correct it")

    assert (read_().of("big").gpus, read_().of("big").cpus, read_().of("small").gpus) == (2, 2, 0)
    for change in ({"rungs": {"big": {"gpu": 1}}}, {"rungs": {"big": {"gpus": -1}}}, {"server": "x", "shards": 2}):
        with pytest.raises(TasklawsError):
            read_(**change)
    with pytest.raises(TasklawsError, match=r"give them to resources\.respond"):
        read(StageResources, {"model": resources | {"shards": 2}, "respond": resources}, "resources", "correct it")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"sbatch": {"array": "0-3"}}, "has 'array', which tasklaws sets: leave it out"),
        ({"sbatch": {"cpus_per_task": 3}}, "has 'cpus_per_task', which tasklaws sets: set cpus instead"),
        ({"rungs": {"two": {"sbatch": {"time": 9}}}}, "has 'time', which tasklaws sets: set minutes instead"),
    ],
)
def test_resources_that_cannot_be_are_refused(toy: Toy, wanted: dict[str, object], said: str) -> None:
    toy.params["execution"]["resources"]["respond"].update(wanted)
    toy.save()
    with pytest.raises(TasklawsError, match=re.escape(said)):
        toy.submit()
    assert not toy.store.exists()


def test_a_dry_run_says_what_slurm_would_be_asked_for(toy: Toy) -> None:
    own = {"gpus": 2, "partition": "long", "minutes": 30, "sbatch": {"account": "mine"}}
    toy.params["execution"]["resources"]["respond"]["rungs"] = {"two": own, "tow": own}
    toy.save()
    settings = toy.survey().settings
    (note,) = strangers(settings)
    assert "respond.rungs has tow, which ladder toy lacks" in note
    said = wishes(settings, [*ALL, "respond@two:1of2"])
    assert "2 CPUs, 240 min, 8 GB: model@one, model@two, respond@one" in said
    assert "2 CPUs, 2 GPUs, 30 min, 8 GB, partition long, account mine: respond@two, respond@two:1of2" in said


def test_a_lock_that_dvc_writes_just_now_is_waited_for(toy: Toy) -> None:
    whole = toy.root / "dvc.lock"
    whole.write_text("schema: '2.0'\nstages: {")
    threading.Timer(0.5, whole.write_text, ("schema: '2.0'\nstages: {}\n",)).start()
    assert toy.states() == dict.fromkeys(ALL, "missing")


PAGE = ROOT / "docs/cluster.md"
# Where each command of the page is run.
RUN_BY = {
    "tasklaws compose models=nano_mini execution=slurm execution.store=/shared/me/cells": "test_slurm_ladder.py",
    "tasklaws compose models=nano_mini execution.store=../cells": "test_real_cells.py",
    "dvc repro items corpus benchmarks": "test_real_cells.py",
    "tasklaws submit --dry-run": "test_real_cells.py",
    "tasklaws submit": "test_real_cells.py",
    "tasklaws cells": "test_real_cells.py",
    "tasklaws cells --resubmit": "test_real_cells.py",
    "dvc repro": "test_real_cells.py",
    "dvc push": "test_pipeline.py",
    "dvc pull": "test_pipeline.py",
    "python tests/cluster/slurm_cluster.py ../slurm": "test_slurm_faults.py",
}


def test_the_settings_of_the_page_are_settings(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    text = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert text
    (tmp_path / "conf/execution/mine.yaml").write_text(text[1])
    of_page = Settings.of(yaml.safe_load(compose(["models=pythia_ladder", "execution=mine"], tmp_path / "conf")))
    found = of_page.execution
    assert (found.engine, found.batch_size, found.resources.model.gpus) == ("slurm", "auto", 0)
    assert found.resources.respond.of("pythia-12b").shards == 4
    words = ["models=nano_mini", "execution=slurm", "execution.store=/shared/me/cells"]
    assert Settings.of(yaml.safe_load(compose(words, ROOT / "conf"))).execution.store == words[-1].partition("=")[2]


def test_every_command_of_the_page_is_run_somewhere() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert {line.split("  #")[0].strip() for block in blocks for line in block.splitlines()} == RUN_BY.keys()
