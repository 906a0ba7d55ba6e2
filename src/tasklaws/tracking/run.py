"""What one MLflow run holds, and the names and values that MLflow takes."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasklaws.tracking.made import Aside

_REFUSED_CHARACTERS = re.compile(r"[^\w\-. :/]", re.ASCII)
KIND_TAG = "tasklaws.kind"
Key = tuple[str, str]  # a run's kind and name


@dataclass(frozen=True)
class Model:
    """A checkpoint, as MLflow's LoggedModel."""

    name: str
    params: dict[str, str]
    tags: dict[str, str]


@dataclass(frozen=True)
class Metric:
    """A number at a step (of a rung or seed: the training step); `model` names the checkpoint that it is of, if one."""

    name: str
    value: float
    step: int = 0
    model: str = ""


@dataclass(frozen=True)
class Run:
    """What one MLflow run holds: `parent` is the run above it, `artifacts` are files or bytes by their path in the run,
    `inputs` digests by data set. `aside` is what is known of the process that made it, which no result depends on. The
    tag `provenance` and the digests of data are compared only where it `is_whole`: where dvc.lock still says all that
    they rest on.
    """

    kind: str
    name: str
    parent: Key | None
    params: dict[str, str]
    metrics: list[Metric]
    tags: dict[str, str]
    artifacts: dict[str, Path | bytes] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    models: list[Model] = field(default_factory=list)
    aside: Aside | None = None
    is_whole: bool = True

    @property
    def key(self) -> Key:
        return self.kind, self.name


def hash_json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def allowed(name: str) -> str:
    """A name as MLflow takes it: characters that it refuses become `_`."""
    return _REFUSED_CHARACTERS.sub("_", name)


def texts(values: Mapping[str, object]) -> dict[str, str]:
    """Params as MLflow takes them."""
    return {allowed(key): str(value) for key, value in sorted(values.items())}


def metrics_of(values: Mapping[str, object], step: int = 0) -> list[Metric]:
    """The numbers among values, finite ones alone, as metrics at one step."""
    numbers = {key: value for key, value in values.items() if isinstance(value, (int, float))}
    return [Metric(allowed(key), float(value), step) for key, value in numbers.items() if math.isfinite(value)]
