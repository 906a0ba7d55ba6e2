"""Ask every checkpoint of a rung, some at a time, so that a killed run keeps what it has asked."""

import functools
import gc
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, read_jsonl, sha256_file, write_json, write_jsonl
from tasklaws.core.sealed import is_sealed, seal
from tasklaws.core.settings import HF, Ask, Asking, BatchSize, LmEvalSource, Settings, TrainSource
from tasklaws.core.workers import run_each
from tasklaws.families.prompts import TASKS
from tasklaws.ladder import card

if TYPE_CHECKING:
    from lm_eval.api.model import LM

_ASKING_WORK = Path(".work/respond")
_KEPT_WAYS = 4  # finished ways of asking a rung, of which the others are the older
# A model lies in a directory: nothing is fetched, and nothing waits for a network that is not there.
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Part:
    """A share of the items, by the hashes of their ids: the `number`-th of `count`, from 1.

    Benchmarks, whose answers may be drawn one after the other, are the first part's.
    """

    number: int
    count: int

    def __contains__(self, item: object) -> bool:
        found = int(hashlib.sha256(str(item).encode()).hexdigest()[:8], 16)
        return found % self.count == self.number - 1

    @classmethod
    def of(cls, text: str) -> "Part | None":
        """`2of4`; None of no text; what is no part raises TasklawsError."""
        number, _, count = text.partition("of")
        if not text:
            return None
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise TasklawsError(f"part is {text!r}: give NofM, such as 2of4")
        return cls(int(number), int(count))


@dataclass(frozen=True)
class Means:
    """By what a rung is asked: lm-eval's model type with its arguments, on a device, so many requests together."""

    asking: Asking
    kind: str
    arguments: Mapping[str, Any]
    device: str
    batch_size: BatchSize
    likelihoods: bool
    is_trained: bool = False

    @property
    def record(self) -> dict[str, object]:
        """What determines the answers besides the model and the questions: how, by what and on what it is asked."""
        device = self.device
        if device == "cuda":  # whose kinds differ in arithmetic
            import torch

            device = f"cuda ({torch.cuda.get_device_name()})"
        versions = {name: version(name) for name in ("lm_eval", "torch", "transformers")}
        how = asdict(self.asking) | {"likelihoods": self.likelihoods}
        return how | {"model": self.kind, "model_args": dict(self.arguments), "device": device, "versions": versions}

    @property
    def is_elsewhere(self) -> bool:
        """Whether the model lies in no directory of ours, but where its arguments say."""
        return "pretrained" in self.arguments or self.kind != "hf"


def means_of(rung: str, settings: Settings) -> Means:
    """By what a rung of the ladder is asked; a device that is not here raises TasklawsError.

    With `execution.device: auto` what was trained here computes on the CPU, to the same bytes anywhere.
    """
    models, execution = settings.models, settings.execution
    source = models.rungs[rung].source if rung in models.rungs else models.sharded[rung]
    own = models.rungs[rung].asking.batch_size if rung in models.rungs else None
    asking, size = models.asking(rung), own or execution.batch_size
    if isinstance(source, LmEvalSource):
        kind, arguments = source.model, source.model_args
    else:
        kind, arguments = "hf", {"trust_remote_code": True} if getattr(source, "trust_remote_code", False) else {}
    if kind not in HF:
        device = "its own"
    elif isinstance(source, TrainSource) and execution.device in ("auto", "cpu"):
        device = "cpu"
    else:
        from tasklaws.harness.devices import device_of  # torch, which takes seconds

        device = device_of(execution.device, asking.dtype)
    return Means(asking, kind, arguments, device, size, source.likelihoods, isinstance(source, TrainSource))


def ask_rung(
    rung_dir: Path,
    settings: Settings,
    ask: Ask,
    items: Path,
    out: Path,
    final_only: bool = False,
    benchmarks: Path | None = None,
    part: Part | None = None,
) -> None:
    """Ask the checkpoints of a rung and write their responses to `out`, a JSON row for each item and elicitation, and
    beside it, as .json, by what they were asked.

    The families of `ask`, whose items lie in the directory `items`, are put to all checkpoints, or to each seed's final
    one; one-thread processes share them. So are the benchmarks of the settings, whose documents lie in the directory
    `benchmarks`, where one is given. With a `part` its items alone are asked. What is finished is kept under
    .work/respond, keyed by all that determines it, the device in it: another role of the rung asks nothing again. Of a
    server, which may answer otherwise next time, it is kept until `out` stands. Models that are not those of their
    card, and what `means_of`, `load_model` and `answers_of` refuse, raise TasklawsError.
    """
    made, rung = card.read_card(rung_dir), rung_dir.name
    benchmarks = None if part is not None and part.number > 1 else benchmarks
    card.check_files(rung_dir, made)
    checkpoints = [one for one in made.checkpoints if one.is_final or not final_only]
    means = means_of(rung, settings)
    if benchmarks is not None and not means.likelihoods:
        _refuse_likelihoods(rung, benchmarks)
    work = _ASKING_WORK / rung / _key(rung_dir, means, ask, items, settings, benchmarks, part)
    work.mkdir(parents=True, exist_ok=True)
    os.utime(work)
    print(f"{rung}: work in progress in {work}", file=sys.stderr, flush=True)
    choices = [] if means.likelihoods else [family for family, ways in ask.items() if "choice" in ways]
    if choices:
        print(f"{rung}: gives no likelihoods, and is not asked to choose: {', '.join(choices)}", file=sys.stderr)
    parts = [work / f"seed{checkpoint.seed}-step{checkpoint.step}.jsonl" for checkpoint in checkpoints]
    left = [pair for pair in zip(checkpoints, parts, strict=True) if not is_sealed(pair[1])]
    # What is read once serves all checkpoints of a process; a device, and a server, serves one process.
    workers = settings.execution.workers
    processes = min(workers if means.device == "cpu" else 1, len(left))
    threads = 1 if means.is_trained else workers // max(1, processes)
    shares = [left[start::processes] for start in range(processes)]
    run_each(
        _ask_checkpoints,
        [(rung_dir, share, means, threads, processes, ask, items, settings, benchmarks, part) for share in shares],
        processes,
    )
    write_jsonl(out, (row for part in parts for row in read_jsonl(part)))
    write_json(out.with_suffix(".json"), means.record)
    if means.is_elsewhere:
        shutil.rmtree(work)
    for old in sorted(work.parent.iterdir(), key=lambda path: path.stat().st_mtime)[:-_KEPT_WAYS]:
        shutil.rmtree(old)


