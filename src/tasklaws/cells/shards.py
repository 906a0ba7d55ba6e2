"""What a rung said, asked in shards: joined to the very bytes that asking all its items at once gives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, read_jsonl, write_json, write_jsonl
from tasklaws.core.schema import BENCHMARK


def join(shards: Sequence[Path], out: Path) -> None:
    """Write `out`, and beside it as .json how the rung was asked, from those of its shards, of which the first has the
    benchmarks. Shards that were not asked alike (on another device) raise TasklawsError."""
    ways = [read_json(shard.with_suffix(".json")) for shard in shards]
    other = next((shard for shard, way in zip(shards, ways, strict=True) if way != ways[0]), None)
    if other is not None:
        raise TasklawsError(f"{other} was asked otherwise than {shards[0]} (on another device?): remove one of them")
    checkpoints: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for shard in shards:
        for row in read_jsonl(shard):
            checkpoints.setdefault((row["seed"], row["step"]), []).append(row)
    write_jsonl(out, (row for rows in checkpoints.values() for row in sorted(rows, key=_place)))
    write_json(out.with_suffix(".json"), ways[0])


def _place(row: Mapping[str, Any]) -> tuple[bool, str, str, str]:
    """By family, elicitation and item, benchmarks last: as `ask_rung` writes them."""
    return row["elicitation"] == BENCHMARK, row["family"], row["elicitation"], row["item"]
