"""What a person keeps is never read from, or removed at, a place that the pipeline writes anew."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import tiny
from tasklaws.compose import compose
from tasklaws.core.errors import TasklawsError
from tasklaws.core.outputs import refuse_foreign
from tasklaws.core.settings import Settings
from tasklaws.ladder.new_ladder import new_ladder


@pytest.fixture(scope="module")
def raw() -> str:
    return compose(["models=nano_mini"], tiny.ROOT / "conf")


def with_source(raw: str, name: str, source: dict[str, Any]) -> dict[str, Any]:
    params: dict[str, Any] = yaml.safe_load(raw)
    params["models"]["rungs"][name] = {"role": "fit", "source": source}
    return params


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("models/big/deep", "models/other", "elsewhere/models", "data/corpus", ".work"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "elsewhere/link").symlink_to(tmp_path / "models/big")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("models/big", "path of big models/big is models/big, which the pipeline removes"),
        ("./models/../models/big/", "is models/big"),
        ("models/big/deep", "lies in models/big"),
        ("models", "contains models/mini-1k"),
        (".", "contains models/"),
        ("elsewhere/link", "is models/big"),
        ("elsewhere/link/deep", "lies in models/big"),
        ("models/big/weights.gguf", "lies in models/big"),
        ("data/corpus", "lies in data"),
        ("responses", "is responses"),
        (".work/local/big", "lies in .work"),
    ],
)
def test_a_rung_is_not_read_from_what_the_pipeline_writes(raw: str, root: Path, path: str, said: str):
    with pytest.raises(TasklawsError, match=re.escape(said)):
        Settings.of(with_source(raw, "big", {"kind": "local", "path": path}))


def test_nor_by_lm_eval_nor_a_benchmark(raw: str, root: Path):
    served = {"kind": "lm_eval", "model": "hf", "n_params": 1, "model_args": {"pretrained": "models/big"}}
    with pytest.raises(TasklawsError, match=r"model_args\.pretrained of big models/big is models/big"):
        Settings.of(with_source(raw, "big", served))
    with pytest.raises(TasklawsError, match="benchmark_folder data/mine lies in data"):
        Settings.of(yaml.safe_load(raw) | {"benchmark_folder": "data/mine"})


def test_a_rung_of_another_name_reads_a_folder_beside(raw: str, root: Path):
    Settings.of(with_source(raw, "big", {"kind": "local", "path": "models/other"}))
    Settings.of(with_source(raw, "big", {"kind": "local", "path": "elsewhere/models"}))
    Settings.of(with_source(raw, "big", {"kind": "lm_eval", "model": "hf", "n_params": 1, "model_args": {"a": "b"}}))


def test_new_ladder_takes_no_folder_that_its_rung_would_replace(root: Path):
    (root / "conf").mkdir()
    (root / "conf/models").mkdir()
    tiny.write_corpus(root / "corpus")
    for name in ("models/big", "models/other"):
        tiny.write_model(root / name, root / "corpus")
    with pytest.raises(TasklawsError, match=r"rung \w+ from models/\w+ is models/\w+, which the pipeline removes"):
        new_ladder("mine", ["models/big", "models/other"], [], root / "conf/models")
    assert not list((root / "conf/models").iterdir())


def test_the_stage_leaves_what_is_no_rung(root: Path):
    with pytest.raises(TasklawsError, match="models/big is there and was not made by the pipeline"):
        refuse_foreign(Path("models/big"))
    (root / "models/big/card.json").write_text("{}")
    refuse_foreign(Path("models/big"))
    refuse_foreign(Path("models/none"))


@pytest.mark.parametrize("path", ["models/big", "elsewhere"])
def test_dvc_leaves_it_too(raw: str, root: Path, path: str):
    """Through DVC itself, which would remove an output before its stage is asked."""
    pipeline = yaml.safe_load((tiny.ROOT / "dvc.yaml").read_text())["stages"]["model"]
    script = tiny.ROOT / "stages/model.py"
    pipeline["do"] |= {"cmd": f"{sys.executable} -P {script} ${{key}}", "deps": ["elsewhere"]}
    del pipeline["do"]["params"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"model": pipeline}}))
    (root / "params.yaml").write_text(yaml.safe_dump(with_source(raw, "big", {"kind": "local", "path": path})))
    (root / "models/big/mine.txt").write_text("mine")
    environment = os.environ | {"PYTHONPATH": str(tiny.ROOT / "src"), "DVC_NO_ANALYTICS": "1"}
    for words in (["init", "--no-scm", "-q"], ["repro", "model@big"]):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words], capture_output=True, text=True, env=environment, check=False
        )
    assert done.returncode
    assert "error: " in done.stderr, done.stderr
    assert (root / "models/big/mine.txt").read_text() == "mine"
