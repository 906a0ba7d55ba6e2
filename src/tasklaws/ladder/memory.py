"""How much memory a model takes while it is asked, and whether the device has it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tasklaws.core.errors import TasklawsError

if TYPE_CHECKING:
    from tasklaws.core.settings import Dtype

BYTES: "dict[Dtype, int]" = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
GIB = 1 << 30
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Shape:
    """What of a model its memory depends on.

    `cached` is the number of values that its cache holds of a token: 2 layers x key-value heads x width of a head.
    """

    n_params_total: int
    cached: int
    vocab_size: int

    @classmethod
    def of_config(cls, config: Mapping[str, Any], n_params_total: int) -> "Shape":
        """The shape that a config.json describes, by the names of Llama, GPT-NeoX, OPT or GPT-2.

        Without key-value heads of their own all heads have keys and values. A number it lacks raises TasklawsError.
        """
        config = config.get("text_config", config)
        layers = _number(config, "num_hidden_layers", "n_layer")
        width, heads = _number(config, "hidden_size", "n_embd"), _number(config, "num_attention_heads", "n_head")
        head_width = config.get("head_dim") or width // heads
        cached = 2 * layers * (config.get("num_key_value_heads") or heads) * head_width
        return cls(n_params_total, cached, _number(config, "vocab_size"))


@dataclass(frozen=True)
class Memory:
    """What asking takes, in bytes: one copy of the weights, the cache of a batch's tokens, and its logits.

    What a layer computes on the way and the libraries themselves (some 0.5 GiB) come on top.
    """

    weights: int
    cache: int = 0
    logits: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.logits

    def __str__(self) -> str:
        parts = (("weights", self.weights), ("cache", self.cache), ("logits", self.logits))
        return f"{bytes_text(self.total)} = " + " + ".join(f"{bytes_text(part)} {name}" for name, part in parts if part)


def needed(shape: Shape, dtype: "Dtype", batch_size: int, n_read: int, n_judged: int) -> Memory:
    """What a batch takes whose longest row has `n_read` tokens, written ones in, of which `n_judged` have their logits.

    Weights and cache are in `dtype`; logits stand there twice, themselves and as log-probabilities.
    """
    each = BYTES[dtype]
    cache = batch_size * n_read * shape.cached * each
    return Memory(shape.n_params_total * each, cache, 2 * batch_size * n_judged * shape.vocab_size * each)


def fitting_batch(shape: Shape, dtype: "Dtype", n_read: int, n_judged: int, available: int, most: int = 256) -> int:
    """The largest batch, a power of two from 1 to `most`, with which the sum is within `available` bytes, or 1."""
    size = most
    while size > 1 and needed(shape, dtype, size, n_read, n_judged).total > available:
        size //= 2
    return size


def available_memory(device: str) -> int | None:
    """Bytes that are free on a device (`cpu`, `mps`, `cuda` or `cuda:N`), or None where it cannot be told.

    Of the CPU no more than the process's control group has.
    """
    if device == "cpu":
        found = [psutil.virtual_memory().available]
        with suppress(OSError, ValueError):  # "max" where there is no bound
            found.append(int(_CGROUP.read_text()))
        return min(found)
    import torch  # seconds, which the CPU's answer does without

    if device.startswith("cuda") and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info(device)[0])
    if device == "mps" and torch.backends.mps.is_available():
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return None


def too_large(rung: str, memory: Memory, device: str, available: int, copies: int = 1) -> str | None:
    """Why a rung does not fit, with the sum, where `copies` processes hold it at once; None where it does."""
    if copies * memory.total <= available:
        return None
    times = f"{copies} processes, each " if copies > 1 else ""
    remedy = "fewer execution.workers, " if copies > 1 else ""
    return (
        f"{rung} does not fit in the memory of {device}: {times}{memory}, and {bytes_text(available)} are free: take "
        f"{remedy}a smaller batch_size or dtype, another device, or leave it out (~models.rungs.NAME)"
    )


def refuse_too_large(rung: str, memory: Memory, device: str, copies: int = 1) -> None:
    """Raise TasklawsError with the sum where a rung does not fit in what is free on a device now."""
    available = available_memory(device)
    reason = None if available is None else too_large(rung, memory, device, available, copies)
    if reason is not None:
        raise TasklawsError(reason)


def bytes_text(n_bytes: float) -> str:
    """A number of bytes as people read it: 1.4 GiB, 12 MiB."""
    for unit, size in (("TiB", 1 << 40), ("GiB", GIB), ("MiB", 1 << 20)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}" if n_bytes < 1000 * size else f"{n_bytes / size:.0f} {unit}"
    return f"{n_bytes / 1024:.3g} KiB"


def _number(config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise TasklawsError(f"config.json has no {names[0]}: choose another repository")
