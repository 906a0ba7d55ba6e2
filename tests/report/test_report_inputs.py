"""The report compares its inputs with dvc.lock before it reads them."""

from pathlib import Path

import pytest
import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.paths import Paths
from tasklaws.provenance.chain import md5
from tasklaws.report.inputs import refuse_other_inputs

READ = {
    "forecast@made": "results/made/forecasts.csv",
    "score@small": "scores/made/fit/small.csv",
    "respond@small": "responses/made/small.jsonl",
    "items": "data/items",
}
NOT_READ = {"report@made": "results/made/figures/a.svg", "validate@other": "results/other/validation.csv"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    stages = {}
    for name, path in (READ | NOT_READ).items():
        file = tmp_path / path / "addition.jsonl" if path == "data/items" else tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        stages[name] = {"cmd": "x", "outs": [{"path": path, "md5": md5(tmp_path / path), "size": 1}]}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    return Paths("made", tmp_path)


def test_what_is_as_written_passes_and_so_does_what_is_not_here_or_not_read(paths: Paths) -> None:
    (paths.root / READ["respond@small"]).unlink()
    for path in NOT_READ.values():
        (paths.root / path).write_text("another")
    assert refuse_other_inputs(paths) == "All inputs are what the stages before wrote, by dvc.lock."
    (paths.root / "dvc.lock").unlink()
    assert "were not compared" in refuse_other_inputs(paths)


@pytest.mark.parametrize("stage", READ)
def test_an_input_that_its_stage_did_not_write_is_refused(paths: Paths, stage: str) -> None:
    file = paths.root / READ[stage]
    (file / "addition.jsonl" if file.is_dir() else file).write_text("another")
    with pytest.raises(TasklawsError, match=f"{READ[stage]} is not what {stage} wrote"):
        refuse_other_inputs(paths)
