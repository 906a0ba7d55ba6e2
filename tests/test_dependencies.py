"""The code dependencies of dvc.yaml: they are those of the imports, and no other line changes when they are written."""

from pathlib import Path

import pytest
import yaml

import dependencies

PACKAGE = "src/tasklaws"
DVC_YAML = """\
# A header.
stages:
  # One rung.
  train:
    foreach: ${models.rungs}
    do:
      cmd: python stages/train.py ${key}
      deps:
      - data/corpus  # made by another stage
      - stages/train.py
      # Written by a command.
      - src/tasklaws/gone.py

      params:
      - seed
  show:
    cmd: python stages/show.py
    deps:
    - stages/show.py
    outs:
    - src/not_a_dependency
"""
FILES = {
    "stages/train.py": "import json\nfrom tasklaws.small import first\n",
    "stages/show.py": "from tasklaws.page.write import write\nimport tasklaws.small.first\n",
    f"{PACKAGE}/__init__.py": "def __getattr__(name):\n    from tasklaws import alone\n",
    f"{PACKAGE}/alone.py": "",
    f"{PACKAGE}/small/__init__.py": "def late():\n    from tasklaws import alone\n",
    f"{PACKAGE}/small/first.py": "",
    f"{PACKAGE}/small/second.py": "",
    f"{PACKAGE}/page/__init__.py": "",
    f"{PACKAGE}/page/write.py": "",
    f"{PACKAGE}/page/unused.py": "",
    f"{PACKAGE}/page/page.jinja": "",
    f"{PACKAGE}/core/__init__.py": "",
    f"{PACKAGE}/core/files.py": "",
    f"{PACKAGE}/core/unused.py": "",
}
OF_ALL = f"{PACKAGE}/__init__.py"
OF_TRAIN = [OF_ALL, f"{PACKAGE}/small/__init__.py", f"{PACKAGE}/small/first.py"]


