"""What each stage spends before its work: `python benchmarks/startup.py`.

Processor seconds of a process that imports what the stage's script imports and ends (the least of three), and which of
the libraries that take long are among it. What a stage imports inside its functions, such as torch in the process that
trains, counts as its work.
"""

import resource
import subprocess
import sys
from pathlib import Path

LONG = (
    "torch",
    "transformers",
    "lm_eval",
    "mlflow",
    "matplotlib",
    "scipy.stats",
    "scipy",
    "pandas",
    "numpy",
    "pydantic",
)
TRIES = 3


def seconds(code: str) -> tuple[float, list[str]]:
    """The least processor seconds of a Python process that runs `code`, and which of the libraries it has imported."""
    code += f"; import sys; print(*(name for name in {LONG} if name in sys.modules))"
    least = float("inf")
    for _ in range(TRIES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least, done.stdout.split()


def main() -> None:
    print(f"{'what':18} {'CPU s':>6}  it imports")
    codes = {"python alone": "pass", "params.yaml read": "from tasklaws.core.settings import load; load()"}
    codes |= {path.stem: f"import runpy; runpy.run_path({str(path)!r})" for path in sorted(Path("stages").glob("*.py"))}
    for name, code in codes.items():
        least, found = seconds(code)
        print(f"{name:18} {least:6.2f}  {' '.join(found)}", flush=True)


if __name__ == "__main__":
    main()
