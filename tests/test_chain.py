"""dvc.lock as a chain: what wrote a file, and DVC's own hashes of files and folders."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.provenance.chain import Chain, Entry, Stage, md5, parse_chain, read_chain

ROOT = Path(__file__).parents[1]


def test_every_stage_of_the_lock_is_read() -> None:
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())
    chain = read_chain(ROOT)
    assert list(chain.stages) == list(lock["stages"])
    report = chain.stages["report@nano_ladder"]
    assert [entry.path for entry in report.outputs] == [out["path"] for out in lock["stages"][report.name]["outs"]]
    assert report.params["seed"] == 0


def test_a_file_is_traced_to_the_stage_that_wrote_it_or_its_folder() -> None:
    chain = read_chain(ROOT)
    stage, entry = chain.written("data/items/gauss_sum.jsonl") or (None, None)
    assert stage is not None
    assert entry is not None
    assert (stage.name, entry.path) == ("items", "data/items")
    assert chain.written("src/tasklaws/core") is None
    scores = {stage.name for stage, _ in chain.below("scores/nano_ladder/holdout")}
    assert scores == {"score@nano-107k", "score@nano-234k"}


def test_an_input_consists_of_what_stages_wrote_unless_that_was_made_anew() -> None:
    def entry(path: str, md5: str = "1") -> Entry:
        return Entry(path, md5, 1)

    made = Stage("score@a", "", (), {}, (entry("scores/a.csv"), entry("scores/a.json")))
    chain = Chain({made.name: made})
    assert chain.sources(entry("scores")) == list(made.outputs)
    assert chain.sources(entry("scores/a.csv")) == [entry("scores/a.csv")]
    assert chain.sources(entry("scores/a.csv", "2")) is None
    assert chain.sources(entry("params.yaml")) == []


def test_hashes_are_those_of_dvc(tmp_path: Path) -> None:
    def run(*command: str) -> None:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    run("dvc", "init", "--no-scm", "-q")
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"one\r\ntwo\n")
    (folder / "b/a é.bin").write_bytes(bytes(range(256)))
    (folder / "b-c").write_text("")
    run("dvc", "add", "-q", "folder")
    (found,) = yaml.safe_load((tmp_path / "folder.dvc").read_text())["outs"]
    assert md5(folder) == found["md5"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schema: '2.0'\nstages:\n  items:\n",
        "stages: [",
        "stages:\n  items:\n    cmd: a\n    deps:\n    - path: b\n",
        "stages:\n  items:\n    cmd: a\n  items:\n    cmd: b\n",
        "stages:\n  items:\n    cmd: a\n    cmd: b\n",
    ],
)
def test_a_lock_that_was_cut_off_is_refused(text: str) -> None:
    with pytest.raises(TasklawsError, match=r"dvc.lock is damaged: run .tasklaws repair-lock"):
        parse_chain(text, "dvc.lock")


def test_yaml_is_read_as_dvc_writes_it() -> None:
    text = "stages: {a: {cmd: x, params: {params.yaml: {s: {yes: 1, no: on}, t: [1e-05, true]}}}}\n"
    assert parse_chain(text, "dvc.lock").stages["a"].params == {"s": {"yes": 1, "no": "on"}, "t": [1e-05, True]}


def test_what_the_dvcignore_of_the_repository_leaves_out_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "tasks/one").mkdir(parents=True)
    (tmp_path / "tasks/one/a.yaml").write_text("a")
    before = md5(tmp_path / "tasks")
    (tmp_path / ".dvcignore").write_text("tasks/**/README.md\n*.pyc\n")
    for name in ("tasks/one/README.md", "tasks/b.pyc"):
        (tmp_path / name).write_text("left out")
    (tmp_path / "tasks/__pycache__").mkdir()
    (tmp_path / "tasks/__pycache__/a").write_text("left out")
    assert md5(tmp_path / "tasks") == before
    (tmp_path / "tasks/README.txt").write_text("counts")
    assert md5(tmp_path / "tasks") != before
