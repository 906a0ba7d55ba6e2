"""Which stages are as DVC made them: their outputs lie here, and nothing that they read has changed since."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.lock import LOCK
from tasklaws.provenance.chain import Chain, md5, read_chain
from tasklaws.provenance.dotted import value_at
from tasklaws.provenance.planned import PlannedStage

_WRITING = 5.0  # seconds that DVC, which writes dvc.lock in place, may take for it


class Here:
    """The stages of a ladder against dvc.lock and the files under `root`, of which none is read twice."""

    def __init__(self, stages: Mapping[str, PlannedStage], params: Mapping[str, Any], root: Path) -> None:
        self.stages, self.params, self.root = stages, params, root
        self.chain = _read_settled(root) if (root / LOCK).exists() else Chain({})
        self._md5: dict[str, str] = {}

    def is_current(self, name: str) -> bool:
        """Whether `dvc repro` would not run the stage, and its outputs are here and whole."""
        stage, ran = self.stages[name], self.chain.stages.get(name)
        if ran is None or ran.command != stage.command:
            return False
        if {entry.path for entry in ran.inputs} != stage.inputs or ran.params.keys() != stage.params:
            return False
        if any(value_at(self.params, key) != value for key, value in ran.params.items()):
            return False
        return all(self._of(entry.path) == entry.md5 for entry in (*ran.inputs, *ran.outputs))

    def unmade(self, paths: Iterable[str]) -> list[str]:
        """The stages that write what lies at these paths, or what those stages read in turn, and are not current."""
        writers = {output: name for name, stage in self.stages.items() for output in stage.outputs}
        left, seen = [writers[path] for path in paths if path in writers], set[str]()
        while left:
            if (name := left.pop()) not in seen:
                seen.add(name)
                left += [writers[path] for path in self.stages[name].inputs if path in writers]
        return [name for name in self.stages if name in seen and not self.is_current(name)]

    def _of(self, path: str) -> str:
        if path not in self._md5:
            place = self.root / path
            self._md5[path] = md5(place) if place.is_file() or place.is_dir() else "nothing"
        return self._md5[path]


def _read_settled(root: Path) -> Chain:
    """What dvc.lock says, once it is whole again where `dvc repro` writes it just now."""
    end = time.monotonic() + _WRITING
    while True:
        try:
            return read_chain(root)
        except TasklawsError:
            if time.monotonic() > end:
                raise
        time.sleep(0.2)
