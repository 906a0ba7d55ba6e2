"""All that forecasts should reach, hit or missed, one line each, by one command (an hour on one core).

    python benchmarks/forecasts.py [SCRIPT ...]

Runs the scripts of this folder that judge forecasts (default: all of SCRIPTS), asks `tasklaws forecast` for a model that
nobody ran, counts the lines, and repeats those that were missed. Exits with 1 where one was missed that is no goal.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SCRIPTS = ("backtest.py", "selective.py", "floor.py", "families.py", "design.py")
SECONDS = 5.0  # within which a planned model should be forecast


def run(script: str) -> list[str]:
    """The lines that a script prints, shown as they come; one that fails raises CalledProcessError."""
    lines = []
    command = [sys.executable, str(HERE / script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return lines


def planned(directory: Path) -> list[str]:
    """A line on how long `tasklaws forecast` takes for a planned 7B from a made table of six models and twelve tasks."""
    rng = np.random.default_rng(0)
    sizes = np.geomspace(7e7, 2.8e9, 6)
    rows = [
        {"model": f"m-{size:.3g}", "n_params": size, "n_tokens": 3e11, "task": f"task-{task}", "metric": "acc"}
        | {"value": rng.binomial(1000, 1 / (1 + (size / middle) ** -0.5)) / 1000, "n_items": 1000, "chance": 0.0}
        for task, middle in enumerate(np.geomspace(3e8, 3e10, 12))
        for size in sizes
    ]
    pd.DataFrame(rows).to_csv(directory / "pilot.csv", index=False)
    command = ["tasklaws", "forecast", str(directory / "pilot.csv"), "--at", "n_params=7e9,n_tokens=2e12"]
    start = time.perf_counter()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds = time.perf_counter() - start
    print(said)
    what = "a planned 7B from six models x twelve tasks: seconds"
    line = f"{'hit ' if seconds <= SECONDS else 'MISS'}  {what:58} {seconds:>18.1f}   <= {SECONDS:.0f}"
    print(line)
    return [line]


def main() -> None:
    lines = []
    for script in sys.argv[1:] or SCRIPTS:
        print(f"\n== {script}", flush=True)
        lines += run(script)
    if not sys.argv[1:]:
        with tempfile.TemporaryDirectory() as directory:
            lines += planned(Path(directory))
    hits, missed = (sum(line.startswith(word) for line in lines) for word in ("hit ", "MISS"))
    print(f"\n{hits} hit, {missed} missed")
    for line in lines:
        if line.startswith("MISS"):
            print(line)
    sys.exit(any(line.startswith("MISS") and "goal" not in line for line in lines))


if __name__ == "__main__":
    main()
