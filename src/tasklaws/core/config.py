"""params.yaml, which every stage reads."""

from pathlib import Path
from typing import Any

import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.settings import refuse_malformed

PARAMS = Path("params.yaml")


def load_params(path: Path = PARAMS) -> dict[str, Any]:
    """Read params.yaml; a malformed file, an unset value (`???`) and one that cannot be raise TasklawsError."""
    try:
        params = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise TasklawsError(f"{path}: malformed YAML ({error}): run `tasklaws compose`") from error
    if not isinstance(params, dict):
        raise TasklawsError(f"{path} holds no parameters: run `tasklaws compose`")
    refuse_unset(params, str(path))
    refuse_malformed(params, str(path))
    return params


def rung_settings(params: dict[str, Any], rung: str) -> dict[str, Any]:
    """A rung's settings; one that the ladder does not list raises TasklawsError."""
    rungs = params["models"]["rungs"]
    if rung not in rungs:
        raise TasklawsError(f"no rung {rung!r} in ladder {params['models']['name']}: it has {', '.join(rungs)}")
    settings: dict[str, Any] = rungs[rung]
    return settings


def rungs_of(params: dict[str, Any], role: str) -> list[str]:
    """The rungs of `role` in params.yaml, in its order; none raises TasklawsError."""
    rungs = params["models"]["rungs"]
    found = [str(name) for name, rung in rungs.items() if rung["role"] == role]
    if not found:
        raise TasklawsError(f"ladder {params['models']['name']} has no rung of role {role}: give one in conf/models")
    return found


def refuse_unset(value: Any, where: str) -> None:
    """Raise TasklawsError naming the first value that is `???` (Hydra's mark of an unset value) or null."""
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_unset(inner, f"{where}: {key}" if ":" not in where else f"{where}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            refuse_unset(inner, f"{where}[{index}]")
    elif value == "???" or value is None:
        raise TasklawsError(f"{where} is unset ({value}): set it in conf/ or give it to `tasklaws compose`")
