"""The stages that a dvc.yaml plans, its templates resolved by DVC itself."""

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


@dataclass(frozen=True)
class PlannedStage:
    """A stage of the present ladder, as dvc.yaml has it."""

    name: str
    command: str
    inputs: frozenset[str]
    params: frozenset[str]
    outputs: frozenset[str]


def planned(repo: Any, path: Path) -> dict[str, PlannedStage]:
    """The stages of the dvc.yaml at `path` in one of DVC's repositories, whatever dvc.lock says."""
    from dvc.dependency import ParamsDependency
    from dvc.dvcfile import ProjectFile

    stages = {}
    file = ProjectFile(repo, str(path))
    for name, stage in file.LOADER(file, file.contents).items():
        params = {one for dep in stage.deps if isinstance(dep, ParamsDependency) for one in dep.params}
        inputs = {dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)}
        outputs = {out.def_path for out in stage.outs}
        stages[name] = PlannedStage(name, stage.cmd, *map(frozenset, (inputs, params, outputs)))
    return stages


def planned_with(pipeline: Path, params: str) -> dict[str, PlannedStage]:
    """The stages of a dvc.yaml under the text of a params.yaml, which need not be the one beside it.

    They are resolved in a folder of their own: neither DVC's locks nor its notes are touched.
    """
    # pygtrie, which DVC uses, warns of its own future.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        from dvc.repo import Repo

    with TemporaryDirectory() as folder:
        path = Path(folder) / "dvc.yaml"
        shutil.copyfile(pipeline, path)
        path.with_name("params.yaml").write_text(params, encoding="utf-8")
        config = path.with_name(".dvc") / "config"
        config.parent.mkdir()
        config.write_text("[core]\n    no_scm = True\n", encoding="utf-8")
        with Repo(folder) as repo:
            return planned(repo, path)
