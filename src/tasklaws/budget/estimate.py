"""`plan_run`: what a ladder will cost, put together."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from tasklaws.budget import made
from tasklaws.budget.asked import AskedTokens, benchmarks_of, by_characters, by_tokenizer, requests_of
from tasklaws.budget.plan import RungPlan, RunPlan
from tasklaws.budget.rates import CPU_SECONDS_A_TOKEN, DEVICES, TRAINED, Rate, rates
from tasklaws.budget.rungs import RungFacts, look
from tasklaws.core.schema import train_flops
from tasklaws.core.settings import Asking, Dtype, HubSource, LmEvalSource, Settings, Source, TrainSource
from tasklaws.harness.ask import Means, means_of
from tasklaws.ladder.memory import BYTES, GIB, available_memory, fitting_batch, needed, too_large
from tasklaws.provenance.chain import Chain

_ROW_BYTES = 150  # of a stored answer, besides its text
_TOKEN_BYTES = 4  # of a text, at most on average
_COPIES = {"hub": 3, "local": 2, "train": 2, "lm_eval": 0}  # the hub's cache, models/, DVC's cache
_DTYPES: tuple[Dtype, ...] = ("bfloat16", "float16", "float32", "float64")
_ROUGH = (
    "times are rough: 2 N operations a token that is read or written, 6 N a token that is learned; good to a factor of "
    "three, and longer where few rows are written at a time; starting each stage, items, scores, forecasts and the "
    "report take some minutes more"
)
_NO_TOKENIZER = "three characters are taken for a token, as no tokenizer is here"
_NO_DOCUMENTS = (
    "benchmarks are not counted until their documents are there: run `tasklaws compose` with these settings, then "
    "`dvc repro benchmarks`"
)
_ITS_SERVERS = dict.fromkeys(DEVICES, Rate(None, "its server's"))


def plan_run(settings: Settings, given: Mapping[str, float]) -> RunPlan:
    """What `dvc repro` with these settings would train, fetch and ask.

    Nothing of it is done; but of a size that neither conf/ nor a file here has, the hub is asked for config.json. A
    benchmark that does not exist raises TasklawsError.
    `given` are operations a second by device, in place of measured ones.
    """
    stages, workers = made.chain(), settings.execution.workers
    benchmarks = benchmarks_of(settings)
    speed = cache(lambda dtype: rates(dtype, workers, given))
    requests = cache(lambda asking, likelihoods: requests_of(settings, asking, likelihoods, benchmarks))

    @cache
    def counted(asking: Asking, likelihoods: bool, tokenizer: Path | None) -> AskedTokens:
        counter: Callable[[Sequence[str]], list[int]] = by_tokenizer(tokenizer) if tokenizer else by_characters
        return requests(asking, likelihoods).in_tokens(counter)

    plans, refused, notes = list[RungPlan](), list[str](), {_ROUGH: list[str]()}
    for name, rung in settings.models.rungs.items():
        asking, known = settings.models.asking(name), look(name, rung.source, settings.corpus.vocab_size)
        asked, means = counted(asking, rung.source.likelihoods, known.tokenizer), means_of(name, settings)
        by_device = speed(asking.dtype) if means.device in DEVICES else _ITS_SERVERS
        plan, reason = _plan(name, settings, known, means, asked, by_device, stages, lambda: speed("float32")["cpu"])
        plans.append(plan)
        refused += [reason] if reason else []
        for note in (*known.notes, *([] if known.tokenizer else [_NO_TOKENIZER])):
            notes.setdefault(note, []).append(name)
    beside = 0.0
    if settings.models.sharded and not made.is_made(f"sharded@{settings.models.name}", stages, settings.raw):
        each = settings.models.sharded.values()
        beside = sum(_train_seconds(source, workers, speed("float32")["cpu"]) for source in each)
    if settings.benchmarks and not benchmarks:
        notes[_NO_DOCUMENTS] = []
    if settings.experiment.ladders:
        notes["what the experiment trains and asks besides is not counted"] = []
    used = sorted({plan.dtype for plan in plans if plan.memory})
    by_dtype = {dtype: speed(dtype) for dtype in used}
    shown_notes = {note: tuple(names) for note, names in notes.items()}
    free = shutil.disk_usage(Path()).free
    return RunPlan(settings.models.name, tuple(plans), by_dtype, beside, free, tuple(refused), shown_notes)


def _plan(
    name: str,
    settings: Settings,
    known: RungFacts,
    means: Means,
    asked: AskedTokens,
    speed: Mapping[str, Rate],
    stages: Chain,
    trained_at: Callable[[], Rate],
) -> tuple[RungPlan, str | None]:
    """A rung's plan, and why it does not fit in memory, where it does not."""
    rung, dtype, workers = settings.models.rungs[name], means.asking.dtype, settings.execution.workers
    source, device = rung.source, means.device
    n_checkpoints = _n_checkpoints(source)
    processes = min(workers, n_checkpoints) if device == "cpu" else 1
    is_model, is_asked = (made.is_made(f"{stage}@{name}", stages, settings.raw) for stage in ("model", "respond"))
    there = [("trained" if isinstance(source, TrainSource) else "fetched")] if is_model else []
    if isinstance(source, HubSource) and not is_model:
        cached = sum(made.is_cached(source, revision) for revision in source.revisions.values())
        there += [f"{cached} of {n_checkpoints} in the hub's cache"] if cached else []
    there += ["asked"] if is_asked else []
    weights = None if known.n_params_total is None else known.n_params_total * known.published * n_checkpoints
    if isinstance(source, LmEvalSource):
        weights = 0
    answers = n_checkpoints * (asked.n_rows * _ROW_BYTES + asked.n_written * _TOKEN_BYTES)
    size, memory, reason = means.batch_size, {}, None
    if known.shape is not None:
        free = available_memory(device) or 0
        if not isinstance(size, int):
            # As much as asking takes for a batch by itself: on the CPU the same everywhere, so that the bytes stay.
            room = known.shape.n_params_total * BYTES[dtype] + GIB if device == "cpu" else free // 2
            size = fitting_batch(known.shape, dtype, asked.longest, asked.longest_judged, room)
        memory = {each: needed(known.shape, each, size, asked.longest, asked.longest_judged) for each in _DTYPES}
        reason = None if is_asked else too_large(name, memory[dtype], device, free, processes)
    trains = isinstance(source, TrainSource) and not is_model
    plan = RungPlan(
        name=name,
        role=rung.role,
        kind=source.kind,
        n_params=known.n_params,
        n_params_total=known.n_params_total,
        n_checkpoints=n_checkpoints,
        asked=asked,
        device=device,
        dtype=dtype,
        processes=processes,
        batch_size=size if isinstance(size, int) else None,
        memory=memory,
        fetch=weights if isinstance(source, HubSource) and not there else 0,
        disk=None if weights is None else _COPIES[source.kind] * weights + answers,
        train_seconds=_train_seconds(source, workers, trained_at()) if trains else 0.0,
        seconds={
            each: 0.0 if is_asked else _ask_seconds(known, asked, n_checkpoints, rate, each, processes)
            for each, rate in speed.items()
        },
        there=tuple(there),
    )
    return plan, reason


def _n_checkpoints(source: Source) -> int:
    if isinstance(source, TrainSource):
        return len(source.seeds) * len(source.kept_steps)
    return len(source.revisions) if isinstance(source, HubSource) else 1


def _train_seconds(source: Source, workers: int, rate: Rate) -> float:
    """On the CPU, a seed a process: 6 N operations a token, besides what each token takes whatever the size."""
    assert isinstance(source, TrainSource)
    assert rate.flops is not None  # the CPU's is measured
    processes = min(workers, len(source.seeds))
    each = train_flops(source.n_params, source.n_tokens) / (TRAINED * rate.flops / workers)
    return (each + source.n_tokens * CPU_SECONDS_A_TOKEN) * len(source.seeds) / processes


def _ask_seconds(
    known: RungFacts, asked: AskedTokens, n_checkpoints: int, rate: Rate, device: str, processes: int
) -> float | None:
    if rate.flops is None or known.n_params_total is None:
        return None
    tokens = n_checkpoints * (asked.n_read + asked.n_written)
    besides = tokens * CPU_SECONDS_A_TOKEN / processes if device == "cpu" else 0.0
    return 2.0 * known.n_params_total * tokens / rate.flops + besides
