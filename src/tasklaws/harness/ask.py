"""Ask every checkpoint of a rung, some at a time, so that a killed run keeps what it has asked."""

import hashlib
import json
import os
import shutil
import sys
from contextlib import redirect_stderr
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from tasklaws.core.files import read_jsonl, sha256_file, write_jsonl
from tasklaws.core.sealed import is_sealed, seal
from tasklaws.core.settings import Ask, Asking, Settings
from tasklaws.core.workers import run_each
from tasklaws.families.prompts import TASKS
from tasklaws.ladder import card

_ASKING_WORK = Path(".work/respond")
# A model lies in a directory: nothing is fetched, and nothing waits for a network that is not there.
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}


def ask_rung(rung_dir: Path, settings: Settings, ask: Ask, items: Path, out: Path, final_only: bool = False) -> None:
    """Ask the checkpoints of a rung and write their responses to `out`, a JSON row for each item and elicitation.

    The families of `ask`, whose items lie in the directory `items`, are put to all checkpoints, or to each seed's final
    one; one-thread processes share them. Each finished checkpoint is kept under .work/respond, keyed by all that
    determines its responses, until `out` stands. Models that are not those of their card raise TasklawsError.
    """
    made = card.read_card(rung_dir)
    card.check_files(rung_dir, made)
    checkpoints = [one for one in made.checkpoints if one.is_final or not final_only]
    asking = settings.models.asking(rung_dir.name)
    work = _ASKING_WORK / f"{rung_dir.name}-{_key(rung_dir, asking, ask, items)}"
    work.mkdir(parents=True, exist_ok=True)
    print(f"{rung_dir.name}: work in progress in {work}", file=sys.stderr, flush=True)
    parts = [work / f"seed{checkpoint.seed}-step{checkpoint.step}.jsonl" for checkpoint in checkpoints]
    left = [pair for pair in zip(checkpoints, parts, strict=True) if not is_sealed(pair[1])]
    # What is read once serves all checkpoints of a process.
    workers = settings.execution.workers
    shares = [left[start::workers] for start in range(min(workers, len(left)))]
    run_each(
        _ask_checkpoints,
        [(rung_dir, share, asking, settings.execution.batch_size, ask, items) for share in shares],
        workers,
    )
    write_jsonl(out, (row for part in parts for row in read_jsonl(part)))
    shutil.rmtree(work)


def _ask_checkpoints(
    rung_dir: Path,
    share: list[tuple[card.Checkpoint, Path]],
    asking: Asking,
    batch_size: int | str,
    ask: Ask,
    items: Path,
) -> None:
    os.environ.update(OFFLINE)
    # Seconds of imports, which the process that only hands out jobs does without.
    import torch

    from tasklaws.harness.respond import respond

    torch.set_num_threads(1)
    said = respond([rung_dir / checkpoint.path for checkpoint, _ in share], asking, batch_size, ask, items)
    for checkpoint, out in share:
        # lm-eval and transformers draw some twenty bars; they and their warnings go to a log beside the work.
        with out.with_suffix(".log").open("w") as log, redirect_stderr(log):
            rows = next(said)
        where = {"seed": checkpoint.seed, "step": checkpoint.step}
        write_jsonl(out, [where | row for row in rows])
        seal(out)
        print(f"{rung_dir.name}: asked seed {checkpoint.seed} step {checkpoint.step}", file=sys.stderr, flush=True)


def _key(rung_dir: Path, asking: Asking, ask: Ask, items: Path) -> str:
    files = [rung_dir / card.CARD]  # which has the hash of every other file there
    files += sorted(path for folder in (items, TASKS) for path in folder.rglob("*") if path.is_file())
    parts = [
        json.dumps([dict(ask), asdict(asking)], sort_keys=True),
        *(f"{name} {version(name)}" for name in ("lm_eval", "torch", "transformers", "tasklaws")),
        *(f"{path} {sha256_file(path)}" for path in files if "__pycache__" not in path.parts),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
