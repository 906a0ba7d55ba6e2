"""Which run made the bytes that dvc.lock records, by the notes that runs leave (core.runs)."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from tasklaws.core.runs import read_notes
from tasklaws.provenance.chain import Stage, files_in, md5

_OF_OTHER_LIBRARIES = (".safetensors", ".bin")  # who write weights without a note


class Notes:
    """The notes under `root`, the latest first; `others` are the names of those that no run of this user's wrote."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, stage: Stage) -> Mapping[str, Any] | None:
        """The note of the latest run that wrote these outputs of a stage: every file, and of a folder one file."""
        return self.that_wrote(
            stage.name,
            *({each.md5} if each.n_files is None else self._inside(each.path) for each in stage.outputs),
        )

    def that_wrote(self, stage: str, *wanted: set[str]) -> Mapping[str, Any] | None:
        """The note of the latest run of a stage that wrote, of each set of MD5s, at least one."""
        for note in self._read[0]:
            if note["stage"] == stage and all(each & set(note["wrote_md5"]) for each in wanted):
                return note
        return None

    @property
    def others(self) -> list[str]:
        return self._read[1]

    def _inside(self, path: str) -> set[str]:
        return {md5(file) for file in files_in(self._root / path) if file.suffix not in _OF_OTHER_LIBRARIES}

    @cached_property
    def _read(self) -> tuple[list[Mapping[str, Any]], list[str]]:
        return read_notes(self._root)
