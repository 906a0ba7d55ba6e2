"""The pipeline's graph: every input and parameter is listed, and no holdout reaches a forecast."""

import ast
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import yaml
from dvc.repo import Repo
from dvc.stage import Stage

from dependencies import ROOT, needed, script
from tasklaws.compose import compose

LADDERS = sorted(path.stem for path in (ROOT / "conf/models").glob("*.yaml"))
SHORT = ("nano_ladder", "nano_mini", "pythia_ladder")  # the others differ from these in their numbers alone
CONFIGURATIONS = [
    *(
        pytest.param(f"models={ladder}", marks=() if ladder in SHORT else pytest.mark.heavy, id=ladder)
        for ladder in LADDERS
    ),
    "experiment=overlap",
]
PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


class Graph:
    """The stages of one ladder, by name; `above` gives all that a stage depends on, directly or not."""

    def __init__(self, root: Path) -> None:
        self.params: dict[str, Any] = yaml.safe_load((root / "params.yaml").read_text())
        # pygtrie, which DVC uses, warns of its own future.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            repo = Repo.init(str(root), no_scm=True)
            self.stages: dict[str, Stage] = {self.name(stage): stage for stage in repo.index.stages}
            self.edges: nx.DiGraph[Stage] = repo.index.graph
            repo.close()

    def above(self, name: str) -> set[str]:
        return {self.name(stage) for stage in nx.descendants(self.edges, self.stages[name])}

    def name(self, stage: Stage) -> str:
        """A stage's name less the ladder's: `fit` of `fit@nano_ladder`, `observe@fit` of `observe@nano_ladder-fit`."""
        ladder = self.params["models"]["name"]
        own = re.sub(rf"@{ladder}-(fit|holdout)$", r"@\1", str(stage.name))
        return own.removesuffix(f"@{ladder}")

    def rungs(self, role: str) -> list[str]:
        return [rung for rung, settings in self.params["models"]["rungs"].items() if settings["role"] == role]

    def inputs(self, name: str) -> list[str]:
        """The paths that a stage reads."""
        return [str(dep) for dep in self.stages[name].deps if not hasattr(dep, "params")]

    def tracked(self, name: str) -> list[str]:
        """The parameters that a stage depends on."""
        return [param for dep in self.stages[name].deps for param in getattr(dep, "params", ())]


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    root = tmp_path_factory.mktemp(request.param)
    shutil.copy(ROOT / "dvc.yaml", root)
    (root / "params.yaml").write_text(compose([request.param], ROOT / "conf"))
    return Graph(root)


@pytest.mark.parametrize("stage", PIPELINE)
def test_every_listed_file_exists(stage):
    outputs = {"data", "models", "responses", "scores", "results"}
    for dep in PIPELINE[stage].get("do", PIPELINE[stage])["deps"]:
        assert "${" in dep or Path(dep).parts[0] in outputs or (ROOT / dep).exists(), dep


def test_no_holdout_comes_before_the_forecast(graph):
    for stage in ("fit", "structure", "forecast", "observe@fit"):
        above = graph.above(stage)
        assert not [name for name in above if name.startswith(("overlap", "zipf"))]
        for rung in graph.rungs("holdout"):
            assert not {f"{kind}@{rung}" for kind in ("model", "respond", "score")} & above
        assert not {"observe@holdout", "validate", "headline", "orders", "report", "track"} & above
        for name in {stage} | above:
            for path in graph.inputs(name):
                assert "holdout" not in path
                assert not set(graph.rungs("holdout")) & set(re.split(r"[/.]", path))


def test_every_fit_rung_comes_before_the_forecast(graph):
    assert {f"score@{rung}" for rung in graph.rungs("fit")} <= graph.above("fit")
    assert {"fit", "structure"} <= graph.above("forecast")


def test_a_holdout_is_scored_only_after_its_forecast(graph):
    results = f"results/{graph.params['models']['name']}"
    gate = f"{results}/gate/holdout.json"
    assert {gate, f"{results}/forecasts.csv", f"{results}/claims"} <= {
        str(out) for out in graph.stages["forecast"].outs
    }
    for rung in graph.rungs("holdout"):
        assert "forecast" in graph.above(f"score@{rung}")
        assert gate in graph.inputs(f"score@{rung}")
    assert "forecast" in graph.above("observe@holdout")
    for rung in graph.rungs("fit"):
        assert "forecast" not in graph.above(f"score@{rung}")
    for rung in graph.params["experiment"]["rungs"]:
        assert "forecast" in graph.above(f"overlap_score@{rung}")


