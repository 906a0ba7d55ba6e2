"""Peak memory and CPU seconds of large tables, from table to forecast, each command in a process of its own.

    python benchmarks/size.py [ROWS ...]

ROWS (default 100000 1000000; 10000000 takes some ten minutes and 2 GB of disk) are made up in two shapes, and each
command's peak resident memory is held against 4 GiB:

- points: ROWS / 1000 tasks x 10 models x 100 checkpoints of each, as of a large suite of benchmarks asked along the
  training of a ladder. `tasklaws backtest` forecasts the largest model of all tasks, `tasklaws fit` takes one task.
- scores: ROWS / 2000 items, half of them of each of two families, x 40 rungs x 50 checkpoints, of which the stages
  observe, fit and forecast make observations, curves and the forecast of a holdout.
"""

import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from tasklaws.core.files import write_json
from tasklaws.core.schema import train_flops
from tasklaws.tables import EFFECTIVE_NUMBERS, LADDER, SCORES

ROOT = Path(__file__).parents[1]
LIMIT = 4 * 2**30
N_MODELS, N_STEPS = 10, 100
N_RUNGS, N_CHECKPOINTS = 40, 50
FAMILIES = ("addition", "string_edit")
TOKENS = 1_000_000
FIT = f"n_params < {10**6 * 2 ** (N_MODELS - 1)}"


def share(size: float, hardness: float) -> float:
    return 1 / (1 + math.exp(hardness - 0.5 * math.log(size)))


def points(n_tasks: int) -> Iterator[str]:
    """The lines of a table of points, one (model, checkpoint) after the other."""
    yield "ladder,task,metric,model,n_params,n_tokens,step,is_final,value,n_items,chance\n"
    hard = [random.uniform(4, 10) for _ in range(n_tasks)]
    for model in range(N_MODELS):
        size = 10**6 * 2**model
        for step in range(1, N_STEPS + 1):
            end = f"acc,model-{model},{size},{20 * size * step // N_STEPS},{step},{step == N_STEPS}"
            for task, one in enumerate(hard):
                right = min(500, max(0, round(500 * share(size * step / N_STEPS, one) + random.gauss(0, 5))))
                yield f"made-up,task-{task:06},{end},{right / 500},500,0\n"


def rung_scores(rung: str, size: int, n_items: int) -> Iterator[str]:
    """The lines of a rung's item scores, sorted by their keys."""
    yield ",".join(SCORES.columns) + "\n"
    for step in range(1, N_CHECKPOINTS + 1):
        for family in FAMILIES:
            for item in range(n_items // len(FAMILIES)):
                solved = int(random.random() < share(size * step / N_CHECKPOINTS, 3 + item % 7))
                bits = f"{2 - share(size, 5) + random.random():.6f}"
                said = f"{random.getrandbits(64):016x}"
                yield f"{rung},0,{step},{family},direct,{family}-{item:06},0,{solved},{solved},{bits},,,,{said}\n"


def make_ladder(root: Path, n_items: int) -> None:
    """The files that observe, fit and forecast read, of a ladder whose last rung is held out."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    source = next(iter(params["models"]["rungs"].values()))["source"]
    names = [f"r{index:03}" for index in range(N_RUNGS)]
    roles = ["fit"] * (N_RUNGS - 1) + ["holdout"]
    rungs = {name: {"role": role, "source": source} for name, role in zip(names, roles, strict=True)}
    params["models"] |= {"name": "made_up", "rungs": rungs}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    sizes = []
    for index, (name, role) in enumerate(zip(names, roles, strict=True)):
        size = round(1000 * 10 ** (index / 10))
        sizes.append(("made_up", name, role, size, TOKENS, train_flops(size, TOKENS)))
        if role == "fit":
            folder = root / "scores/made_up/fit"
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / f"{name}.csv").open("w") as file:
                file.writelines(rung_scores(name, size, n_items))
            write_json(folder / f"{name}.json", {"card": card(name, size), "sandbox": "none"})
    LADDER.write(root / "results/made_up/ladder.csv", LADDER.frame(sizes))
    known = {"ladder": "made_up", "elicitation": "direct", "n_items": n_items // 2, "n_eff": n_items // 2}
    known |= {"design_effect": 1.0, "taken_from": "design"}
    EFFECTIVE_NUMBERS.write(
        root / "results/made_up/structure.csv", EFFECTIVE_NUMBERS.frame({**known, "family": one} for one in FAMILIES)
    )


def card(rung: str, size: int) -> dict[str, object]:
    checkpoints = []
    for step in range(1, N_CHECKPOINTS + 1):
        tokens, last = TOKENS * step // N_CHECKPOINTS, step == N_CHECKPOINTS
        where = {"path": "." if last else f"seed0-step{step}", "seed": 0, "step": step, "is_final": last}
        loss = 1 + 20 * size**-0.3 + 50 * tokens**-0.4
        checkpoints.append(
            {**where, "n_tokens": tokens, "train_flops": train_flops(size, tokens), "weights_sha256": "0" * 64}
            | {"loss_nats": loss, "bits_per_byte": 1.4 * loss}
        )
    sizes = {"n_params": size, "n_params_total": size + 1000}
    made = {"source_kind": "train", "tokenizer_sha256": "0" * 64, "corpus_sha256": "0" * 64}
    return {"rung": rung, **sizes, **made, "checkpoints": checkpoints}


def measure(what: str, command: list[str], cwd: Path) -> None:
    """Run a command of Python's and print what the system says of its memory and time."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (cwd / "said.txt").open("w+") as said:
        child = subprocess.Popen([sys.executable, *command], cwd=cwd, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(child.pid, 0)  # RUSAGE_CHILDREN would be the largest of all children so far
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"error: {what} failed:\n{said.read()[-2000:]}")
    peak = used.ru_maxrss * 1024
    verdict = "hit " if peak <= LIMIT else "MISS"
    print(f"{verdict}  {what:34} {peak / 2**30:6.2f} GiB {used.ru_utime + used.ru_stime:8.1f} CPU s", flush=True)


def main() -> None:
    random.seed(0)
    for rows in map(int, sys.argv[1:] or ("100000", "1000000")):
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            with (root / "points.csv").open("w") as file:
                file.writelines(points(rows // (N_MODELS * N_STEPS)))
            tasklaws = ["-m", "tasklaws.cli"]
            split = ["--fit", FIT, "--holdout", f"not ({FIT})", "--out", "backtest"]
            measure(f"{rows} points: backtest", [*tasklaws, "backtest", "points.csv", *split], root)
            chosen = ["--law", "logistic", "--task", "task-000000", "--metric", "acc"]
            measure(f"{rows} points: fit", [*tasklaws, "fit", "points.csv", *chosen], root)
        with tempfile.TemporaryDirectory() as directory:
            make_ladder(Path(directory), rows // (N_RUNGS * N_CHECKPOINTS))
            measure(f"{rows} scores: observe", [str(ROOT / "stages/observe.py"), "fit"], Path(directory))
            for stage in ("fit", "forecast"):
                measure(f"{rows} scores: {stage}", [str(ROOT / f"stages/{stage}.py")], Path(directory))


if __name__ == "__main__":
    main()
