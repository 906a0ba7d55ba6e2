"""What a person may name to have it traced, and the trace of it."""

import difflib
import re
from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.core.marks import marked
from tasklaws.core.schema import read_asked_items
from tasklaws.provenance.chain import files_in, md5, read_chain
from tasklaws.provenance.record import Record
from tasklaws.trace.ground import Ground, brief
from tasklaws.trace.known import Known
from tasklaws.trace.node import Node
from tasklaws.trace.outputs import Walk
from tasklaws.trace.parts import part_node
from tasklaws.trace.points import one_item, point
from tasklaws.tracking.made import RECORD
from tasklaws.tracking.store import read_run

_MLFLOW_RUN = re.compile(r"(?:.*runs/)?([0-9a-f]{32})(?::(.+)|[/?#].*)?")
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_OF_A_POINT = ("score", "forecast", "error", "predicted", "lower", "upper")
"""What MLflow calls the numbers of a point."""
_METADATA_BYTES = 2**16
_TABLE_LINE = re.compile(r"(.+\.csv):([0-9]+)")


def trace(target: str, root: Path = Path(), ladder: str | None = None) -> Node:
    """The chain behind what `target` names, in the repository under `root`.

    It may be a file that the pipeline wrote (wherever it was copied to), a row of a table (`FILE.csv:LINE`), a digest
    as figures show it, a figure's name, a stage, a rung, `[METRIC:]TASK@RUNG[:STEP]`, `ITEM@RUNG[:STEP]`, a key of
    metrics.json, or an MLflow run (its id or address, `:METRIC` after it). `ladder` chooses among several. Anything
    else raises TasklawsError with the nearest names.
    """
    return _Targets(Known(Ground(root, read_chain(root)), ladder)).trace(target)