def _ask_checkpoints(
    rung_dir: Path,
    share: list[tuple[card.Checkpoint, Path]],
    means: Means,
    threads: int,
    processes: int,
    ask: Ask,
    items: Path,
    settings: Settings,
    benchmarks: Path | None,
    part: Part | None,
) -> None:
    if not means.is_elsewhere:
        os.environ.update(OFFLINE)
    # Seconds of imports, which the process that only hands out jobs does without.
    import torch

    from tasklaws.harness.respond import respond
    from tasklaws.harness.servers import resumed_from

    torch.set_num_threads(threads)
    _keep_imports()
    folders = [] if means.is_trained else [out.with_suffix("") for _, out in share]
    models = loaded_models([rung_dir / checkpoint.path for checkpoint, _ in share], means, processes)
    last: list[LM] = []
    said = respond(_noted(models, last), means.asking, means.batch_size, ask, items, part, means.likelihoods, folders)
    for checkpoint, out in share:
        # lm-eval and transformers draw some twenty bars; they and their warnings go to a log beside the work.
        with out.with_suffix(".log").open("w") as log, redirect_stderr(log):
            rows = next(said)
            if benchmarks is not None:
                with resumed_from(out.with_suffix("")):
                    rows += _benchmark_rows(last[0], means, settings, benchmarks, None if means.is_trained else out)
        where = {"seed": checkpoint.seed, "step": checkpoint.step}
        write_jsonl(out, [where | row for row in rows])
        seal(out)
        shutil.rmtree(out.with_suffix(""), ignore_errors=True)
        print(f"{rung_dir.name}: asked seed {checkpoint.seed} step {checkpoint.step}", file=sys.stderr, flush=True)


@functools.cache
def _keep_imports() -> None:
    """Spare what is imported, which never becomes garbage, from its collection: accelerate collects before each batch
    size that it tries, which took .2 s each time. Once a process: what is there at another time might become garbage.
    """
    gc.collect()
    gc.freeze()


def _noted(models: "Iterator[LM]", last: "list[LM]") -> "Iterator[LM]":
    """The models, of which `last` has the one that was taken last."""
    for model in models:
        last[:] = [model]
        yield model


def _benchmark_rows(
    model: "LM", means: Means, settings: Settings, benchmarks: Path, out: Path | None
) -> list[dict[str, object]]:
    from tasklaws.harness.benchmarks.ask import ask_benchmarks
    from tasklaws.harness.benchmarks.items import read_benchmarks

    asked = [one for one, _ in read_benchmarks(settings, benchmarks)]
    folder = None if out is None else out.with_suffix("")
    return ask_benchmarks(model, asked, means.asking, means.batch_size, means.likelihoods, folder)


def _refuse_likelihoods(rung: str, benchmarks: Path) -> None:
    for family, known in read_json(benchmarks / "benchmarks.json")["benchmarks"].items():
        if any(task["output_type"] != "generate_until" for task in known["tasks"].values()):
            raise TasklawsError(
                f"benchmark {family} asks for likelihoods, which {rung} does not give: take one of them out"
            )


def loaded_models(directories: Sequence[Path], means: Means, copies: int = 1) -> "Iterator[LM]":
    """The models of directories, or the one that is elsewhere, loaded one after the other; as many `copies` are loaded
    at once as there are processes. One for which there is no room, and what `load_model` refuses, raise TasklawsError.
    """
    from tasklaws.harness.devices import refuse_no_room
    from tasklaws.harness.models import load_model

    for directory in directories:
        if not means.is_elsewhere:
            refuse_no_room(directory, means.asking.dtype, means.device, copies)
        yield load_model(directory, means.asking, means.device, means.batch_size, means.kind, means.arguments)


def _key(
    rung_dir: Path, means: Means, ask: Ask, items: Path, settings: Settings, benchmarks: Path | None, part: Part | None
) -> str:
    files = [rung_dir / card.CARD]  # which has the hash of every other file there
    folders = {items, TASKS} if benchmarks is None else {items, TASKS, benchmarks, Path(settings.benchmark_folder)}
    files += sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    parts = [
        json.dumps([dict(ask), means.record, benchmarks and settings.raw["benchmarks"]], sort_keys=True),
        f"tasklaws {version('tasklaws')} {part or ''}",
        *(f"{path} {sha256_file(path)}" for path in files if "__pycache__" not in path.parts),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
