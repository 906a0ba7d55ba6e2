"""What the pages for people name exists: files, places in the tree, targets of make, stages and rooms."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
GUIDES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/architecture.md")]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
EACH_GUIDE = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
FOLDERS = "benchmarks|conf|custom_tasks|docs|src|stages|tests|tools"
IN_THE_TREE = re.compile(rf"(?:{FOLDERS})/[\w./]*|[\w-]+\.(?:md|toml|yaml|lock)")
# multiplication is the family that a reader of README makes, NAME what the reader chooses.
CHOSEN = re.compile("multiplication|NAME")


def in_backticks(text: str) -> list[str]:
    """What stands in backticks on a line, outside blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


@EACH_PAGE
def test_the_files_that_it_links_to_exist(page: Path) -> None:
    for name in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert name.startswith("https://") or (page.parent / name).exists(), name


@EACH_GUIDE
def test_the_places_that_it_names_exist(guide: Path) -> None:
    named = [name for name in in_backticks(guide.read_text()) if IN_THE_TREE.fullmatch(name)]
    assert named
    for name in named:
        assert any(ROOT.glob(CHOSEN.sub("*", name))), name


@EACH_PAGE
def test_the_targets_that_it_names_can_be_made(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= targets


def test_the_picture_shows_every_stage_and_every_room_on_its_floor() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert [stage for stage in stages if not re.search(rf"\b{stage}\b", page)] == []
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = [set(layer.split(" | ")) for layer in contracts[0]["layers"]]
    shown: list[set[str]] = []
    for line in page.split("THE FLOORS")[1].split("```")[0].splitlines()[2:]:
        number, *_ = rooms = re.split(r"\s{2,}", line.strip())
        if number.isdecimal():
            shown.append(set())
            rooms = rooms[1:]
        shown[-1].update(rooms[::2])
    assert shown == floors


def test_what_is_cited_is_what_is_built() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["title"], cited["version"], cited["license"]) == tuple(
        project[key] for key in ("name", "version", "license")
    )
    assert f"## [{cited['version']}] - {cited['date-released']}" in (ROOT / "CHANGELOG.md").read_text()


def test_hooks_before_a_commit_call_what_make_check_calls() -> None:
    check = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert check
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = {hook["entry"].removeprefix(".venv/bin/") for hook in repository["hooks"]}
    assert {line.strip() for line in check[1].splitlines()} <= entries