class _Targets:
    def __init__(self, known: Known) -> None:
        self.known, self.ground, self.chain, self.root = known, known.ground, known.chain, known.root

    def trace(self, target: str) -> Node:
        for found in (self._file, self._row, self._stage, self._digest, self._run, self._at, self._named, self._metric):
            if (node := found(target)) is not None:
                node.children += self._here()
                return node
        near = difflib.get_close_matches(target, list(self.known.names()), 3, 0.5)
        hint = f"the nearest names are {', '.join(near)}" if near else "give a file, TASK@RUNG or ITEM@RUNG"
        raise TasklawsError(f"nothing to trace is called {target!r}: {hint}")

    def _here(self) -> list[Node]:
        """What is checked out, and the package versions that it pins."""
        head, pinned = self.ground.head, self.ground.pinned
        state = f"{head['commit']}{', with changes' if head['dirty'] else ''}" if head else "no commit"
        versions = " ".join(f"{name} {version}" for name, version in pinned.items())
        return [
            Node(f"checked out: {state}", {"checked_out": head}),
            Node(f"packages as requirements.lock has them: {versions}", {"requirements_lock": pinned}),
        ]

    def _file(self, target: str) -> Node | None:
        path = Path(target)
        if not path.exists() and not (self.root / path).exists():
            return None
        path = path if path.exists() else self.root / path
        if path.absolute().is_relative_to(self.root.absolute()):
            name = path.absolute().relative_to(self.root.absolute()).as_posix()
            if self.chain.written(name) or self.chain.below(name):
                return self._output(name)
        if not path.is_file():
            return None
        held = _mark_in(path)
        if held is not None and held in self.known.records:
            return self._part(*self.known.records[held], path)
        if (original := self._original(path)) is not None:
            return Node(f"{path} is a copy of {original}", {"copy": str(path)}, [self._output(original)])
        raise TasklawsError(
            f"{path} is no output in dvc.lock, nor a copy of one"
            + (f", and no record here has its digest {brief(held)}" if held else "")
            + ": give one of the pipeline's files"
        )

    def _original(self, copy: Path) -> str | None:
        """The output, or the file in a folder of a stage's, whose bytes a file has."""
        own, size = md5(copy), copy.stat().st_size
        for _, entry in self.chain.outputs():
            if entry.md5 == own:
                return entry.path
            for file in files_in(self.root / entry.path) if entry.n_files is not None else ():
                if file.stat().st_size == size and md5(file) == own:
                    return file.relative_to(self.root).as_posix()
        return None

    def _output(self, name: str) -> Node:
        if self.chain.written(name) is None:
            return self._several(name, [entry.path for _, entry in self.chain.below(name)])
        if (self.root / name).is_file() and (held := _mark_in(self.root / name)) in self.known.records:
            return self._part(*self.known.records[held or ""], self.root / name)
        return Walk(self.ground).output(name)

    def _row(self, target: str) -> Node | None:
        """A row of a table of results: the point or item that it is of."""
        match = _TABLE_LINE.fullmatch(target)
        if match is None or not (self.root / match[1]).is_file():
            return None
        import pandas as pd

        table = pd.read_csv(self.root / match[1], dtype=str, keep_default_na=False)
        number = int(match[2])
        if not 2 <= number < len(table) + 2:
            raise TasklawsError(f"{match[1]} has no row in line {number}: its rows are in lines 2 to {len(table) + 1}")
        row = {str(key): str(value) for key, value in table.iloc[number - 2].items()}
        node = self._file(match[1])
        assert node is not None  # it is a file
        if {"rung", "family", "elicitation"} <= row.keys():
            what = f"{row['family']}_{row['elicitation']}"
            name = row["item"] if "item" in row else f"{row.get('metric', 'exact_match')}:{what}"
            node = self._at(f"{name}@{row['rung']}" + (f":{row['step']}" if row.get("step") else "")) or node
        return Node(
            f"{target}: {', '.join(f'{key} {value}' for key, value in row.items() if value)}", {"row": row}, [node]
        )

    def _stage(self, target: str) -> Node | None:
        stage = self.chain.stages.get(target)
        if stage is None:
            return None
        return self._several(f"stage {target}", [entry.path for entry in stage.outputs])

    def _several(self, name: str, paths: list[str]) -> Node:
        walk = Walk(self.ground)
        return Node(f"{name}: {len(paths)} outputs", {"name": name}, [walk.output(path) for path in paths])

    def _digest(self, target: str) -> Node | None:
        if _DIGEST.fullmatch(target) is None:
            return None
        for full, (ladder, record) in self.known.records.items():
            if full.startswith(target):
                return self._part(ladder, record)
        paths = [path for path, full in self.ground.records.items() if full.startswith(target)]
        return self._output(paths[0]) if paths else None

    def _part(self, ladder: str, record: Record, file: Path | None = None) -> Node:
        return part_node(self.ground, ladder, record, self.known.places[-1].rung if self.known.places else None, file)

    def _run(self, target: str) -> Node | None:
        """An MLflow run, by what its tag `provenance` is the digest of, or one of its metrics."""
        match = _MLFLOW_RUN.fullmatch(target)
        run = read_run(self.root, match[1]) if match else None
        if match is None or run is None:
            return None
        facts = {"run": match[1], "name": run.name, "params": run.params, "tags": run.tags, "metrics": run.latest}
        line = f"MLflow run {run.name} {match[1]}"
        node = self._digest(run.tags.get(RECORD, ""))
        if (metric := match[2]) is not None:
            if metric not in run.latest:
                near = ", ".join(difflib.get_close_matches(metric, run.latest, 3, 0.0)) or "none"
                raise TasklawsError(f"MLflow run {run.name} has no metric {metric!r}: the nearest are {near}")
            line += f": {metric} = {run.latest[metric]:.6g}"
            # A run of a seed is called after its rung, and that of a ladder names the rung that it shows.
            rungs = (run.name.partition(" seed ")[0], run.params.get("holdout", ""))
            points = (self._point(metric, rung) for rung in rungs)
            node = next(filter(None, points), None) or self._metric(metric) or node
        if node is None:
            raise TasklawsError(f"MLflow run {match[1]} is of no output in dvc.lock: run `tasklaws track`")
        return Node(line, facts, [node])

    def _at(self, target: str) -> Node | None:
        """`[METRIC:]TASK@RUNG` or `ITEM@RUNG`, of its final checkpoints or those of `:STEP`."""
        what, at, rung = target.rpartition("@")
        rung, _, step = rung.partition(":")
        place = self.known.place(rung, step) if at else None
        if place is None:
            return None
        if (found := self._point(what, rung, step)) is not None:
            return found
        families = dict.fromkeys(family for family, _ in self.known.tasks(place) if family != "corpus")
        for family in families:
            if any(item.id == what for item in read_asked_items([family], place.paths.root)):
                return one_item(place, what, family)
        tasks = [f"{family}_{way}" for family, way in self.known.tasks(place)]
        names = [*tasks, *map(str, place.scores["item"].unique())]
        near = difflib.get_close_matches(what.rpartition(":")[2], names, 3, 0.5) or tasks[:3]
        raise TasklawsError(f"{rung} was asked no task and no item {what!r}: the nearest are {', '.join(near)}")

    def _point(self, what: str, rung: str, step: str = "") -> Node | None:
        """A task with its metric at a rung, whatever joins them, in either order; MLflow has `score/TASK`."""
        if (place := self.known.place(rung, step)) is None:
            return None
        for family, way in self.known.tasks(place):
            found = re.fullmatch(rf"(?:(.+?)[:/])?{re.escape(family)}[_/]{way}(?:[:/](.+))?", what)
            if found is not None:
                default = "loss_nats" if family == "corpus" else "exact_match"
                named = [word for word in found.groups() if word and word not in _OF_A_POINT]
                return point(place, family, way, named[0] if named else default)
        return None

    def _named(self, target: str) -> Node | None:
        """A figure or table by name, or a rung."""
        for ladder, record in self.known.records.values():
            if target in (record["name"], record["name"].partition(" ")[2]):
                return self._part(ladder, record)
        if (written := self.chain.written(f"models/{target}")) is not None:
            return self._output(written[1].path)
        return None

    def _metric(self, target: str) -> Node | None:
        """A key of metrics.json, parts joined by dots or, as MLflow has them, by slashes."""
        wanted = target.removeprefix("validation/").replace("/", ".")
        for name, keys in self.known.metrics():
            if wanted in keys:
                nodes = [self._output(name)]
                if found := re.search(r"families\.(.+@.+)\.", wanted):
                    nodes.insert(0, self._at(found[1]) or nodes[0])
                facts = {"metric": wanted, "value": keys[wanted], "file": name}
                return Node(f"{wanted} = {keys[wanted]} in {name}", facts, nodes)
        return None


def _mark_in(path: Path) -> str | None:
    """The digest in a figure's metadata, which stand at its beginning; a page holds figures, and is none."""
    if path.suffix == ".html":
        return None
    with path.open("rb") as file:
        return marked(file.read(_METADATA_BYTES))
