"""Where a model computes: which device, and whether its weights have room there."""

import json
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tasklaws.core.errors import TasklawsError
from tasklaws.ladder import memory

if TYPE_CHECKING:
    from tasklaws.core.settings import Device, Dtype


def device_of(wanted: "Device", dtype: "Dtype") -> str:
    """The device that is meant: `auto` is the best that is here, of cuda, mps and cpu.

    One that is not here, and a `dtype` that it does not have, raise TasklawsError.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in here.items() if there and not (name == "mps" and dtype == "float64"))
    if not here[wanted]:
        raise TasklawsError(f"device is {wanted}, which is not here: give auto or cpu")
    if wanted == "mps" and dtype == "float64":
        raise TasklawsError("mps has no float64: set dtype float32, or device cpu")
    return wanted


def free_bytes() -> int:
    """Memory that is free on the CUDA device, with what torch holds of it and does not use."""
    return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated())


def n_weights(directory: Path) -> int:
    """Numbers in the .safetensors files of a directory, by their headers; 0 where there are none."""
    count = 0
    for path in directory.glob("*.safetensors"):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        count += sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")
    return count


def refuse_no_room(directory: Path, dtype: "Dtype", device: str, copies: int = 1) -> None:
    """Raise TasklawsError where the weights in `directory`, `copies` times in `dtype`, exceed what is free on a device;
    what a batch takes comes on top."""
    memory.refuse_too_large(str(directory), memory.Memory(n_weights(directory) * memory.BYTES[dtype]), device, copies)
