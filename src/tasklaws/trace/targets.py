"""What a person may name to have it traced, and the trace of it."""

import re
from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.headline import FOUND_AT
from tasklaws.paths import Paths
from tasklaws.provenance.chain import files_in, md5, read_chain
from tasklaws.provenance.record import Record
from tasklaws.trace.ground import Ground, brief
from tasklaws.trace.known import Known, nearest
from tasklaws.trace.node import Facts, Node
from tasklaws.trace.opened import json_row, mark_in, table_row
from tasklaws.trace.outputs import Walk
from tasklaws.trace.parts import part_node
from tasklaws.trace.points import one_item, point
from tasklaws.tracking.made import RECORD
from tasklaws.tracking.store import read_run

_MLFLOW_RUN = re.compile(r"(?:.*runs:?/)?([0-9a-f]{32})(?::(.+)|[/?#].*)?")
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_OF_A_POINT = ("score", "forecast", "error", "predicted", "lower", "upper")
"""What MLflow calls the numbers of a point."""
_TABLE_LINE = re.compile(r"(.+\.(?:csv|jsonl)):([0-9]+)")
_JSON_KEY = re.compile(r"(.+\.json):(.+)")


def trace(target: str, root: Path = Path(), ladder: str | None = None) -> Node:
    """The chain behind what `target` names, in the repository under `root`.

    It may be a file that the pipeline wrote (wherever it was copied to), a line of a table, items or responses
    (`FILE:LINE`), a digest as figures show it, a figure's name, a stage, a rung, `[METRIC:]TASK@RUNG[:STEP]`,
    `ITEM@RUNG[:STEP]`, a key of headline.json or metrics.json (`FILE:KEY`), or an MLflow run (its id or address,
    `:METRIC` after it). `ladder` chooses among several. Anything
    else raises TasklawsError with the nearest names.
    """
    return _Targets(Known(Ground(root, read_chain(root)), ladder)).trace(target)


class _Targets:
    def __init__(self, known: Known) -> None:
        self.known, self.ground, self.chain, self.root = known, known.ground, known.chain, known.root

    def trace(self, target: str) -> Node:
        for found in (self._file, self._row, self._stage, self._digest, self._run, self._at, self._named, self._metric):
            if (node := found(target)) is not None:
                node.mark()
                node.children += self._here()
                return node
        raise TasklawsError(f"nothing to trace is called {target!r}: {self._hint(target)}")

    def _hint(self, target: str) -> str:
        if self.known.places:
            place = self.known.places[-1]
            if self.known.family_of(place, target) is not None:
                return f"it is an item, and {target}@{place.rung} is what {place.rung} said to it"
            if target in self.known.task_names(place):
                return f"it is a task, and {target}@{place.rung} is how {place.rung} did on it"
        if _MLFLOW_RUN.fullmatch(target):
            return "there is no such run in MLflow's store: `tasklaws track` makes all runs"
        near = self.known.nearest(target)
        return f"the nearest names are {', '.join(near)}" if near else "give a file, TASK@RUNG or ITEM@RUNG"

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
        held = mark_in(path)
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
        if (self.root / name).is_file() and (held := mark_in(self.root / name)) in self.known.records:
            return self._part(*self.known.records[held or ""], self.root / name)
        return Walk(self.ground).output(name)

    def _row(self, target: str) -> Node | None:
        """A row of a table of results, or a line of items or responses: the point or item that it is of."""
        match = _TABLE_LINE.fullmatch(target)
        if match is None or not (self.root / match[1]).is_file():
            return None
        number, path = int(match[2]), self.root / match[1]
        row: Facts = json_row(path, number) if path.suffix == ".jsonl" else {**table_row(path, number)}
        node = self._file(match[1])
        assert node is not None  # it is a file
        rung = row.get("rung") or (path.stem if path.parent.parent.name == "responses" else "")
        if rung and {"family", "elicitation"} <= row.keys():
            what = f"{row['family']}_{row['elicitation']}"
            name = row["item"] if "item" in row else f"{row.get('metric', 'exact_match')}:{what}"
            node = self._at(f"{name}@{rung}" + (f":{row['step']}" if row.get("step", "") != "" else "")) or node
        told = ", ".join(f"{key} {value}" for key, value in row.items() if value)
        return Node(f"{target}: {told}", {"row": row}, [node])

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
                near = ", ".join(nearest(metric, run.latest) or sorted(run.latest)[:3]) or "none"
                raise TasklawsError(f"MLflow run {run.name} has no metric {metric!r}: the nearest are {near}")
            line += f": {metric} = {run.latest[metric]:.6g}"
            # A run of a seed is called after its rung, and that of a ladder names the rung that it shows.
            rungs = (run.name.partition(" seed ")[0], run.params.get("holdout", ""))
            points = (self._point(metric, rung) for rung in rungs)
            # What the ladder's run shows under a headline's name stands in that ladder's metrics.json.
            key, ladder = ".".join(FOUND_AT.get(metric, (metric,))), run.tags.get("ladder")
            node = next(filter(None, points), None) or self._metric(key, ladder) or node
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
        if (family := self.known.family_of(place, what)) is not None:
            return one_item(place, what, family)
        near = self.known.nearest_asked(place, what.rpartition(":")[2])
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

    def _metric(self, target: str, ladder: str | None = None) -> Node | None:
        """A key of headline.json or metrics.json, parts joined by dots or, as MLflow has them, by slashes; `FILE:KEY`
        says of which file, `ladder` that it is that ladder's metrics.json."""
        of_file = _JSON_KEY.fullmatch(target)
        wanted = (of_file[2] if of_file else target).removeprefix("validation/").replace("/", ".")
        for name, keys in self.known.metrics():
            if ladder is not None and Path(name) != Paths(ladder).metrics:
                continue
            if wanted in keys and (of_file is None or Path(of_file[1]) == Path(name)):
                nodes = [self._output(name)]
                if found := re.search(r"families\.(.+@.+)\.", wanted):
                    nodes.insert(0, self._at(found[1]) or nodes[0])
                facts = {"metric": wanted, "value": keys[wanted], "file": name}
                return Node(f"{wanted} = {keys[wanted]} in {name}", facts, nodes)
            if of_file is not None and Path(of_file[1]) == Path(name):
                near = ", ".join(nearest(wanted, keys) or sorted(keys)[:3])
                raise TasklawsError(f"{name} has no key {wanted!r}: the nearest are {near}")
        return None
