"""What a person may name to have it traced, and the trace of it."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.marks import marked
from tasklaws.core.schema import read_items
from tasklaws.paths import Paths
from tasklaws.provenance.chain import md5, read_chain
from tasklaws.provenance.record import Record, digest, read_records
from tasklaws.trace.ground import Ground, short
from tasklaws.trace.mlflow_runs import TAG, read_run
from tasklaws.trace.node import Node
from tasklaws.trace.outputs import Walk
from tasklaws.trace.parts import part
from tasklaws.trace.points import Place, one_item, point

_SCORES = re.compile(r"scores/([^/]+)/(fit|holdout)/([^/]+)\.csv")
_OF_LADDER = re.compile(r"(?:results|scores|responses|reports)/([^/]+)/")
_RUN = re.compile(r"(?:.*runs/)?([0-9a-f]{32})(?:[/?#].*)?")
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_ROW = re.compile(r"(.+\.csv):([0-9]+)")


def trace(target: str, root: Path = Path(), ladder: str | None = None) -> Node:
    """The chain behind what `target` names, in the repository under `root`.

    It may be a file that the pipeline wrote (wherever it was copied to), a row of a table (`FILE.csv:LINE`), a digest
    as figures show it, a figure's name, a stage, a rung, `[METRIC:]TASK@RUNG[:STEP]`, `ITEM@RUNG[:STEP]`, a key of
    metrics.json, or an MLflow run (its id or address). `ladder` chooses among several. Anything else raises
    TasklawsError with the nearest names.
    """
    return _Targets(Ground(root, read_chain(root)), ladder).trace(target)


class _Targets:
    def __init__(self, ground: Ground, ladder: str | None) -> None:
        self.ground, self.chain, self.root = ground, ground.chain, ground.root
        self._asked = ladder
        if ladder is not None and ladder not in self.ladders:
            raise TasklawsError(f"dvc.lock has no ladder {ladder}: it has {', '.join(self.ladders) or 'none'}")

    def trace(self, target: str) -> Node:
        for found in (self._file, self._row, self._stage, self._digest, self._run, self._at, self._named, self._metric):
            if (node := found(target)) is not None:
                node.children += self._here()
                return node
        near = difflib.get_close_matches(target, list(self._names()), 3, 0.5)
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

    @cached_property
    def places(self) -> list[Place]:
        """Every rung that was scored, those of the ladder asked for, or else of the present one, first."""
        paths = [path for stage in self.chain.stages.values() for path in (each.path for each in stage.outputs)]
        matches = [match for path in paths if (match := _SCORES.fullmatch(path))]
        found = [Place(self.ground, match[1], match[2], match[3]) for match in matches]
        return sorted(found, key=lambda place: self.ladders.index(place.ladder))

    @cached_property
    def ladders(self) -> list[str]:
        """The ladders in dvc.lock: the one asked for first, then that of params.yaml."""
        names = [
            match[1]
            for stage in self.chain.stages.values()
            for each in stage.outputs
            if (match := _OF_LADDER.match(each.path)) and match[1] != "overlap"
        ]
        first = [self._asked, self._present]
        return sorted(dict.fromkeys(names), key=lambda name: first.index(name) if name in first else len(first))

    @cached_property
    def _present(self) -> str | None:
        stages = [stage for stage in self.chain.stages.values() if "models.name" in stage.params]
        try:
            from tasklaws.core.settings import load

            return load(self.root / "params.yaml").models.name
        except TasklawsError:
            return str(stages[-1].params["models.name"]) if stages else None

    @cached_property
    def records(self) -> dict[str, tuple[str, Record]]:
        """Every record of a figure or table, with its ladder, by its digest."""
        found: dict[str, tuple[str, Record]] = {}
        for ladder in self.ladders:
            path = Paths(ladder, self.root).records
            if path.is_file():
                found |= {digest(record): (ladder, record) for record in read_records(path).values()}
        return found

    def _file(self, target: str) -> Node | None:
        path = Path(target)
        if not path.exists() and not (self.root / path).exists():
            return None
        path = path if path.exists() else self.root / path
        if path.absolute().is_relative_to(self.root.absolute()):
            name = path.absolute().relative_to(self.root.absolute()).as_posix()
            if self.chain.written(name) or self.chain.below(name):
                return self._output(name)
        if path.is_dir():
            return None
        held = marked(path.read_bytes())
        if held is not None and held in self.records:
            return self._part(*self.records[held], path)
        own = md5(path)
        for stage in self.chain.stages.values():
            for entry in stage.outputs:
                if entry.md5 == own:
                    node = self._output(entry.path)
                    return Node(f"{path} is a copy of {entry.path}", {"copy": str(path)}, [node])
        raise TasklawsError(
            f"{path} is no output in dvc.lock, nor a copy of one"
            + (f", and no record here has its digest {short(held)}" if held else "")
            + ": give one of the pipeline's files"
        )

    def _output(self, name: str) -> Node:
        if self.chain.written(name) is None:
            return self._several(name, [entry.path for _, entry in self.chain.below(name)])
        if (self.root / name).is_file() and (held := marked((self.root / name).read_bytes())) in self.records:
            return self._part(*self.records[held or ""], self.root / name)
        return Walk(self.ground).output(name)

    def _row(self, target: str) -> Node | None:
        """A row of a table of results: the point or item that it is of."""
        match = _ROW.fullmatch(target)
        if match is None or not (self.root / match[1]).is_file():
            return None
        import pandas as pd

        table = pd.read_csv(self.root / match[1], dtype=str, keep_default_na=False)
        number = int(match[2])
        if not 2 <= number < len(table) + 2:
            raise TasklawsError(f"{match[1]} has no row in line {number}: its rows are in lines 2 to {len(table) + 1}")
        row = {str(key): str(value) for key, value in table.iloc[number - 2].items()}
        node = self._output(Path(match[1]).as_posix())
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
        for full, (ladder, record) in self.records.items():
            if full.startswith(target):
                return self._part(ladder, record)
        for stage in self.chain.stages.values():
            for entry in stage.outputs:
                if self.ground.record(entry.path).startswith(target):
                    return self._output(entry.path)
        return None

    def _part(self, ladder: str, record: Record, file: Path | None = None) -> Node:
        return part(self.ground, ladder, record, self.places[-1].rung if self.places else None, file)

    def _run(self, target: str) -> Node | None:
        """An MLflow run: what its tag `provenance` is the digest of."""
        match = _RUN.fullmatch(target)
        run = read_run(self.root, match[1]) if match else None
        if match is None or run is None:
            return None
        node = self._digest(run.tags.get(TAG, ""))
        if node is None:
            raise TasklawsError(f"MLflow run {match[1]} is of no output in dvc.lock: run `tasklaws track`")
        return Node(f"MLflow run {run.name} {match[1]}", {"run": match[1], **asdict(run)}, [node])

    def _place(self, rung: str, step: str) -> Place | None:
        if step and not step.isdecimal():
            raise TasklawsError(f"step {step!r} of {rung} is no whole number: give TASK@RUNG:STEP")
        at = frozenset([int(step)] if step else [])
        found = [place for place in self.places if place.rung == rung]
        return Place(self.ground, found[0].ladder, found[0].role, rung, at) if found else None

    def _at(self, target: str) -> Node | None:
        """`[METRIC:]TASK@RUNG` or `ITEM@RUNG`, of its final checkpoints or those of `:STEP`.

        Slashes may stand for the low lines in a task, as MLflow has them.
        """
        what, at, rung = target.rpartition("@")
        rung, _, step = rung.partition(":")
        place = self._place(rung, step) if at else None
        if place is None:
            return None
        metric, _, task = what.rpartition(":")
        parts = task.split("/")
        if not metric and len(parts) == 3:
            *parts, metric = parts
        task = "_".join(parts)
        known = {f"{family}_{way}": (family, way) for family, way in self._tasks(place)}
        if task in known:
            default = "loss_nats" if task == "corpus_likelihood" else "exact_match"
            return point(place, *known[task], metric or default)
        for family in dict.fromkeys(family for family, _ in known.values() if family != "corpus"):
            if not metric and any(item.id == what for item in read_items(place.paths.items / f"{family}.jsonl")):
                return one_item(place, what, family)
        names = [*known, *place.scores["item"].unique()]
        near = difflib.get_close_matches(task, [str(name) for name in names], 3, 0.5) or list(known)[:3]
        raise TasklawsError(f"{rung} was asked no task and no item {task!r}: the nearest are {', '.join(near)}")

    def _tasks(self, place: Place) -> list[tuple[str, str]]:
        pairs = place.scores[["family", "elicitation"]].drop_duplicates()
        return [("corpus", "likelihood"), *pairs.itertuples(index=False, name=None)]

    def _named(self, target: str) -> Node | None:
        """A figure or table by name, or a rung."""
        for ladder, record in self.records.values():
            if target in (record["name"], record["name"].partition(" ")[2]):
                return self._part(ladder, record)
        if (written := self.chain.written(f"models/{target}")) is not None:
            return self._output(written[1].path)
        return None

    def _metric(self, target: str) -> Node | None:
        """A key of metrics.json, parts joined by dots or, as MLflow has them, by slashes."""
        wanted = target.removeprefix("validation/").replace("/", ".")
        for ladder in self.ladders:
            path = Paths(ladder, self.root).metrics
            if not path.is_file() or wanted not in (keys := _flat(read_json(path))):
                continue
            name = path.relative_to(self.root).as_posix()
            nodes = [self._output(name)]
            if found := re.search(r"families\.(.+@.+)\.", wanted):
                nodes.insert(0, self._at(found[1]) or nodes[0])
            facts = {"metric": wanted, "value": keys[wanted], "file": name}
            return Node(f"{wanted} = {keys[wanted]} in {name}", facts, nodes)
        return None

    def _names(self) -> Iterator[str]:
        """What could have been meant."""
        yield from self.chain.stages
        yield from (place.rung for place in self.places)
        yield from (record["name"].partition(" ")[2] for _, record in self.records.values())
        yield from (entry.path for stage in self.chain.stages.values() for entry in stage.outputs)
        for ladder in self.ladders:
            path = Paths(ladder, self.root).metrics
            yield from _flat(read_json(path)) if path.is_file() else ()
        for place in self.places[:1]:
            if place.paths.scores(place.role).is_dir():
                yield from (f"{family}_{way}@{place.rung}" for family, way in self._tasks(place))


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {name: value}
    parts = {key: f"{name}.{key}" if name else str(key) for key in value}
    return {key: leaf for part, dotted in parts.items() for key, leaf in _flat(value[part], dotted).items()}
