"""All that forecasts should reach, hit or missed, one line each, by one command (an hour on one core).

    python benchmarks/forecasts.py [SCRIPT ...]

Runs the scripts of this folder that judge forecasts (default: all of SCRIPTS) on ../shared, counts the lines, and
repeats those that were missed. Exits with 1 where one was missed that is no goal.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = ("backtest.py", "selective.py", "floor.py", "families.py", "ahead.py", "design.py")


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


def main() -> None:
    lines = []
    for script in sys.argv[1:] or SCRIPTS:
        print(f"\n== {script}", flush=True)
        lines += run(script)
    hits, missed = (sum(line.startswith(word) for line in lines) for word in ("hit ", "MISS"))
    print(f"\n{hits} hit, {missed} missed")
    for line in lines:
        if line.startswith("MISS"):
            print(line)
    sys.exit(any(line.startswith("MISS") and "goal" not in line for line in lines))


if __name__ == "__main__":
    main()