def write_tree(root: Path, **changed: str) -> Path:
    """A repository of FILES, with the text of stages/train.py or of a module `changed`."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(changed.get(Path(name).stem, text))
    (root / "dvc.yaml").write_text(DVC_YAML)
    dependencies._imported.cache_clear()
    dependencies._parsed.cache_clear()
    return root


def of_train(root: Path) -> list[str]:
    return dependencies.entries(dependencies.needed("train", root), root)


@pytest.mark.parametrize("path", dependencies.pipelines(), ids=lambda path: path.parent.name)
def test_dvc_yaml_lists_what_the_stages_execute(path):
    text = path.read_text()
    dependencies.check(text, dependencies.entries_of_stages(yaml.safe_load(text)["stages"]))


def test_no_two_stages_have_one_name():
    names = [name for path in dependencies.pipelines() for name in yaml.safe_load(path.read_text())["stages"]]
    assert len(names) == len(set(names))


def test_training_lists_no_file_that_it_does_not_execute_and_none_about_families_or_tables():
    """A change of any listed file trains every model again. Only core is listed whole, of which all use nearly all. Of
    the cells it has the hook alone, which looks into the store by a process of its own."""
    needed = dependencies.needed("model")
    hook = {dependencies.ROOT / PACKAGE / "cells" / name for name in ("__init__.py", "collect.py")}
    for entry in dependencies.entries(needed):
        path = dependencies.ROOT / entry
        if path.name != "core" and entry != OF_ALL and path not in hook:
            assert path in needed or set(path.rglob("*.py")) <= needed, entry
            assert path.relative_to(dependencies.ROOT / PACKAGE).parts[0] == "ladder", entry


def test_every_stage_hashes_the_file_that_every_import_executes_and_that_file_lists_no_verb():
    """It is executed before any other of ours; were the verbs named there, a new one would train every model again."""
    text = (dependencies.ROOT / "dvc.yaml").read_text()
    stages = yaml.safe_load(text)["stages"]
    assert [stage for stage in stages if OF_ALL not in dependencies.listed(stage, text)] == []
    assert "effective_number" not in (dependencies.ROOT / OF_ALL).read_text()


def test_asking_lists_what_loads_the_items_and_not_what_scores_them():
    for stage in dependencies.EXTRA_ENTRY_POINTS:
        entries = dependencies.entries(dependencies.needed(stage))
        assert "src/tasklaws/harness/lm_eval_task.py" in entries
        assert not {"src/tasklaws/sandbox", "src/tasklaws/harness/metrics.py"} & set(entries)


def test_packages_on_the_way_are_executed_and_their_functions_are_not_called(tmp_path):
    assert of_train(write_tree(tmp_path)) == OF_TRAIN


@pytest.mark.parametrize(
    "text",
    [
        "from tasklaws import alone",
        "import tasklaws.alone",
        "from tasklaws.alone import name",
        "def later():\n    from tasklaws import alone",
        "class Holder:\n    import tasklaws.alone",
        "try:\n    import tasklaws.alone\nexcept ImportError:\n    pass",
        "from tasklaws.small import late",
        "from tasklaws.small import first",
    ],
)
def test_an_import_is_found_wherever_it_stands(tmp_path, text):
    root = write_tree(tmp_path, train=text, first="import tasklaws.alone")
    assert f"{PACKAGE}/alone.py" in of_train(root)


@pytest.mark.parametrize("condition", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_an_import_for_types_alone_is_left_out(tmp_path, condition):
    root = write_tree(
        tmp_path, train=f"if {condition}:\n    import tasklaws.alone\nelse:\n    import tasklaws.core.files"
    )
    assert of_train(root) == [OF_ALL, f"{PACKAGE}/core"]


def test_a_package_is_one_entry_if_executed_whole_or_with_data_or_named_in_the_tool(tmp_path):
    root = write_tree(tmp_path, train="import tasklaws.small.first, tasklaws.small.second, tasklaws.page.write\n")
    assert of_train(root) == [OF_ALL, f"{PACKAGE}/page", f"{PACKAGE}/small"]


def test_a_package_that_imports_its_files_by_name_is_executed_whole_where_something_of_it_is_imported(tmp_path):
    by_name = f"{PACKAGE}/by_name"
    (tmp_path / by_name).mkdir(parents=True)
    (tmp_path / by_name / "__init__.py").write_text("def build():\n    importlib.import_module(f'{__name__}.hidden')\n")
    (tmp_path / by_name / "hidden.py").write_text("import tasklaws.alone")
    (tmp_path / by_name / "plain.py").write_text("")
    assert of_train(write_tree(tmp_path, train="from tasklaws.by_name import build")) == [
        OF_ALL,
        f"{PACKAGE}/alone.py",
        by_name,
    ]
    assert of_train(write_tree(tmp_path, train="from tasklaws.by_name import plain")) == [
        OF_ALL,
        f"{by_name}/__init__.py",
        f"{by_name}/plain.py",
    ]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("from tasklaws import fit", "fit of tasklaws"),
        ("import tasklaws as tl", "what it uses of tasklaws"),
        ("from . import show", "relative import"),
        ("import importlib\nimportlib.import_module('tasklaws.alone')", "by name"),
    ],
)
def test_an_import_that_cannot_be_followed_is_refused(tmp_path, text, named):
    with pytest.raises(dependencies.DependencyError, match=named):
        of_train(write_tree(tmp_path, train=text))


def test_writing_changes_the_entries_in_src_alone(tmp_path):
    root = write_tree(tmp_path)
    dependencies.main([], root)
    text = (root / "dvc.yaml").read_text()
    train = "".join(f"      - {name}\n" for name in OF_TRAIN)
    show = "".join(f"    - {name}\n" for name in sorted([*OF_TRAIN, f"{PACKAGE}/page"]))
    expected = DVC_YAML.replace("      - src/tasklaws/gone.py\n", "").replace(
        "- stages/train.py\n", f"- stages/train.py\n{train}"
    )
    assert text == expected.replace("- stages/show.py\n", f"- stages/show.py\n{show}")
    dependencies.main(["--check"], root)
    dependencies.main([], root)
    assert (root / "dvc.yaml").read_text() == text


def test_a_drift_is_named_with_its_remedy(tmp_path):
    root = write_tree(tmp_path)
    dependencies.main([], root)
    text = (root / "dvc.yaml").read_text()
    first = f"      - {PACKAGE}/small/first.py\n"
    for changed, told in (
        (text.replace(first, ""), f"train executes {PACKAGE}/small/first.py"),
        (text.replace(first, f"{first}      - {PACKAGE}/alone.py\n"), f"train lists {PACKAGE}/alone.py"),
        (text.replace(first, first * 2), "twice"),
        (text.replace("      - stages/train.py\n", ""), "- stages/train.py"),
    ):
        (root / "dvc.yaml").write_text(changed)
        with pytest.raises(SystemExit, match=told):
            dependencies.main(["--check"], root)
        assert (root / "dvc.yaml").read_text() == changed
