"""How fast a device computes: measured here by a short probe, or stated, both rough."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Dtype

DEVICES = ("cpu", "cuda", "mps")
# Of what a product of large matrices reaches; nano rungs, trained on two cores, had a tenth to a quarter of it.
SHARE = 0.25
CPU_SECONDS_A_TOKEN = 1e-5  # besides, whatever the size: measured on the same rungs
# NVIDIA's A100, dense, 16 bits: 312e12 FLOP/s (developer.nvidia.com, quoted in forum thread 218102).
_STATED = 312e12
_STATED_AS = "an A100's 312 TFLOP/s"
_PROBE_SECONDS = 0.2
_SIDE = 1024


@dataclass(frozen=True)
class Rate:
    """Operations a second that a model may be hoped to reach on a device, all its processes together; None where that
    is unknown, and where it comes from."""

    flops: float | None
    source: str


def rates(dtype: Dtype, workers: int, given: Mapping[str, float]) -> dict[str, Rate]:
    """The rate of each device in `dtype`: as `given`, as measured where the device is here, as stated, or unknown."""
    return {device: _rate(device, dtype, workers, given) for device in DEVICES}


def parse_rates(words: list[str]) -> dict[str, float]:
    """`cuda=4e14` as a mapping; another form, and a device that there is not, raise TasklawsError."""
    found = {}
    for word in words:
        device, _, number = word.partition("=")
        try:
            flops = float(number)
        except ValueError:
            flops = 0.0
        if device not in DEVICES or not 0 < flops < float("inf"):
            raise TasklawsError(f"--rate {word!r}: give DEVICE=FLOPS, such as cuda=1e14, of {', '.join(DEVICES)}")
        found[device] = flops
    return found


def _rate(device: str, dtype: Dtype, workers: int, given: Mapping[str, float]) -> Rate:
    import torch

    if device in given:
        return Rate(given[device], "as given")
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[device]
    if here and (device, dtype) != ("mps", "float64"):  # which mps does not have
        share = (
            f"a quarter of what a product of matrices reaches here{f' on {workers} cores' if device == 'cpu' else ''}"
        )
        return Rate(SHARE * _probe(device, dtype) * (workers if device == "cpu" else 1), share)
    if device == "cuda" and dtype in ("float16", "bfloat16"):
        return Rate(SHARE * _STATED, f"a quarter of {_STATED_AS}")
    return Rate(None, f"unknown: give --rate {device}=FLOPS")


def _probe(device: str, dtype: Dtype) -> float:
    """Operations a second of a product of matrices on one thread of the CPU, or on all of another device."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        left, right = (torch.ones(_SIDE, _SIDE, dtype=getattr(torch, dtype), device=device) for _ in range(2))
        (left @ right).sum().item()  # what is compiled and allocated at first
        times, begun = 0, time.perf_counter()
        while (spent := time.perf_counter() - begun) < _PROBE_SECONDS:
            (left @ right).sum().item()
            times += 1
        return 2.0 * _SIDE**3 * times / spent
    finally:
        torch.set_num_threads(threads)
