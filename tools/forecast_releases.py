"""Forecast the releases of the year after the last row of studies/releases, and record what that was made of.

    python tools/forecast_releases.py 2026-11-29

The day is that of making, which no clock is asked for. Writes studies/releases/forecasts.csv, the same as

    tasklaws forecast studies/releases/releases.csv --axis date --at date=2026-06 --at date=2026-11 --out DIR

does, and record.json: the day, the SHA-256 of the table and of the forecasts, and how many there are.
"""

import hashlib
import sys
from datetime import date
from pathlib import Path

import tasklaws as tl
from tasklaws.core.files import write_json
from tasklaws.tables import AHEAD_FORECASTS

STUDY = Path(__file__).parents[1] / "studies/releases"
AT = ("2026-06", "2026-11")


def make(day: str, folder: Path, tasks: tuple[str, ...] = ()) -> None:
    """Write forecasts.csv and record.json into a folder; `tasks` are all where none is named."""
    made = date.fromisoformat(day)
    table = tl.read_points(STUDY / "releases.csv")
    found = tl.forecast(table, [{"date": at} for at in AT], axis="date", tasks=tasks)
    forecasts = AHEAD_FORECASTS.pick(found.forecasts)
    AHEAD_FORECASTS.write(folder / "forecasts.csv", forecasts)
    record = {"made": made.isoformat(), "at": list(AT), "n_forecasts": len(forecasts)}
    hashes = {"table_sha256": sha256(STUDY / "releases.csv"), "forecasts_sha256": sha256(folder / "forecasts.csv")}
    write_json(folder / "record.json", {**record, **hashes})


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    make(sys.argv[1], STUDY)
