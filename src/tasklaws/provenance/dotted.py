"""Nested settings and numbers by dotted keys, as DVC and MLflow name them: `laws.replicates`."""

from collections.abc import Mapping
from typing import Any

Leaves = dict[str, Any]


def flatten(value: Any, name: str = "") -> Leaves:
    """Nested mappings as one, below `name` if one is given; a list, and an empty mapping, is one value."""
    if not isinstance(value, Mapping) or not value:
        return {name: value}
    parts = (flatten(part, f"{name}.{key}" if name else str(key)) for key, part in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}


def value_at(values: Any, key: str) -> Any:
    """What stands at a dotted key of nested mappings; None where nothing does."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
