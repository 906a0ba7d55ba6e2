"""Fetching a rung drives huggingface_hub's own client against a loopback hub."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import yaml

from hub_server import FORMS, LADDER, Fault, Hub, Revision
from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.settings import HubSource, gpt_neox_n_params
from tasklaws.ladder import card
from tasklaws.ladder import hub as hub_rungs
from tasklaws.ladder.card import Card
from tasklaws.ladder.heldout import heldout_loss
from tasklaws.ladder.model_sizes import Sizes
from tasklaws.ladder.sizes import sizes_of

pytestmark = pytest.mark.network

SOURCES = {
    name: read(HubSource, rung["source"], name, "correct it")
    for name, rung in yaml.safe_load(LADDER.read_text())["rungs"].items()
}
DOCUMENTS = [{"prompt": "Q: 17+4\nA:", "target": " 21"}, {"prompt": "Q: 1+1\nA:", "target": " 2\n"}]
REPO = "EleutherAI/pythia-70m"
SOURCE = SOURCES["pythia-70m"]
WEIGHTS = {
    "both": ["model.safetensors"],
    "bin": ["pytorch_model.bin"],
    "sharded": [
        "model.safetensors.index.json",
        *(f"model-0000{n}-of-00004.safetensors" for n in range(1, 5)),
    ],
    "sharded bin": ["pytorch_model.bin.index.json", *(f"pytorch_model-0000{n}-of-00002.bin" for n in (1, 2))],
}
SMALL = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]


def fetch(tmp_path: Path, source: HubSource = SOURCE, rung: str = "pythia-70m") -> Card:
    return hub_rungs.fetch(rung, source, DOCUMENTS, tmp_path / "models" / rung, tmp_path / "work")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refuses(tmp_path: Path, message: str, source: HubSource = SOURCE) -> str:
    """Fetching fails in one line that holds `message`, and leaves nothing in models/."""
    with pytest.raises(TasklawsError, match=message) as caught:
        fetch(tmp_path, source)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()
    return str(caught.value)


EACH_FORM = ("pythia-70m", "pythia-1b4", "pythia-2b8", "pythia-12b")  # of weights


@pytest.mark.parametrize(
    "rung", [rung if rung in EACH_FORM else pytest.param(rung, marks=pytest.mark.heavy) for rung in SOURCES]
)
def test_fetches_every_size_at_every_step(
    rung: str, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = SOURCES[rung], tmp_path / "models" / rung
    found = fetch(tmp_path, source, rung)
    assert found == card.read_card(out)
    assert (found.rung, found.repo, found.revision) == (rung, source.repo, source.revision)
    assert (found.n_params, found.n_params_total) == (source.n_params, source.n_params_total)
    assert found.commit == hub.repos[source.repo]["main"].commit
    assert [checkpoint.step for checkpoint in found.checkpoints] == list(source.steps)
    names = SMALL + WEIGHTS[FORMS.get(rung, "both")]
    expected = {"card.json": (out / "card.json").read_bytes()}
    for checkpoint in found.checkpoints:
        served = hub.repos[source.repo][f"step{checkpoint.step}"]
        assert checkpoint.commit == served.commit
        assert checkpoint.n_tokens == checkpoint.step * 2**21
        assert checkpoint.train_flops == pytest.approx(6 * source.n_params * checkpoint.n_tokens)
        folder = "" if checkpoint.is_final else f"seed1234-step{checkpoint.step}/"
        expected |= {folder + name: served.files[name] for name in names}
    assert contents(out) == expected
    assert not any(name in request for request in hub.asked for name in ("README", ".gitattributes"))
    # Stand-ins are of another size than the ladder says: kept, counted and said.
    assert found.n_params_loaded == gpt_neox_n_params(2, 16)
    assert f"width 16, not {source.width}" in capsys.readouterr().err
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("touched the network"))
    for checkpoint in found.checkpoints:
        expected_loss = (checkpoint.loss_nats, checkpoint.bits_per_byte)
        assert heldout_loss(out / checkpoint.path, DOCUMENTS) == pytest.approx(expected_loss, abs=1e-6)


def test_stand_ins_all_differ(hub: Hub) -> None:
    commits = [found.commit for revisions in hub.repos.values() for found in set_of(revisions)]
    assert len(set(commits)) == len(commits) == 8 * 4
    weights = [found.files["model.safetensors"] for found in set_of(hub.repos[REPO])]
    assert len(set(weights)) == len(weights)


def set_of(revisions: dict[str, Revision]) -> list[Revision]:
    """Each commit once: a branch may share it with another."""
    return list({found.commit: found for found in revisions.values()}.values())


def test_fetches_again_from_the_cache_without_a_network(tmp_path: Path, hub: Hub) -> None:
    found = fetch(tmp_path)
    first = contents(tmp_path / "models")
    shutil.rmtree(tmp_path / "models")
    hub.shutdown()
    hub.server_close()
    huggingface_hub.close_session()
    assert fetch(tmp_path) == found
    assert contents(tmp_path / "models") == first


def test_what_was_downloaded_is_not_asked_for_again(tmp_path: Path, hub: Hub) -> None:
    fetch(tmp_path)
    hub.asked.clear()
    fetch(tmp_path)
    assert {request.rsplit("/", 1)[-1] for request in hub.asked} == {
        "step1000",
        "step16000",
        "step64000",
        "main",
    }


def test_replaces_an_older_rung_whole(tmp_path: Path, hub: Hub) -> None:
    out = tmp_path / "models" / "pythia-70m"
    out.mkdir(parents=True)
    (out / "stale.bin").write_text("of an older ladder")
    fetch(tmp_path)
    assert not (out / "stale.bin").exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_matching_weights_give_no_warning(tmp_path: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    n_params = gpt_neox_n_params(2, 16)
    fetch(
        tmp_path,
        replace(SOURCE, layers=2, width=16, heads=2, n_params=n_params, n_params_total=n_params + 2 * 257 * 16),
    )
    assert "warning" not in capsys.readouterr().err


SCRIPT = """
import sys
from pathlib import Path
from tasklaws.core import script
from tasklaws.core.settings import HubSource
from tasklaws.ladder import hub
source, documents, out, work = {source!r}, {documents!r}, Path({out!r}), Path({work!r})
script.run(lambda: print(hub.fetch("pythia-70m", source, documents, out, work).commit))
"""


def start(tmp_path: Path) -> "subprocess.Popen[str]":
    """Fetch pythia-70m in a process of its own, wrapped as a stage is."""
    out, work = str(tmp_path / "models" / "pythia-70m"), str(tmp_path / "work")
    script = SCRIPT.format(source=SOURCE, documents=DOCUMENTS, out=out, work=work)
    command = [sys.executable, "-c", script]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_killed_in_mid_download_it_finishes_with_the_same_bytes(tmp_path: Path, hub: Hub) -> None:
    fetch(tmp_path / "undisturbed")
    shutil.rmtree(tmp_path / "hub-cache")
    third = hub.repos[REPO]["step64000"].commit
    fault = Fault(f"{third}/model.safetensors", "hang")
    hub.faults.append(fault)
    with start(tmp_path) as process:
        assert fault.reached.wait(60)
        process.send_signal(signal.SIGKILL)
    fault.released.set()
    hub.faults.clear()
    assert not (tmp_path / "models").exists()
    hub.asked.clear()
    with start(tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.strip() == hub.repos[REPO]["main"].commit
    assert contents(tmp_path / "models") == contents(tmp_path / "undisturbed" / "models")
    # The two checkpoints that were whole before the kill were not downloaded again.
    assert sum("GET" in request and "model.safetensors" in request for request in hub.asked) == 2


@pytest.mark.parametrize("n_done", [0, 1, 3])
def test_stopped_while_measuring_it_keeps_what_was_measured(
    n_done: int, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fetch(tmp_path / "undisturbed")
    measured: list[Path] = []

    measure = hub_rungs.measured

    def stop_after(model_dir: Path, source: HubSource, documents: Any) -> Any:
        if len(measured) == n_done:
            raise KeyboardInterrupt
        measured.append(model_dir)
        return measure(model_dir, source, documents)

    monkeypatch.setattr(hub_rungs, "measured", stop_after)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path)
    assert not (tmp_path / "models").exists()
    for folder in [*(tmp_path / "work").glob("*/rung"), *measured]:
        (folder / ".model.safetensors.x1y2").write_text("half a copy, of a process that was killed")
    n_done = len(hub.repos[REPO])
    assert fetch(tmp_path) == found
    assert len(set(measured)) == len(measured) == 4
    assert contents(tmp_path / "models") == contents(tmp_path / "undisturbed" / "models")


@pytest.mark.parametrize("place", ["config.json", "generation_config.json", "model.safetensors", "vocab.json", "done"])
def test_kept_work_that_has_changed_is_made_anew(
    place: str, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(tmp_path / "undisturbed")
    with monkeypatch.context() as patch:
        patch.setattr(hub_rungs, "write_card", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fetch(tmp_path)
    (staging,) = (tmp_path / "work").iterdir()
    done = min(staging.glob("step*.json"))
    folder = staging / "rung" / read_json(done)["path"]
    if place == "done":
        done.write_text(done.read_text().replace('"loss_nats": ', '"loss_nats": 1'))
    else:
        (folder / place).write_text("planted")
    fetch(tmp_path)
    assert contents(tmp_path / "models") == contents(tmp_path / "undisturbed" / "models")


def test_without_a_network_it_says_so_in_one_line(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    with start(tmp_path) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"error: cannot fetch {REPO} at step1000 from {nobody} ")
    assert err.count("\n") == 1
    assert "connect to the network, or set HF_ENDPOINT to a mirror" in err
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"repo": "EleutherAI/pythia-71m"},
            "EleutherAI/pythia-71m at step1000 from http.*no such repository",
        ),
        ({"repo": "two words"}, "two words at step1000.*correct `repo`"),
        ({"steps": (1001, 143000)}, f"{REPO} at step1001 from http.*no such revision: correct `steps`"),
        ({"revision": "0" * 40}, f"{REPO} at 0000.*no such revision"),
        ({"revision": "elsewhere"}, f"{REPO} at elsewhere.*no such revision"),
    ],
)
def test_refuses_a_source_that_is_not_there(change: dict[str, Any], message: str, hub: Hub, tmp_path: Path) -> None:
    refuses(tmp_path, message, replace(SOURCE, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"revision": "step64000"}, "revision is step64000, not the last of steps"),
        ({"steps": []}, r"steps is \[\], not one or more"),
        ({"steps": [1000, 1000]}, r"steps is \[1000, 1000\], not each once"),
        ({"seeds": [1, 2]}, r"seeds is \[1, 2\], not one seed"),
    ],
)
def test_refuses_a_source_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TasklawsError, match=message):
        read(HubSource, asdict(SOURCE) | change, "source", "correct it")


def test_the_last_step_has_a_revision_of_its_own() -> None:
    assert replace(SOURCE, steps=(143000, 1000)).revisions == {1000: "step1000", 143000: "main"}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            Fault("model.safetensors", "403 GatedRepo"),
            "gated: accept its terms at http.*and set HF_TOKEN",
        ),
        (Fault(f"/api/models/{REPO}", "401 GatedRepo"), "gated: accept its terms"),
        (Fault(f"/api/models/{REPO}", "401"), "401.*HF_TOKEN"),
        (Fault(f"/api/models/{REPO}", "403"), "403.*HF_TOKEN"),
        (Fault(f"/api/models/{REPO}", "500"), "cannot fetch.*500.*run it again later"),
    ],
)
def test_a_refusal_says_what_to_do(fault: Fault, message: str, hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(fault)
    refuses(tmp_path, message)


@pytest.mark.parametrize("rung", ["pythia-70m", "pythia-12b"])
@pytest.mark.parametrize(("kind", "message"), [("short", "should be of size"), ("flip", "came damaged")])
def test_a_bad_file_is_refused_and_fetched_again(kind: str, message: str, rung: str, hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault("safetensors", kind, times=1))
    source = SOURCES[rung]
    refuses(tmp_path, message, source)
    fetch(tmp_path, source, rung)
    served = hub.repos[source.repo]["main"].files
    copied = contents(tmp_path / "models" / rung)
    assert all(copied[name] == served[name] for name in SMALL + WEIGHTS[FORMS.get(rung, "both")])


def test_a_damaged_small_file_is_found_too(hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault("tokenizer.json", "flip", times=1))
    refuses(tmp_path, "tokenizer.json of EleutherAI/pythia-70m at step1000 came damaged")


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    hub.faults.append(Fault("model.safetensors", "cut", times=1))
    fetch(tmp_path)
    served = hub.repos[REPO]["step1000"].files["model.safetensors"]
    assert (tmp_path / "models/pythia-70m/seed1234-step1000/model.safetensors").read_bytes() == served


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("model.safetensors", "holds no weights"),
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer.json"),
    ],
)
def test_refuses_a_revision_that_is_no_model(lost: str, message: str, hub: Hub, tmp_path: Path) -> None:
    lost_too = {lost, "pytorch_model.bin"} if lost == "model.safetensors" else {lost}
    files = hub.repos[REPO]["step1000"].files
    files = {name: content for name, content in files.items() if name not in lost_too}
    hub.repos[REPO]["step1000"] = Revision("f" * 40, files)
    refuses(tmp_path, message)


def test_refuses_a_missing_shard(hub: Hub, tmp_path: Path) -> None:
    source = SOURCES["pythia-12b"]
    revision = hub.repos[source.repo]["step1000"]
    files = {name: content for name, content in revision.files.items() if "-00002-of" not in name}
    hub.repos[source.repo]["step1000"] = Revision(revision.commit, files)
    refuses(tmp_path, "does not load", source)


def test_refuses_two_steps_of_one_commit(hub: Hub, tmp_path: Path) -> None:
    hub.repos[REPO]["step1000"] = hub.repos[REPO]["main"]
    refuses(tmp_path, f"main is step1000 too .*{hub.repos[REPO]['main'].commit}")


def test_says_when_the_endpoint_is_no_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_server.json.dumps", lambda _: "<html>")
    refuses(tmp_path, "not a hub: correct HF_ENDPOINT")


def test_what_is_not_stated_is_read_from_its_configuration(hub: Hub, tmp_path: Path) -> None:
    source = HubSource(kind="hub", repo=REPO, heldout=False)
    n_params = gpt_neox_n_params(2, 16)
    assert sizes_of(source) == Sizes(2, 16, 2, n_params, n_params + 2 * 257 * 16)
    assert not any("safetensors" in request for request in hub.asked)  # no weights are fetched to know them
    found = fetch(tmp_path, source)
    assert (found.n_params, found.n_params_total) == (n_params, n_params + 2 * 257 * 16)
    (only,) = found.checkpoints
    assert (only.path, only.step, only.n_tokens, only.train_flops, only.loss_nats) == (".", 0, None, None, None)
    assert only.commit == hub.repos[REPO]["main"].commit


def test_branches_of_other_names(hub: Hub, tmp_path: Path) -> None:
    hub.repos[REPO]["stage1-step1000-tokens4B"] = hub.repos[REPO].pop("step1000")
    branches = {1000: "stage1-step1000-tokens4B"}
    source = replace(SOURCE, steps=(1000, 143000), branches=branches)
    assert source.revisions == {1000: "stage1-step1000-tokens4B", 143000: "main"}
    assert [one.step for one in fetch(tmp_path, source).checkpoints] == [1000, 143000]
    with pytest.raises(TasklawsError, match="branches has step 143000"):
        replace(SOURCE, branches={143000: "main"})


def test_pickled_weights_are_refused_unless_asked_for(hub: Hub, tmp_path: Path) -> None:
    message = "weights as pickle files alone .*which can run any code.*pickled_weights: true"
    refuses(tmp_path, message, replace(SOURCES["pythia-2b8"], pickled_weights=False))


def test_code_of_the_models_own_is_refused_unless_asked_for(hub: Hub, tmp_path: Path) -> None:
    main = hub.repos[REPO]["main"]
    config = json.loads(main.files["config.json"]) | {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    files = main.files | {"config.json": json.dumps(config).encode(), "own.py": b"raise SystemExit('ran')"}
    hub.repos[REPO]["main"] = Revision("d" * 40, files)
    source = replace(SOURCE, steps=(143000,))
    refuses(tmp_path, "names code of the model's own, which can do anything.*trust_remote_code: true", source)
    assert not any("own.py" in request for request in hub.asked)
