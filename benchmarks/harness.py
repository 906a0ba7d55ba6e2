"""This pipeline against plain lm-eval on the same work: one `lm_eval` process for each rung and family.

Run after `make repro`: `python benchmarks/harness.py [RUNG ...]` (default: the smallest and the largest rung). The work
is every item of every family asked of a rung's final checkpoint, generation, likelihood and sandboxed scoring in; both
run here, one after the other, in this one command, with two cores. Prints seconds and their ratio for each rung.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tasklaws.core.files import read_json, write_json
from tasklaws.core.settings import load

BIN = Path(sys.executable).parent


def seconds(command: list[str], cwd: Path) -> float:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def workspace(root: Path, rungs: list[str]) -> None:
    """A copy of what asking needs, in which each rung has its final checkpoint only; nothing is cached."""
    for name in ("stages", "custom_tasks", "data/items", "results"):
        shutil.copytree(name, root / name)
    shutil.copy("params.yaml", root)
    for rung in rungs:
        files = [path for path in Path("models", rung).iterdir() if path.is_file()]
        (root / "models" / rung).mkdir(parents=True)
        for path in files:
            shutil.copy(path, root / "models" / rung)
        card = read_json(root / "models" / rung / "card.json")
        card["checkpoints"] = [checkpoint for checkpoint in card["checkpoints"] if checkpoint["path"] == "."]
        write_json(root / "models" / rung / "card.json", card)


def main() -> None:
    settings = load()
    ladder = list(settings.models.rungs)
    rungs = sys.argv[1:] or [ladder[0], ladder[-1]]
    dtype = settings.models.dtype
    total = [0.0, 0.0]
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        workspace(root, rungs)
        print(f"{'rung':12} {'pipeline s':>10} {'lm_eval s':>10} {'ratio':>6}")
        for rung in rungs:
            pipeline = sum(
                seconds([sys.executable, f"stages/{stage}.py", rung], root) for stage in ("respond", "score")
            )
            plain = sum(
                seconds(
                    [
                        str(BIN / "lm_eval"),
                        *("--model", "hf", "--model_args", f"pretrained=models/{rung},dtype={dtype}"),
                        *("--include_path", "custom_tasks", "--tasks", f"tasklaws_{family}"),
                        *("--batch_size", str(settings.execution.batch_size), "--device", "cpu"),
                    ],
                    root,
                )
                for family in settings.elicitation.ask
            )
            total = [total[0] + pipeline, total[1] + plain]
            print(f"{rung:12} {pipeline:10.1f} {plain:10.1f} {plain / pipeline:6.1f}", flush=True)
    print(f"{'all':12} {total[0]:10.1f} {total[1]:10.1f} {total[1] / total[0]:6.1f}")


if __name__ == "__main__":
    main()
