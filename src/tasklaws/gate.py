"""The gate: the file for which the pipeline waits before it scores the rungs of a role."""

from pathlib import Path

from tasklaws.core.files import sha256_file, write_json
from tasklaws.core.schema import Role


def open_gate(role: Role, table: Path) -> None:
    """Let the rungs of a role be scored, now that `table` is written.

    Writes `gate/ROLE.json` beside the table, with the table's name and SHA-256: another table is another gate, after
    which DVC scores these rungs again.
    """
    write_json(table.parent / "gate" / f"{role}.json", {"sha256": sha256_file(table), "table": table.name})
