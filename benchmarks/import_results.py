"""Time `tasklaws import` of a folder of 3,000 result files among as many others, and say what it skipped.

Wanted: at most 10 s, and one line on all that was skipped.

    python benchmarks/import_results.py
"""

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES, TASKS = 3000, 12


def write_folder(folder: Path) -> None:
    """Result files as lm-eval 0.4 writes them, of 300 models at 10 steps, each with its samples and a log beside it."""
    for place in range(FILES):
        step, model = divmod(place, 300)
        acc = 0.25 + 0.7 * (1 - math.exp(-(model + 1) * (step + 1) / 900))
        results = {
            f"task{number}": {
                "alias": f"task{number}",
                "acc,none": round(acc, 3),
                "acc_stderr,none": round(math.sqrt(acc * (1 - acc) / 999), 5),
                "acc_norm,none": round(acc, 3),
                "acc_norm_stderr,none": "N/A",
            }
            for number in range(TASKS)
        }
        settings = {
            f"task{number}": {"doc_to_choice": list("abcd"), "doc_to_text": "x" * 2000} for number in range(TASKS)
        }
        document = {
            "results": results | {"group": {"alias": "group", "acc,none": round(acc, 3)}},
            "groups": {"group": {"alias": "group", "acc,none": round(acc, 3)}},
            "group_subtasks": {"group": list(results)},
            "configs": settings,
            "versions": {},
            "n-samples": {name: {"original": 1000, "effective": 1000} for name in results},
            "config": {
                "model": "hf",
                "model_args": f"pretrained=org/m{model},revision=step{step}000",
                "model_num_parameters": 10_000_000 + model,
            },
        }
        here = folder / f"org__m{model}" / f"step{step}000"
        here.mkdir(parents=True)
        (here / "results_2026-01-01T10-00-00.000000.json").write_text(json.dumps(document))
        (here / "samples_task0_2026-01-01T10-00-00.000000.jsonl").write_text('{"doc_id": 0, "doc": {}, "resps": []}\n')
        (here / "run.log").write_text("nothing\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "results"
        write_folder(folder)
        command = [sys.executable, "-m", "tasklaws.cli", "import", str(folder), "--out", f"{name}/points.csv"]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
        busy = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = done.stdout.splitlines()
    print(*lines, sep="\n")
    skipped = sum(line.startswith("skipped") for line in lines)
    cpu = busy.ru_utime + busy.ru_stime
    print(f"{FILES} result files in {seconds:.1f} s, {cpu:.1f} s of CPU; {skipped} line(s) on what was skipped")


if __name__ == "__main__":
    main()
