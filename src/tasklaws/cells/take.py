"""Take the outputs of one stage from the store: `python -m tasklaws.cells.take STAGE`, which `collected` runs.

It ends with status 0 if they were taken, and else with 1, having said why; then the stage makes them itself.
"""

import shutil
import sys
from pathlib import Path

from tasklaws.cells.cell import Reader
from tasklaws.cells.shards import join
from tasklaws.cells.store import Store, copy
from tasklaws.core import script
from tasklaws.core.settings import PARAMS, load
from tasklaws.provenance.planned import planned_with

_WORK = Path(".work/collect")


def main() -> None:
    name = script.argument(sys.argv)
    settings = load()
    store = Store(Path(settings.execution.store))
    if not store.root.is_dir():
        print(f"{name}: the store {store.root} is not here: made here", file=sys.stderr)
        raise SystemExit(1)
    stages = planned_with(Path("dvc.yaml"), PARAMS.read_text(encoding="utf-8"))
    reader = Reader(stages, settings, Path())
    cell = reader.cell(name)
    model = reader.digest(cell.model) if cell.model else ""
    entry = store.find(cell.key(model))
    shards = [] if entry or not model else [store.find(shard.key(model)) for shard in reader.asking(cell.rung)]
    if entry is None and (None in shards or len(shards) < 2):
        print(*store.damaged, f"{name}: not in the store {store.root}: made here", sep="\n", file=sys.stderr)
        raise SystemExit(1)
    shutil.rmtree(_WORK, ignore_errors=True)
    if entry is not None:
        for output in cell.outputs:
            copy(entry.folder / output, _WORK / output)
    else:
        said = next(output for output in cell.outputs if output.endswith(".jsonl"))
        join([shard.folder / said for shard in shards if shard], _WORK / said)
    for place in map(Path, cell.outputs):
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        (_WORK / place).replace(place)
    shutil.rmtree(_WORK)
    print(f"{name}: taken from the store {store.root}")


if __name__ == "__main__":
    script.run(main)
