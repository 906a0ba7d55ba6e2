"""What became of one program."""

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "error", "out_of_fuel", "out_of_memory", "output_limit", "trap", "invalid"]


@dataclass(frozen=True)
class Outcome:
    """What one program did within its fuel budget.

    `status`: ok; error (an exception, or more nesting than Python takes); out_of_fuel; out_of_memory;
    output_limit; trap (it called what the guest has not, or exhausted the guest's stack); invalid (the
    wall-clock fuse fired, which says nothing of the program). `stdout` is what had been flushed by the end: a
    program out of fuel, or trapped, loses what it had buffered, as a killed process does. `error` is one printable
    line, empty when ok. `fuel` counts WebAssembly instructions, those of starting included, and what calls out of the
    guest cost. Which of ok, error and out_of_memory it is follows from the type of the exception; a program that
    rewrites the guest's own code can choose among them, as it chooses what it prints, and no other.
    """

    status: Status
    stdout: str
    error: str
    fuel: int

    def to_dict(self) -> dict[str, object]:
        return asdict(self)
