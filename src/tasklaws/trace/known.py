"""What of a repository can be named: ladders, rungs, tasks, figures, tables, metrics."""

import difflib
import re
from collections.abc import Iterable, Iterator
from functools import cached_property

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.schema import read_asked_items
from tasklaws.forecast.headline import HEADLINE
from tasklaws.paths import Paths
from tasklaws.provenance.dotted import Leaves, flatten
from tasklaws.provenance.record import Record, read_records, record_sha256
from tasklaws.trace.ground import Ground
from tasklaws.trace.points import CORPUS, Place

_NEAR_ENOUGH = 0.5  # of difflib's ratio
_SCORES_FILE = re.compile(r"scores/([^/]+)/(fit|holdout)/([^/]+)\.csv")
_OF_LADDER = re.compile(r"(?:results|scores|responses|reports)/([^/]+)/")


class Known:
    """The names on a ground, those of `ladder` first; a ladder that dvc.lock does not have raises TasklawsError."""

    def __init__(self, ground: Ground, ladder: str | None) -> None:
        self.ground, self.chain, self.root = ground, ground.chain, ground.root
        self._asked = ladder
        self._at_step: dict[tuple[str, int], Place] = {}
        if ladder is not None and ladder not in self.ladders:
            raise TasklawsError(f"dvc.lock has no ladder {ladder}: it has {', '.join(self.ladders) or 'none'}")

    @cached_property
    def places(self) -> list[Place]:
        """Every rung that was scored, those of the ladder asked for, or else of the present one, first."""
        matches = [match for _, each in self.chain.outputs() if (match := _SCORES_FILE.fullmatch(each.path))]
        found = [Place(self.ground, match[1], match[2], match[3]) for match in matches]
        return sorted(found, key=lambda place: self.ladders.index(place.ladder))

    @cached_property
    def ladders(self) -> list[str]:
        """The ladders in dvc.lock: the one asked for first, then that of params.yaml."""
        names = [
            match[1]
            for _, each in self.chain.outputs()
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
            return str(stages[-1].param("models.name")) if stages else None

    @cached_property
    def records(self) -> dict[str, tuple[str, Record]]:
        """Every record of a figure or table, with its ladder, by its digest."""
        found: dict[str, tuple[str, Record]] = {}
        for ladder in self.ladders:
            path = Paths(ladder, self.root).records
            if path.is_file():
                found |= {record_sha256(record): (ladder, record) for record in read_records(path).values()}
        return found

    def place(self, rung: str, step: str = "") -> Place | None:
        """A rung at its last steps, or at the one given; None where no rung is called so."""
        if step and not step.isdecimal():
            raise TasklawsError(f"step {step!r} of {rung} is no whole number: give TASK@RUNG:STEP")
        found = next((place for place in self.places if place.rung == rung), None)
        if found is None or not step:
            return found
        key = (rung, int(step))
        if key not in self._at_step:
            self._at_step[key] = Place(self.ground, found.ladder, found.role, rung, frozenset([int(step)]))
        return self._at_step[key]

    def tasks(self, place: Place) -> list[tuple[str, str]]:
        """The family and elicitation of all that a rung was asked, its held-out loss first."""
        pairs = place.scores[["family", "elicitation"]].drop_duplicates()
        return [("corpus", "likelihood"), *pairs.itertuples(index=False, name=None)]

    def metrics(self) -> Iterator[tuple[str, Leaves]]:
        """The headline and each ladder's metrics.json, by its path, its keys joined by dots."""
        for path in (self.root / HEADLINE, *(Paths(ladder, self.root).metrics for ladder in self.ladders)):
            if path.is_file():
                yield path.relative_to(self.root).as_posix(), flatten(read_json(path))

    def nearest(self, target: str) -> list[str]:
        """What could have been meant: of a task or an item at a rung that is not there, the same at others."""
        what, at, rung = target.rpartition("@")
        places = self.places[-1:] if at else []
        if any(self.family_of(place, what) or what in self.task_names(place) for place in places):
            rungs = [each.rung for each in self.places]
            return [f"{what}@{each}" for each in nearest(rung.partition(":")[0], rungs) or rungs[:3]]
        return nearest(target, list(self._names()))

    def nearest_asked(self, place: Place, name: str) -> list[str]:
        """The three tasks and items of a rung that are most like a name: of a name without a number tasks come first,
        those of a family that is like it too."""
        tasks = self.task_names(place)
        items = nearest(name, map(str, place.scores["item"].unique()))
        if name[-1:].isdecimal():
            found = nearest(name, [*tasks, *items])
        else:
            families = {family: f"{family}_{way}" for family, way in self.tasks(place)}
            found = [*nearest(name, tasks), *(families[family] for family in nearest(name, families)), *items]
        return list(dict.fromkeys(found))[:3] or tasks[:3]

    def task_names(self, place: Place) -> list[str]:
        return [f"{family}_{way}" for family, way in self.tasks(place)]

    def family_of(self, place: Place, item: str) -> str | None:
        """The family of an item, by its id."""
        for family in dict.fromkeys(family for family, _ in self.tasks(place) if family != CORPUS[0]):
            if any(each.id == item for each in read_asked_items([family], place.paths.root)):
                return family
        return None

    def _names(self) -> Iterator[str]:
        yield from self.chain.stages
        yield from (place.rung for place in self.places)
        yield from (record["name"].partition(" ")[2] for _, record in self.records.values())
        yield from (entry.path for _, entry in self.chain.outputs())
        for _, keys in self.metrics():
            yield from keys
        for place in self.places[:1]:
            if (self.root / place.scores_file).is_file():
                yield from (f"{task}@{place.rung}" for task in self.task_names(place))


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The three of the names that are most like one: those that it begins, then by letters, then by their numbers."""
    scored = []
    for each in set(names):
        alike = difflib.SequenceMatcher(None, each, name).ratio()
        if (begins := bool(name) and each.startswith(name)) or alike >= _NEAR_ENOUGH:
            scored.append((begins, alike, -_apart(each, name), each))
    return [each for *_, each in sorted(scored, reverse=True)[:3]]


def _apart(one: str, other: str) -> float:
    """How far the last numbers of two names lie apart, as a share of both; 0 where they are equal, 1 without any."""
    first, second = ([int(each) for each in re.findall("[0-9]{1,15}", name)][-1:] for name in (one, other))
    both = sum(first) + sum(second)
    return abs(sum(first) - sum(second)) / both if both else 1.0
