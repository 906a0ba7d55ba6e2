"""What of a repository can be named: ladders, rungs, tasks, figures, tables, metrics."""

import re
from collections.abc import Iterator
from functools import cached_property

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.paths import Paths
from tasklaws.provenance.dotted import Leaves, flatten
from tasklaws.provenance.record import Record, digest, read_records
from tasklaws.trace.ground import Ground
from tasklaws.trace.points import Place

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
                found |= {digest(record): (ladder, record) for record in read_records(path).values()}
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
        """Each ladder's metrics.json, by its path, its keys joined by dots."""
        for ladder in self.ladders:
            path = Paths(ladder, self.root).metrics
            if path.is_file():
                yield path.relative_to(self.root).as_posix(), flatten(read_json(path))

    def names(self) -> Iterator[str]:
        """What could have been meant."""
        yield from self.chain.stages
        yield from (place.rung for place in self.places)
        yield from (record["name"].partition(" ")[2] for _, record in self.records.values())
        yield from (entry.path for _, entry in self.chain.outputs())
        for _, keys in self.metrics():
            yield from keys
        for place in self.places[:1]:
            if (self.root / place.scores_file).is_file():
                yield from (f"{family}_{way}@{place.rung}" for family, way in self.tasks(place))
