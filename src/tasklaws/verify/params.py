"""params.yaml against what conf/ composes."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasklaws.compose import compose
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import PARAMS, Settings
from tasklaws.provenance.chain import load_yaml, read_yaml
from tasklaws.provenance.dotted import Leaves, flatten
from tasklaws.provenance.git import Commit
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked


def check_params(tree: Tree, settings: Settings, params: Mapping[str, Any]) -> Iterator[Finding]:
    """Name each setting of params.yaml that conf/ composes otherwise; of `execution` nothing depends.

    One that was given to `tasklaws compose` or `dvc exp run -S` is counted and is no problem: conf/ is as committed,
    and params.yaml is not.
    """
    words = _words(tree.root / "conf", settings)
    if words is None:
        yield Unchecked(f"{PARAMS}: no ladder of conf/models has its name, so it was not composed again")
        return
    has, due = flatten(params), flatten(load_yaml(compose(words, tree.root / "conf")))
    other = [key for key in sorted(has.keys() | due.keys()) if has.get(key) != due.get(key)]
    other = [key for key in other if not key.startswith("execution.")]
    chosen = _chosen(tree.commit, words, has, due, other) if other else set()
    for key in other:
        if key not in chosen:
            what = f"{key} is {has.get(key)!r}, and conf/ composes {due.get(key)!r}: run `tasklaws compose`"
            yield Difference(str(PARAMS), what)
    if chosen:
        yield Unchecked(f"{len(chosen)} settings of {PARAMS} were chosen otherwise than in conf/")


def _words(conf: Path, settings: Settings) -> list[str] | None:
    """The overrides that name the ladder, the benchmarks and the experiment of the settings."""
    groups = {path.stem: read_yaml(path) for path in sorted((conf / "models").glob("*.yaml"))}
    names = {str(group["name"]): stem for stem, group in groups.items() if isinstance(group, dict) and "name" in group}
    ladder = names.get(settings.models.name)
    experiment = "overlap" if settings.experiment.ladders else "none"
    keys = ("benchmarks", "benchmark_folder")
    own = [settings.raw.get(key) for key in keys]
    files = {path.stem: read_yaml(path) for path in sorted((conf / "benchmarks").glob("*.yaml"))}
    chosen = (name for name, group in files.items() if isinstance(group, dict) and [*map(group.get, keys)] == own)
    benchmarks = next(chosen, "none")
    return None if ladder is None else [f"models={ladder}", f"benchmarks={benchmarks}", f"experiment={experiment}"]


def _chosen(commit: Commit | None, words: list[str], has: Leaves, due: Leaves, other: list[str]) -> set[str]:
    """Those of the keys `other` that a person chose: the committed conf/ composes the same as that on disk, and the
    committed params.yaml has another value."""
    if commit is None:
        return set()
    committed = flatten(load_yaml((commit.read(str(PARAMS)) or b"{}").decode()))
    with tempfile.TemporaryDirectory() as name:
        for path in commit.files:
            if path.startswith("conf/"):
                (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(name) / path).write_bytes(commit.read(path) or b"")
        try:
            then = flatten(load_yaml(compose(words, Path(name) / "conf")))
        except TasklawsError:
            return set()
    return {key for key in other if then.get(key) == due.get(key) and committed.get(key) != has.get(key)}
