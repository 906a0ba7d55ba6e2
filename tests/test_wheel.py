"""The wheel in an environment of its core dependencies alone: light to install, and all commands on tables work."""

import json
import os
import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from clone import ROOT
from small_inputs import POINTS, write_small_inputs

pytestmark = pytest.mark.slow
CORE = {"numpy", "scipy", "pandas", "pydantic", "typer", "matplotlib", "jinja2", "filelock"}

EACH = """
import contextlib, io, json, sys
from tasklaws.cli import main

said = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["tasklaws", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as end:
            assert not end.code, words
    said.append(out.getvalue())
print(json.dumps(said))
"""


class Environment:
    """An environment that holds the wheel and the distributions that its core needs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.python = root / "bin/python"
        self.folder = root / "work"
        venv.create(root, symlinks=True)
        self.folder.mkdir()
        wheel = build(root / "built")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(self.python), "install"]
        subprocess.run([*pip, "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
        [self.packages] = root.glob("lib/python*/site-packages")
        self.requires = core_of(self.packages)
        for name in closure(self.requires):
            link(distribution(name), self.packages)

    def run(self, *words: str, status: int = 0, python: bool = False) -> subprocess.CompletedProcess[str]:
        command = [str(self.python if python else self.root / "bin/tasklaws"), *words]
        clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        ended = subprocess.run(command, cwd=self.folder, env=clean, capture_output=True, text=True, check=False)
        assert ended.returncode == status, ended.stderr
        return ended

    def said_by(self, *commands: tuple[str, ...]) -> list[str]:
        """What each of these commands prints, one after the other in one process, which imports the libraries once."""
        return list(json.loads(self.run("-c", EACH, json.dumps(commands), python=True).stdout))


def build(folder: Path) -> Path:
    """The wheel of the sources as they are, built in a copy: setuptools leaves its workings where it builds."""
    copy = folder / "source"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(folder), str(copy)], check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def core_of(packages: Path) -> set[str]:
    [metadata] = packages.glob("tasklaws-*.dist-info")
    return needed(Distribution.at(metadata))


def needed(found: Distribution) -> set[str]:
    """What a distribution requires here without any extra."""
    wanted = [Requirement(text) for text in found.requires or ()]
    return {one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})}


def closure(names: set[str]) -> set[str]:
    found, pending = set(), sorted(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += needed(distribution(name))
    return found


def link(found: Distribution, packages: Path) -> None:
    tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        if not (packages / top).exists():
            (packages / top).symlink_to(Path(str(found.locate_file(top))))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("wheel") / "environment")


def test_the_core_is_light_and_the_wheel_has_its_data(clean: Environment) -> None:
    assert clean.requires == CORE
    for name in (
        "py.typed",
        "__init__.pyi",
        "sandbox/guest.wasm.xz",
        "report/page.html.jinja",
        "harness/templates/group.yaml.jinja",
        "readers/choices.csv",
    ):
        assert (clean.packages / "tasklaws" / name).is_file(), name
    for name in ("torch", "yaml", "wasmtime", "hydra"):
        assert not (clean.packages / name).exists()


def test_it_is_imported_and_helps(clean: Environment) -> None:
    law = "'logistic', task='addition_direct', metric='exact_match', replicates=0"
    code = f"import tasklaws as tl; print(tl.fit(tl.read_points({str(POINTS)!r}), {law}).n_points)"
    assert int(clean.run("-c", code, python=True).stdout) > 0
    assert "Commands:" in clean.run("--help").stdout
    assert clean.run("--version").stdout.startswith("tasklaws ")


def test_every_command_on_tables_works(clean: Environment) -> None:
    write_small_inputs(clean.folder)
    made = {
        ("import", "points.csv", "--out", "few.csv"): "few.csv",
        ("backtest", "few.csv", "--rolling", "1", "--min-rungs", "6", "--out", "test"): "test/forecasts.csv",
        ("forecast", "few.csv", "--at", "n_params=1e6,n_tokens=2e7", "--out", "next"): "next/index.html",
        ("claim", "few.csv", "--at", "model=next,n_params=1e6,n_tokens=2e7", "--out", "said.json"): "said.json",
        ("difficulty", "scores.csv", "--last", "1", "--out", "hard"): "hard/summary.json",
        ("orders", "scores.csv", "--last", "1", "--out", "orders"): "orders/orders.svg",
        ("humans", "attempts.csv", "--items", "items.jsonl", "--out", "humans"): "humans/items.csv",
        ("people", "--out", "people"): "people/people_for_width.svg",
    }
    (clean.folder / "outcomes.csv").write_text("model,task,metric,value\nnext,addition_direct,exact_match,0.9\n")
    law = ("fit", "points.csv", "--law", "logistic", "--task", "addition_direct", "--replicates", "20", "--json")
    plan = ("plan", "--params", "1.82", "482", "2085", "0.348", "0.366", "--flops", "1e21", "--json")
    others = (law, plan, ("check", "claim.json", "outcomes.csv"), ("ls", "laws"))
    *answers, fit, planned, checked, laws = clean.said_by(*((*words, "--json") for words in made), *others)
    assert all(json.loads(answer) for answer in answers)
    assert [file for file in made.values() if not (clean.folder / file).is_file()] == []
    assert json.loads(fit)["n_points"] > 0
    assert json.loads(planned)["n_params"] > 1e9
    assert checked.startswith("PASS: 1 of 1")
    assert "chinchilla" in laws


@pytest.mark.parametrize("words", [("compose",), ("track",), ("sandbox", "program.py")])
def test_what_needs_the_pipeline_says_so(clean: Environment, words: tuple[str, ...]) -> None:
    ended = clean.run(*words, status=1)
    assert ended.stderr.startswith(f"error: tasklaws {words[0]} needs ")
    assert ended.stderr.endswith(": pip install 'tasklaws[pipeline]'\n")
    assert ended.stderr.count("\n") == 1
