"""The models that are asked, as lm-eval drives them, and what they answer to its requests, as it stands."""

import inspect
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from accelerate.utils.memory import find_executable_batch_size, should_reduce_batch_size
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.huggingface import HFLM
from transformers.cache_utils import DynamicCache, DynamicLayer

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import opening
from tasklaws.core.schema import RawAnswer
from tasklaws.core.settings import HF, Asking
from tasklaws.harness.answers import Question, answers, more_wishes, question
from tasklaws.harness.devices import free_bytes
from tasklaws.harness.servers import failures_named, model_type, watched
from tasklaws.ladder.loadable import has_own_files, refuse_no_tokenizer, refuse_unloadable

_MOST_ROWS = 256  # read together with batch_size auto
_CPU_BYTES = 2**30  # for what is read together on the CPU: the same everywhere, so that the bytes stay
_OWN_ROWS = 8  # the same, for lm-eval's own methods
_NO_BATCH = "No executable batch size"
_SLACK = 1e-3  # nats: a log-likelihood that arithmetic leaves just above 0


def load_model(
    directory: Path,
    asking: Asking,
    device: str = "cpu",
    batch_size: int | str = "auto",
    kind: str = "hf",
    arguments: Mapping[str, Any] | None = None,
) -> LM:
    """An lm-eval model: the one in `directory`, or one of any `kind` that lm-eval knows (`local-completions`) by its
    `arguments`.

    lm-eval's `hf` computes in `asking.dtype` on `device`, where `arguments` do not say otherwise; other kinds have such
    wishes in their arguments. A kind that lm-eval does not know or that is not installed, arguments that it does not
    take, a directory that is no model, pickled weights and code of a model's own that they do not allow, a server of
    completions without a tokenizer and a device without room raise TasklawsError.
    """
    # Errors of requests show their headers, and so the key.
    for name in ("lm_eval", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    given = dict(arguments or {})
    refuse_no_tokenizer(kind, given)
    if kind not in HF:
        own = 1 if batch_size == "auto" and kind != "vllm" else batch_size
        with failures_named(kind, given):
            return watched(model_type(kind)(**given, batch_size=own))
    elsewhere = None
    if "pretrained" in given:
        refuse_unloadable(given)
        if has_own_files(given):
            given = {"use_safetensors": True} | given
        os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"  # by which transformers asks the hub for others' weights
        elsewhere = failures_named(kind, given)
    given = {"pretrained": str(directory), "dtype": asking.dtype, "device": device} | given
    own = _OWN_ROWS if batch_size == "auto" and device == "cpu" else batch_size
    with elsewhere or opening(directory, "remove it and run `dvc repro`"), _out_of_memory(device, batch_size):
        return HFLM(**given, batch_size=own)


def questions_of(model: LM, requests: Sequence[Instance]) -> list[Question | None]:
    """The requests as `answers` takes them; None for those that the model's own methods are to answer."""
    if not _reads_once(model):
        return [None] * len(requests)
    return [question(model, request) if _is_plain(model, request) else None for request in requests]


def answers_of(
    model: LM,
    requests: Sequence[Instance],
    batch_size: int | str = "auto",
    questions: Sequence[Question | None] | None = None,
) -> list[RawAnswer]:
    """What a model answers to each of lm-eval's requests, of any output type, in their order; `repeats` are the
    caller's, who puts a request so many times.

    Where that can be, each text is read once (`answers`); else lm-eval's own methods answer, which see to batches,
    tries and time-outs. `questions` are those of `questions_of`. A server that fails or answers nonsense, a device
    without room and a likelihood that is none raise TasklawsError.
    """
    put = questions_of(model, requests) if questions is None else questions
    found: dict[int, RawAnswer] = {}
    read = {number: one for number, one in enumerate(put) if one is not None}
    if read:
        found |= zip(read, _read_together(model, list(read.values()), batch_size), strict=True)
    for kind in dict.fromkeys(request.request_type for request in requests):
        rest = [n for n, request in enumerate(requests) if n not in read and request.request_type == kind]
        if rest:
            naming = nullcontext() if isinstance(model, HFLM) else failures_named(type(model).__name__, vars(model))
            with naming, _out_of_memory(str(getattr(model, "device", "cpu")), batch_size):
                said = getattr(model, kind)([requests[number] for number in rest])
            found |= zip(rest, said, strict=True)
    for number, request in enumerate(requests):
        _refuse_nonsense(request, found[number])
    return [found[number] for number in range(len(requests))]


def _is_plain(model: HFLM, request: Instance) -> bool:
    """Whether a request is one of `answers`: a text's likelihood, or the likeliest text, without pictures."""
    if request.request_type != "generate_until" or len(request.args) != 2:
        return request.request_type == "loglikelihood" and len(request.args) == 2
    return not more_wishes(model, request)


def _reads_once(model: LM) -> bool:
    """Whether a model can be read as `answers` reads: a decoder whose cache keeps every token, at the place it says."""
    if type(model) is not HFLM or model.backend != "causal" or model.world_size > 1:
        return False
    if model.softmax_dtype or model.mixed_precision_dtype or model.think_end_token:
        return False
    takes = inspect.signature(model.model.forward).parameters
    if not {"position_ids", "past_key_values", "logits_to_keep"} <= takes.keys():
        return False
    layers = DynamicCache(config=model.model.config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def _read_together(model: HFLM, questions: Sequence[Question], batch_size: int | str) -> list[RawAnswer]:
    with _out_of_memory(str(model.device), batch_size):
        if isinstance(batch_size, int):
            return list(answers(model, questions, batch_size))
        rows = _rows(model, questions)

        def fewer() -> int:
            nonlocal rows
            rows //= 2
            return rows

        return list(find_executable_batch_size(lambda size: answers(model, questions, size), rows, fewer)())


def _rows(model: HFLM, questions: Sequence[Question]) -> int:
    """How many rows to read together: as many as the longest would leave room for, caches and logits."""
    config = model.model.config.get_text_config(decoder=True)
    longest = max(len(one.text) + max(len(one.following), one.n_tokens) for one in questions)
    judged = max(len(one.following) for one in questions)
    numbers = 2 * longest * config.num_hidden_layers * config.hidden_size + 2 * (judged + 1) * config.vocab_size
    room = free_bytes() // 2 if model.device.type == "cuda" else _CPU_BYTES
    return int(min(_MOST_ROWS, max(1, room // (numbers * model.model.dtype.itemsize))))


@contextmanager
def _out_of_memory(device: str, batch_size: int | str) -> Iterator[None]:
    """Name the want of memory, of whatever library."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not (should_reduce_batch_size(error) or _NO_BATCH in str(error)):
            raise
        less = "a machine with more" if batch_size in ("auto", 1) else "batch_size auto or less"
        raise TasklawsError(
            f"{device} is out of memory with batch_size {batch_size}: take {less}, or a shorter dtype"
        ) from error


def _refuse_nonsense(request: Instance, said: RawAnswer) -> None:
    if isinstance(said, str):
        return
    nats = said[0] if isinstance(said, tuple) else said
    if not (isinstance(nats, float) and -math.inf < nats <= _SLACK):
        raise TasklawsError(
            f"task {request.task_name!r}: a log-likelihood is {nats}: where the model computes in float16, take "
            "bfloat16 or float32; where it is a server, see what it gives"
        )
