"""`tasklaws new-family`: what it writes works at once, and it takes no name twice."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tiny
from tasklaws.core.errors import TasklawsError
from tasklaws.harness.scaffold import new_family

# Run in the copy, whose own package it imports: the last line printed is JSON.
TRY = """
import json, yaml
from lm_eval.tasks import TaskManager
from tasklaws.families import build
from tasklaws.families.draws import draw_unreserved, reserved_questions, shots
from tasklaws.ladder.corpus import documents
from tasklaws.sandbox.cache import OutcomeCache
from pathlib import Path
params = yaml.safe_load(open("params.yaml").read())
families = build(params["families"]["sets"])
family = families[-1]
items = {split: family.items(0, split) for split in ("test", "dev")}
every = [item for own in items.values() for item in own]
ran = OutcomeCache(Path("verdicts"), 1).of([(item.programs[0], item.fuel) for item in every])
learned = documents(families, params["corpus"]["mixture"], 300, 0, "train")
manager = TaskManager(include_path="custom_tasks", include_defaults=False)
print(json.dumps({
    "name": family.name,
    "counts": [len(own) for own in items.values()],
    "distinct": len({item.question for item in every}),
    "right": sum(each.stdout.strip() == item.answer for each, item in zip(ran, every)),
    "shots": len(shots(family, families, 0, 20)),
    "learned": sum(each.family == family.name for each in learned),
    "tasks": [task for task in manager.all_tasks if family.name in task],
}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with one family more."""
    root = tmp_path_factory.mktemp("scaffold")
    for part in ("conf", "custom_tasks", "src"):
        shutil.copytree(tiny.ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    done = tasklaws(root, "new-family", "long_product")
    assert (done.returncode, done.stderr) == (0, "")
    return root


def python(root: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def tasklaws(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(root, "from tasklaws.cli import main; main()", *arguments)


def test_a_new_family_is_complete_at_once(made: Path) -> None:
    assert tasklaws(made, "compose", "models=nano_mini").returncode == 0
    params = yaml.safe_load((made / "params.yaml").read_text())
    assert list(params["families"]["sets"]) == [*(family.name for family in tiny.families()), "long_product"]
    assert params["elicitation"]["ask"]["long_product"] == ["direct"]
    assert list(params["corpus"]["mixture"])[-1] == "long_product_direct"
    assert params["humans"]["families"][-1] == "long_product"
    done = python(made, TRY)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("learned") > 10
    styles = [f"{way}{style}" for way in ("direct", "python") for style in ("", "_plain")]
    ways = [f"{style}{end}" for style in styles for end in ("", "_likelihood")]
    assert sorted(found.pop("tasks")) == sorted(["tasklaws_long_product", *(f"long_product_{way}" for way in ways)])
    assert found == {"name": "long_product", "counts": [120, 120], "distinct": 240, "right": 240, "shots": 20}


def test_what_it_wrote_is_what_custom_tasks_writes(made: Path) -> None:
    assert tasklaws(made, "custom-tasks").stdout == "custom_tasks/ is as the families have it\n"
    (made / "custom_tasks/long_product/old.yaml").touch()
    assert "old.yaml belongs to no family of conf/: remove it" in tasklaws(made, "custom-tasks").stdout


def test_what_it_wrote_is_clean(made: Path) -> None:
    code = made / "src/tasklaws/families/long_product.py"
    command = [sys.executable, "-m", "ruff", "check", "--config", str(tiny.ROOT / "pyproject.toml"), str(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


REFUSED = {
    "long_product": "there is a long_product already",
    "step_chain_shared": "there is a step_chain_shared already",
    "base": "there is a base already",
    "default": "there is a default already",
    "Product": "no family can be called 'Product'",
    "long-product": "no family can be called 'long-product'",
    "lambda": "no family can be called 'lambda'",
    "../up": "no family can be called '../up'",
}
# One process for all names, as each takes seconds to import the families.
REFUSE = """
import sys
from tasklaws.cli import main
for name in sys.argv[1:]:
    sys.argv = ["tasklaws", "new-family", name]
    try:
        main()
    except SystemExit as ended:
        print(ended.code)
"""


def test_names_that_cannot_be_are_refused_in_a_line_each(made: Path) -> None:
    before = {path: path.read_bytes() for path in (made / "conf").rglob("*.yaml")}
    done = python(made, REFUSE, *REFUSED)
    assert done.stdout.split() == ["1"] * len(REFUSED)
    for line, said in zip(done.stderr.splitlines(), REFUSED.values(), strict=True):
        assert line.startswith(f"error: {said}")
    assert {path: path.read_bytes() for path in (made / "conf").rglob("*.yaml")} == before


def test_another_clone_is_not_written_to(made: Path, tmp_path: Path) -> None:
    for root in (made, tmp_path):
        with pytest.raises(TasklawsError, match="is not the clone that tasklaws runs from"):
            new_family("product", root, {})
    assert list(tmp_path.iterdir()) == []
