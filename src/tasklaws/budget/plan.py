"""What a ladder will cost, as numbers and as people read them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tasklaws.budget.asked import AskedTokens
from tasklaws.budget.rates import DEVICES, Rate
from tasklaws.core.settings import Dtype
from tasklaws.ladder.memory import Memory, bytes_text

_TITLES = ("rung", "role", "all parameters", "checkpoints", "read", "written", "fetch", "memory", "train")
_TIME_UNITS = ((86400 * 365, "years"), (86400, "days"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class RungPlan:
    """What one rung will cost; None is unknown.

    `asked` is of one checkpoint, in tokens. `fetch` and `disk` are bytes; `memory` is that of one process by dtype, at
    `batch_size` rows. `train_seconds` and `seconds`, of asking all checkpoints, by device, are 0 where that is done.
    `there` says what is there already.
    """

    name: str
    role: str
    kind: str
    n_params: int | None
    n_params_total: int | None
    n_checkpoints: int
    asked: AskedTokens
    device: str
    dtype: Dtype
    processes: int
    batch_size: int | None
    memory: Mapping[Dtype, Memory]
    fetch: int | None
    disk: int | None
    train_seconds: float
    seconds: Mapping[str, float | None]
    there: tuple[str, ...]

    @property
    def n_cells(self) -> int:
        """Checkpoints x tasks."""
        return self.n_checkpoints * self.asked.n_tasks

    @property
    def n_read(self) -> int:
        return self.n_checkpoints * self.asked.n_read

    @property
    def n_written(self) -> int:
        return self.n_checkpoints * self.asked.n_written

    def cells(self) -> list[str]:
        """The rung's row of the table."""
        own = self.memory.get(self.dtype)
        held = f"{self.processes} x " if self.processes > 1 else ""
        size = f"{held}{bytes_text(own.total)}" if own else "unknown"
        memory = f"{size} {self.dtype}" + (f", batch {self.batch_size}" if own else "")
        counts = (_count(each) for each in (self.n_params_total, self.n_checkpoints, self.n_read, self.n_written))
        times = (_time(self.seconds[device]) for device in DEVICES)
        there = ", ".join(self.there) or "nothing"
        train = _time(self.train_seconds) if self.kind == "train" else "-"
        return [self.name, self.role, *counts, _bytes(self.fetch), memory, train, *times, there]


@dataclass(frozen=True)
class Totals:
    """Of all rungs; None where it is unknown of one. What is asked already is not counted in tokens."""

    rungs: int
    cells: int
    items: int
    tokens_read: int
    tokens_written: int
    fetch: int | None
    disk: int | None
    train_seconds: float
    ask_seconds: Mapping[str, float | None]


@dataclass(frozen=True)
class RunPlan:
    """What a ladder will cost, rung by rung.

    `rates` are operations a second by dtype and device; `beside_seconds` go to what is trained beside the ladder;
    `refused` says, a line each, which rungs do not fit in memory; `notes` have the rungs that each speaks of, if any.
    """

    ladder: str
    rungs: tuple[RungPlan, ...]
    rates: Mapping[Dtype, Mapping[str, Rate]]
    beside_seconds: float
    free_disk: int
    refused: tuple[str, ...]
    notes: Mapping[str, tuple[str, ...]]

    def to_dict(self) -> dict[str, object]:
        """All numbers and their totals."""
        return asdict(self) | {"totals": asdict(self.totals())}

    def totals(self) -> Totals:
        left = [rung for rung in self.rungs if "asked" not in rung.there]
        return Totals(
            rungs=len(self.rungs),
            cells=sum(rung.n_cells for rung in self.rungs),
            items=max(rung.asked.n_items for rung in self.rungs),
            tokens_read=sum(rung.n_read for rung in left),
            tokens_written=sum(rung.n_written for rung in left),
            fetch=_sum(rung.fetch for rung in self.rungs),
            disk=_sum(rung.disk for rung in self.rungs),
            train_seconds=self.beside_seconds + sum(rung.train_seconds for rung in self.rungs),
            ask_seconds={device: _sum(rung.seconds[device] for rung in self.rungs) for device in DEVICES},
        )

    def summary(self) -> str:
        """A row a rung, then totals, rates and notes."""
        rows = [
            [*_TITLES, *(f"ask on {device}" for device in DEVICES), "there"],
            *(rung.cells() for rung in self.rungs),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        total = self.totals()
        ask = ", ".join(f"{_time(seconds)} on {device}" for device, seconds in total.ask_seconds.items())
        n_read, n_written = _count(total.tokens_read), _count(total.tokens_written)
        lines += [
            "",
            f"{total.rungs} rungs, {total.cells} cells (rung x checkpoint x task), {total.items} items",
            f"tokens still to be read {n_read}, to be written at most {n_written}",
            f"fetch {_bytes(total.fetch)}; weights and answers take at most {_bytes(total.disk)} of disk, "
            f"{bytes_text(self.free_disk)} are free",
            f"train {_time(total.train_seconds)} on cpu; ask {ask}",
        ]
        for dtype, by in self.rates.items():
            each = (f"{device} {_flops(rate)}" for device, rate in by.items())
            lines.append(f"speed in {dtype}: {'; '.join(each)}")
        for note, names in self.notes.items():
            of = f" ({', '.join(names)})" if 0 < len(names) < len(self.rungs) else ""
            lines.append(f"note: {note}{of}")
        return "\n".join(lines)


def _sum(values: Iterable[Any]) -> Any:
    found = list(values)
    return None if None in found else sum(found)


def _count(number: int | None) -> str:
    if number is None:
        return "unknown"
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / (1e3 if unit == 'k' else size):.3g}{unit}"
    return str(number)


def _bytes(number: int | None) -> str:
    return "unknown" if number is None else bytes_text(number) if number else "-"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    size, unit = next((each for each in _TIME_UNITS if seconds >= 1.5 * each[0]), _TIME_UNITS[-1])
    return f"{seconds / size:.2g} {unit}" if 0 < seconds < 99.5 * size else f"{seconds / size:.0f} {unit}"


def _flops(rate: Rate) -> str:
    return rate.source if rate.flops is None else f"{rate.flops:.2g} FLOP/s ({rate.source})"
