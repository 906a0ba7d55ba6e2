"""How fast a device computes: measured here by a short probe, or stated, both rough."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Dtype

DEVICES = ("cpu", "cuda", "mps")
SHARE = 0.25  # of what a product of large matrices reaches: taken for what a model reaches, not measured
# Of that what the small matrices of a rung that is trained here reach, as nano rungs did on two cores; and the seconds
# that each of its tokens takes besides, whatever the size.
TRAINED = 0.3
CPU_SECONDS_A_TOKEN = 1e-5
# NVIDIA's A100, dense, 16 bits: 312e12 FLOP/s (developer.nvidia.com, quoted in forum thread 218102).
_STATED = 312e12
_STATED_AS = "an A100's 312 TFLOP/s"
_PROBE_SECONDS = 0.2
_SIDES = {"cpu": 512, "cuda": 8192, "mps": 4096}  # of matrices: some milliseconds each


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
        cores = workers if device == "cpu" else 1
        on = f" on {cores} cores" if cores > 1 else ""
        return Rate(SHARE * _probe(device, dtype) * cores, f"a quarter of what a product of matrices reaches here{on}")
    if device == "cuda" and dtype in ("float16", "bfloat16"):
        return Rate(SHARE * _STATED, f"a quarter of {_STATED_AS}")
    return Rate(None, f"unknown: give --rate {device}=FLOPS")


def _probe(device: str, dtype: Dtype) -> float:
    """Operations a second of a product of matrices on one thread of the CPU, or on all of another device."""
    import torch

    side, threads = _SIDES[device], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        left, right = (torch.ones(side, side, dtype=getattr(torch, dtype), device=device) for _ in range(2))
        (left @ right).sum().item()  # what is compiled and allocated at first
        best, begun = float("inf"), time.perf_counter()
        while (start := time.perf_counter()) - begun < _PROBE_SECONDS or best == float("inf"):
            (left @ right).sum().item()
            best = min(best, time.perf_counter() - start)  # what else runs here leaves the best one alone
        return 2.0 * side**3 / best
    finally:
        torch.set_num_threads(threads)
