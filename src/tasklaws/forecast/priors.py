"""What public ladders say of a ladder before it says anything itself: constants made by tools/make_priors.py
and tools/make_floor.py."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.stats.links import Link

_EQUAL = 0.1  # share of equal shares among the kernels', so that none is ruled out
_left_out: ContextVar[str | None] = ContextVar("left_out", default=None)


@contextmanager
def leaving_out(source: str) -> Iterator[None]:
    """In this context forecasts rest on the constants made without the ladders of `source`, by which they may be
    judged; a source that gave none raises KeyError."""
    _ = _read()["without"][source]
    token = _left_out.set(source)
    try:
        yield
    finally:
        _left_out.reset(token)


def kernel_shares(link: Link) -> Array | None:
    """How often curves on the scale of `link` use each of `gaussian_process.KERNELS`, (kernels,): the product of the
    shares of noises, shapes and slopes; None where no ladder was asked (losses)."""
    by_link: Mapping[str, Mapping[str, Any]] = _constants()["kernels"]
    if link.name not in by_link:
        return None
    noise, shape, slope = (np.asarray(by_link[link.name][part], dtype=float) for part in ("noise", "shape", "slope"))
    found = np.einsum("n,b,s->nbs", noise, shape, slope).ravel()
    return np.asarray((1 - _EQUAL) * found / found.sum() + _EQUAL / len(found))


def width_coefficients() -> Array:
    """The coefficients of `calibration.features`, (features,)."""
    return np.asarray(_constants()["width"], dtype=float)


def floor_coefficients() -> Array:
    """The coefficients of `floor.leaving`, (features,); a source without tasks at the floor gave none of them."""
    made, left_out = _read("floor.json"), _left_out.get()
    found: Mapping[str, Any] = made["without"].get(left_out, made["all"])
    return np.asarray(found["leaves"], dtype=float)


def _constants() -> Mapping[str, Any]:
    left_out = _left_out.get()
    found: Mapping[str, Any] = _read()["all"] if left_out is None else _read()["without"][left_out]
    return found


def reload() -> None:
    """Read the constants anew: they were made."""
    _read.cache_clear()


@cache
def _read(name: str = "priors.json") -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((files("tasklaws.forecast") / name).read_text(encoding="utf-8"))
    return found
