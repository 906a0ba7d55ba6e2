"""results/headline.json: few numbers, flat, the same names for every ladder."""

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LADDER = ROOT / "results/nano_ladder"


@pytest.fixture
def metrics() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((LADDER / "metrics.json").read_text())
    return found


def headline(root: Path, metrics: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    shutil.copy(ROOT / "params.yaml", root)
    (root / "results/nano_ladder").mkdir(parents=True)
    (root / "results/nano_ladder/metrics.json").write_text(json.dumps(metrics))
    monkeypatch.chdir(root)
    runpy.run_path(str(ROOT / "stages/headline.py"), run_name="__main__")
    found: dict[str, Any] = json.loads(Path("results/headline.json").read_text())
    return found


def test_it_is_flat_and_short_and_says_what_the_metrics_say(
    metrics: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = headline(tmp_path, metrics, monkeypatch)
    assert len(found) == 8
    assert all(isinstance(value, (int, float)) for value in found.values())
    assert "error" not in found  # DVC would say that it failed to load some metrics
    assert found["mae"] == round(metrics["exact_match"]["mae_forecast"], 4)
    scores = [curve["observed"] for curve in metrics["families"].values()]
    assert found["score"] == pytest.approx(sum(scores) / len(scores), abs=1e-4)


def test_what_a_ladder_has_no_curves_for_is_left_out(
    metrics: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = headline(tmp_path, {"all": metrics["all"]}, monkeypatch)
    assert set(found) == {"n", "coverage", "log_score"}
