"""A rung asked in parts by a real model, and joined."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from tasklaws.cells.shards import join
from tasklaws.core.files import read_jsonl
from tasklaws.core.settings import Rung
from tasklaws.harness.ask import Part, ask_rung
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card

pytestmark = pytest.mark.slow


def test_what_parts_said_is_joined_to_the_bytes_of_asking_all(
    model_dir: Path, items_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("custom_tasks").symlink_to(tiny.ROOT / "custom_tasks")
    rung, paths = Path("models/n1"), {10: "seed0-step10", 20: "."}
    shutil.copytree(model_dir, rung)
    shutil.copytree(model_dir, rung / paths[10])
    made = {step: hash_files(rung / path) for step, path in paths.items()}
    checkpoints = [
        Checkpoint(path=path, seed=0, step=step, is_final=step == 20, files=made[step]) for step, path in paths.items()
    ]
    known = {"tokenizer_sha256": "a" * 64, "path": "n1", "checkpoints": tuple(checkpoints)}
    write_card(rung, Card(rung="n1", source_kind="local", n_params=1, n_params_total=1, **known))
    rungs = {"n1": Rung("fit", tiny.SOURCE), "n2": Rung("holdout", tiny.SOURCE)}
    execution, models = replace(tiny.SETTINGS.execution, workers=1), replace(tiny.SETTINGS.models, rungs=rungs)
    settings = replace(tiny.SETTINGS, execution=execution, models=models)
    parts = {Path("whole.jsonl"): None, **{Path(f"{number}.jsonl"): Part(number, 3) for number in (1, 2, 3)}}
    for out, part in parts.items():
        ask_rung(rung, settings, {"addition": ["direct"], "gauss_sum": ["direct"]}, items_dir, out, part=part)
    whole, *shares = parts
    assert all(0 < len(read_jsonl(share)) < len(read_jsonl(whole)) for share in shares)
    join(shares, Path("joined.jsonl"))
    assert Path("joined.jsonl").read_bytes() == whole.read_bytes()
    assert Path("joined.json").read_bytes() == whole.with_suffix(".json").read_bytes()