def test_a_rung_is_trained_and_asked_without_the_others(graph):
    rungs = graph.params["models"]["rungs"]
    for rung in rungs:
        others = {f"{kind}@{other}" for kind in ("model", "respond", "score") for other in rungs if other != rung}
        assert not others & graph.above(f"respond@{rung}")
        assert graph.above(f"respond@{rung}") == {"items", "benchmarks", "corpus", f"model@{rung}"}


def test_everything_comes_before_the_report_and_the_runs(graph):
    assert set(graph.stages) - graph.above("report") == {"headline", "report", "track"}
    assert set(graph.stages) - graph.above("track") == {"headline", "track"}


def test_there_are_few_enough_stages(graph):
    experiment = {name for name in graph.stages if name.startswith(("overlap", "zipf"))}
    assert len(set(graph.stages) - experiment) <= 60, "a second `dvc repro` takes seconds for each dozen stages"


def test_an_experiment_adds_stages_only_where_it_is_asked_for(graph):
    rungs, ladders = graph.params["experiment"]["rungs"], graph.params["experiment"]["ladders"]
    added = {name for name in graph.stages if name.startswith(("overlap", "zipf"))}
    if not ladders:
        assert not added
        return
    trained = {f"zipf_train@{exponent}" for exponent in graph.params["experiment"]["exponents"]}
    asked = {f"overlap_{kind}@{rung}" for kind in ("respond", "score") for rung in rungs}
    assert added == {"overlap_items", "overlap", "zipf"} | trained | asked
    assert set(rungs) == set(graph.params["models"]["rungs"])
    for rung in rungs:
        assert {f"model@{rung}", "overlap_items"} <= graph.above(f"overlap_respond@{rung}")
    assert added <= graph.above("report")


def test_every_tracked_parameter_exists(graph):
    for name in graph.stages:
        for param in graph.tracked(name):
            value: Any = graph.params
            for part in param.split("."):
                assert part in value, f"{name} tracks {param}, which params.yaml does not have"
                value = value[part]


def constants(stage: str) -> set[str]:
    """Every text constant and attribute in the files that a stage runs."""
    found: set[str] = set()
    for file in needed(stage):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
    return found


# What a method of the settings looks at.
METHODS = {
    ("models", "rungs_of"): ("models", "rungs"),
    ("models", "learned_elsewhere"): ("models", "rungs"),
    ("experiment", "overlap_sets", "min_rungs"): ("experiment", "sets", "min_rungs"),
    ("experiment", "overlap_sets"): ("experiment", "sets"),
    ("experiment", "zipf_runs"): ("experiment", "zipf"),
}


def chains(stage: str) -> set[tuple[str, ...]]:
    """The keys with which a stage's own script looks into the settings: settings.a.b is (a, b)."""
    found = set()
    for node in ast.walk(ast.parse(script(stage).read_text())):
        keys: list[str] = []
        while isinstance(node, ast.Attribute):
            keys.insert(0, node.attr)
            node = node.value
        of_rung = isinstance(node, ast.Call) and ast.unparse(node.func) == "settings.rung"
        if keys and of_rung:
            found.add(("models", "rungs", "*", *keys))
        of_settings = isinstance(node, ast.Name) and node.id == "settings" and keys != ["rung"]  # a method, as above
        of_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load"
        if keys and (of_settings or of_call):
            found.add(METHODS.get(tuple(keys), tuple(keys)))
    return found


def tracked_chains(stage: str) -> list[tuple[str, ...]]:
    entry = PIPELINE[stage].get("do", PIPELINE[stage])
    return [tuple(param.replace("${key}", "*").replace("${item}", "*").split(".")) for param in entry["params"]]


@pytest.mark.parametrize("stage", PIPELINE)
def test_every_tracked_parameter_is_read(stage):
    words = constants(stage)
    for chain in tracked_chains(stage):
        unread = [part for part in chain if part != "*" and part not in words]
        whole = stage in ("report", "track")  # they show or log params as they are
        assert whole or not unread, f"{stage} tracks {'.'.join(chain)} and never reads {unread}"


@pytest.mark.parametrize("stage", PIPELINE)
def test_every_parameter_read_is_tracked(stage):
    tracked = tracked_chains(stage)
    for chain in chains(stage):
        if chain[0] == "execution":  # how it is run: no result depends on it
            continue
        assert any(all(ours == theirs for ours, theirs in zip(chain, other, strict=False)) for other in tracked), (
            f"{stage} reads {'.'.join(chain)}, which dvc.yaml does not track"
        )


def test_every_stage_has_its_script_and_every_script_its_stage():
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == set(PIPELINE)
    for stage, entry in PIPELINE.items():
        assert entry.get("do", entry)["cmd"].split()[:3] == ["python", "-P", f"stages/{stage}.py"]
