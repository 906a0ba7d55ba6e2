"""What made a ladder's outputs: the stages in dvc.lock, and what is known of their processes besides."""

import calendar
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tasklaws.paths import Paths
from tasklaws.provenance.chain import Chain
from tasklaws.provenance.notes import Notes
from tasklaws.provenance.record import digests

DATA_TAGS = {"data/corpus": "corpus_md5", "data/items": "items_md5"}
"""The tags that hold the digests of the data of a rung."""
RECORD = "provenance"
"""The tag that holds the digest of the record of the output that a run shows."""


@dataclass(frozen=True)
class Aside:
    """When the process that wrote a run's outputs started and ended, in milliseconds since 1970, and its commit."""

    start: int
    end: int
    tags: dict[str, str]


class Made:
    """The origin of a ladder's outputs under `root`."""

    def __init__(self, root: Path, chain: Chain, ladder: str) -> None:
        self.root, self.chain, self.paths = root, chain, Paths(ladder, root)
        self._whole: dict[str, bool] = {}

    def tags(self, path: Path) -> dict[str, str]:
        """The ladder, and the digest of an output's record, unless dvc.lock has another ladder's rung in its place."""
        name = path.relative_to(self.root).as_posix()
        written = self.chain.written(name)
        return {"ladder": self.paths.ladder} | ({} if written is None else {RECORD: self._digests[written[1].path]})

    def is_whole(self, path: str) -> bool:
        """Whether dvc.lock still has all that lies behind an output, of which another ladder's corpus may have taken
        the place: else the digest of its record is no longer what it was."""
        if path not in self._whole:
            written = self.chain.written(path)
            sources = [self.chain.sources(read) for read in (written[0].data if written else ())]
            self._whole[path] = all(
                found is not None and all(self.is_whole(each.path) for each in found) for found in sources
            )
        return self._whole[path]

    def data_sets(self, rung: str) -> dict[str, str]:
        """The digests, as dvc.lock has them, of the corpus that a rung learned from and the items that it was asked."""
        found = (
            self.chain.written(f"models/{rung}"),
            self.chain.written(f"responses/{self.paths.ladder}/{rung}.jsonl"),
        )
        inputs = [entry for each in found if each for entry in each[0].data]
        return {entry.path: entry.md5 for entry in inputs if entry.path in DATA_TAGS}

    def aside(self, path: Path) -> Aside | None:
        """What is known of the process that wrote a file, if anything."""
        written = self.chain.written(path.relative_to(self.root).as_posix())
        return None if written is None else _aside(self._notes.of(written[0]))

    def trained(self, rung: str) -> Aside | None:
        """The same of the process that trained or fetched a rung, which wrote its card."""
        score = self.chain.stages.get(f"score@{rung}")
        cards = {entry.md5 for entry in score.inputs if entry.path == f"models/{rung}/card.json"} if score else set()
        return _aside(self._notes.that_wrote(f"model@{rung}", cards))

    @cached_property
    def _notes(self) -> Notes:
        return Notes(self.root)

    @cached_property
    def _digests(self) -> dict[str, str]:
        return digests(self.chain)


def _aside(note: Mapping[str, Any] | None) -> Aside | None:
    if note is None:
        return None
    start = calendar.timegm(time.strptime(note["started"], "%Y-%m-%dT%H:%M:%SZ")) * 1000
    tags = {key: str(note[key]).lower() for key in ("commit", "dirty") if key in note}
    return Aside(start, start + round(note["seconds"] * 1000), tags)
