"""The gate: the file for which the pipeline waits before it scores the rungs of a role."""

from pathlib import Path

from tasklaws.core.files import sha256_file, write_json


def open_gate(gate: Path, table: Path) -> None:
    """Let the rungs be scored that wait for `gate`, now that `table` is written.

    Writes the table's name and SHA-256: another table is another gate, after which DVC scores these rungs again.
    """
    write_json(gate, {"sha256": sha256_file(table), "table": table.name})
