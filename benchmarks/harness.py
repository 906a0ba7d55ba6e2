"""The stage respond against plain lm-eval on the same work, and whether all say the same.

Run after `make repro`: `python benchmarks/harness.py [RUNG ...] [--checkpoints N]` (default: the smallest and the
largest rung, the final checkpoint of the first seed alone; 99 takes all). For each rung it runs, one after the other
and each in processes of its own:

- tasks: one `lm_eval` for each task with lm-eval's defaults, of the first checkpoint; its time is multiplied by the
  number of checkpoints, which is shown as `x N`,
- batched: one `lm_eval` for each checkpoint, asking all tasks in batches of the pipeline's size,
- ours: stages/respond.py.

Nothing is scored, and every response (to the letter) and log-likelihood (to the stored 1e-6) must be equal, or it ends
with an error. Prints seconds of wall clock and of CPU, and how many times as much lm-eval takes.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasklaws.core.files import read_json, read_jsonl, write_json
from tasklaws.core.settings import Settings, load
from tasklaws.families.prompts import split_task, task_name

BIN = Path(sys.executable).parent


class Seconds(NamedTuple):
    wall: float
    cpu: float


def timed(command: list[str], cwd: Path) -> Seconds:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Seconds(time.perf_counter() - start, cpu)


def total(parts: Sequence[Seconds], times: int = 1) -> Seconds:
    return Seconds(times * sum(part.wall for part in parts), times * sum(part.cpu for part in parts))


def workspace(root: Path, rungs: list[str], n_checkpoints: int) -> dict[str, list[dict[str, Any]]]:
    """A copy of what asking needs, nothing cached, and each rung's checkpoints, first that in its own directory."""
    for name in ("stages", "custom_tasks", "data/items", "data/benchmarks"):
        shutil.copytree(name, root / name)
    shutil.copy("params.yaml", root)
    kept = {}
    for rung in rungs:
        shutil.copytree(Path("models", rung), root / "models" / rung)
        card = read_json(root / "models" / rung / "card.json")
        card["checkpoints"].sort(key=lambda checkpoint: checkpoint["path"] != ".")
        for left_out in card["checkpoints"][n_checkpoints:]:
            shutil.rmtree(root / "models" / rung / left_out["path"])
        card["checkpoints"] = kept[rung] = card["checkpoints"][:n_checkpoints]
        write_json(root / "models" / rung / "card.json", card)
    return kept


def lm_eval(root: Path, model: Path, settings: Settings, tasks: list[str], *options: str) -> Seconds:
    return timed(
        [
            *(str(BIN / "lm_eval"), "--model", "hf", "--device", "cpu", "--include_path", "custom_tasks"),
            *("--model_args", f"pretrained={model},dtype={settings.models.dtype}", "--tasks", ",".join(tasks)),
            *("--predict_only", "--log_samples", "--output_path", "said", *options),
        ],
        root,
    )


def compare(root: Path, ours: Sequence[dict[str, Any]], way: str) -> None:
    """End unless lm-eval said the same; its files are removed."""
    rows = {(f"{row['family']}_{row['elicitation']}", row["item"]): row for row in ours}
    n_wrong = n_compared = 0
    for path in (root / "said").rglob("samples_*.jsonl"):
        task = path.stem.removeprefix("samples_").rpartition("_")[0]
        for sample in read_jsonl(path):
            row = rows[task.removesuffix("_likelihood"), sample["doc"]["id"]]
            firsts = [repeats[0] for repeats in sample["resps"]]
            if "log_likelihoods" in row:
                same = row["log_likelihoods"] == [round(float(likely), 6) for likely, _ in firsts]
            elif task.endswith("_likelihood"):
                same = row["log_likelihood"] == round(float(firsts[0][0]), 6)
            else:
                same = row["response"] == firsts[0]
            n_compared, n_wrong = n_compared + 1, n_wrong + (not same)
    shutil.rmtree(root / "said")
    if n_wrong or n_compared != sum(1 + ("response" in row) for row in ours):
        sys.exit(f"{way}: {n_wrong} of {n_compared} answers differ")


def measure(root: Path, rung: str, checkpoints: list[dict[str, Any]], settings: Settings) -> dict[str, Seconds]:
    asked = [task_name(family, way) for family, ways in settings.elicitation.ask.items() for way in ways]
    tasks = asked + [f"{task}_likelihood" for task in asked if split_task(task)[1] != "choice"]
    found = {"ours": timed([sys.executable, "stages/respond.py", rung], root)}
    said: list[dict[str, Any]] = list(read_jsonl(root / "responses" / settings.models.name / f"{rung}.jsonl"))
    batched = []
    for checkpoint in checkpoints:
        ours = [row for row in said if (row["seed"], row["step"]) == (checkpoint["seed"], checkpoint["step"])]
        model = Path("models", rung, checkpoint["path"])
        size = ("--batch_size", str(settings.execution.batch_size))
        batched.append(lm_eval(root, model, settings, tasks, *size))
        compare(root, ours, f"{model} batched")
        if checkpoint is checkpoints[0]:
            found["tasks"] = total([lm_eval(root, model, settings, [task]) for task in tasks], len(checkpoints))
            compare(root, ours, f"{model} task by task")
    return found | {"batched": total(batched)}


def main() -> None:
    settings = load()
    ladder = list(settings.models.rungs)
    parser = argparse.ArgumentParser(description="the stage respond against plain lm-eval")
    parser.add_argument("rungs", nargs="*", default=[ladder[0], ladder[-1]])
    parser.add_argument("--checkpoints", type=int, default=1)
    given = parser.parse_args()
    measured: list[dict[str, Seconds]] = []
    print(f"{'seconds':14} {'':6} {'ours':>9} {'batched':>9} {'ratio':>6} {'tasks':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as directory:
        kept = workspace(Path(directory), given.rungs, given.checkpoints)
        for rung, checkpoints in kept.items():
            measured.append(measure(Path(directory), rung, checkpoints, settings))
            show(f"{rung} x {len(checkpoints)}", measured[-1])
    show("all", {way: total([seconds[way] for seconds in measured]) for way in ("ours", "batched", "tasks")})
    print("every response and log-likelihood is equal")


def show(name: str, seconds: dict[str, Seconds]) -> None:
    for kind in Seconds._fields:
        ours, batched, tasks = (getattr(seconds[way], kind) for way in ("ours", "batched", "tasks"))
        ratios = f"{batched:9.1f} {batched / ours:6.1f} {tasks:9.1f} {tasks / ours:6.1f}"
        print(f"{name:14} {kind:6} {ours:9.1f} {ratios}", flush=True)


if __name__ == "__main__":
    main()
