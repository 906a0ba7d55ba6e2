"""Which stages made a ladder's results, in the order in which they could run, and what of their files is here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_file
from tasklaws.core.lock import LOCK
from tasklaws.forecast.headline import HEADLINE
from tasklaws.provenance.chain import Chain, Entry, Stage, files_in, md5

CARRIED = ("results/", "reports/")
"""Where files lie that a crate always holds; data, models, responses and scores it names by their hashes."""


@dataclass(frozen=True)
class Held:
    """A file, or a folder with its `parts`, as dvc.lock has it, or as it lies in such a folder.

    `sha256` is None of a folder, and where the file is not here as a stage read or wrote it. `is_carried`: the crate
    holds a copy.
    """

    path: str
    md5: str
    size: int
    sha256: str | None = None
    is_folder: bool = False
    is_here: bool = True
    is_carried: bool = False
    parts: tuple["Held", ...] = ()


def stages_of(chain: Chain, ladder: str) -> list[Stage]:
    """The stages behind all that lies in results/L and reports/L, each after those whose outputs it read.

    A ladder that dvc.lock does not have raises TasklawsError.
    """
    found: dict[str, Stage] = {}

    def visit(stage: Stage) -> None:
        if stage.name in found:
            return
        for read in stage.data:
            for made in chain.sources(read) or []:
                writer = chain.written(made.path)
                if writer is not None:
                    visit(writer[0])
        found[stage.name] = stage

    ends = [*chain.below(f"results/{ladder}"), *chain.below(f"reports/{ladder}")]
    for stage, _ in sorted(ends, key=lambda end: end[1].path):
        visit(stage)
    if not any(entry.path.startswith(f"reports/{ladder}") for _, entry in ends):
        raise TasklawsError(f"{LOCK} has no report of ladder {ladder}: compose it and run `dvc repro`")
    numbers = chain.written(HEADLINE.as_posix())
    metrics = chain.written(f"results/{ladder}/metrics.json")
    if numbers is not None and metrics is not None and metrics[1].md5 in {read.md5 for read in numbers[0].inputs}:
        visit(numbers[0])
    return list(found.values())


class ThisMachine:
    """The files under `root`, each read once."""

    def __init__(self, root: Path, with_data: bool) -> None:
        self.root, self._with_data = root, with_data
        self._held: dict[tuple[str, str], Held] = {}

    def held(self, entry: Entry) -> Held:
        """What is here of an entry; with `with_data`, one that is not here raises TasklawsError."""
        key = entry.path, entry.md5
        if key not in self._held:
            self._held[key] = self._look(entry)
        return self._held[key]

    def _look(self, entry: Entry) -> Held:
        place, is_folder = self.root / entry.path, entry.n_files is not None
        if not place.exists() or md5(place) != entry.md5:
            if self._with_data:
                raise TasklawsError(
                    f"{entry.path} is not here as a stage read or wrote it: run `dvc pull`, or leave out --with-data"
                )
            return Held(entry.path, entry.md5, entry.size, is_folder=is_folder, is_here=False)
        if not is_folder:
            return self.file(entry.path, entry.md5)
        parts = tuple(self.file(f"{entry.path}/{file.relative_to(place).as_posix()}") for file in files_in(place))
        return Held(entry.path, entry.md5, entry.size, None, True, True, self._is_carried(entry.path), parts)

    def file(self, path: str, known: str | None = None) -> Held:
        """A file that is here."""
        place = self.root / path
        digest = known or md5(place)
        return Held(path, digest, place.stat().st_size, sha256_file(place), is_carried=self._is_carried(path))

    def carried(self, path: str) -> Held:
        """A file of the repository that a crate always holds."""
        return replace(self.file(path), is_carried=True)

    def _is_carried(self, path: str) -> bool:
        return self._with_data or path.startswith(CARRIED)


@dataclass(frozen=True)
class Times:
    """When a stage ran, in ISO 8601 with an offset, by the note of its run."""

    start: str
    end: str

    @classmethod
    def of(cls, note: Mapping[str, Any] | None) -> "Times | None":
        """Of a note; None without one."""
        if note is None:
            return None
        start = datetime.fromisoformat(str(note["started"]))
        return cls(start.isoformat(), (start + timedelta(seconds=round(float(note["seconds"])))).isoformat())
