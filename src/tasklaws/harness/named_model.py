"""The model that a person names to `tasklaws ask`: what it is, and by what it is asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lm_eval.models  # noqa: F401 - which registers the model types
from lm_eval.api.registry import model_registry

from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import HF, Asking, BatchSize, Device, LmEvalSource
from tasklaws.harness.ask import Means
from tasklaws.harness.devices import device_of, refuse_no_room
from tasklaws.ladder.gguf import convert
from tasklaws.ladder.loadable import is_repository, refuse_no_tokenizer, refuse_unloadable
from tasklaws.ladder.server import identity_of


def means_by_name(
    model: str, arguments: dict[str, object], asking: Asking, device: Device, batch_size: BatchSize, work: Path
) -> Means:
    """By what the model of a name is asked: a directory, a .gguf file (which is converted into `work`), a model type of
    lm-eval or a repository of a hub.

    A name that is none of these, a key among the arguments, and what `refuse_unloadable`, `refuse_no_tokenizer` and
    `refuse_no_room` refuse, and a server's list of models that has no such name, raise TasklawsError.
    """
    path, kind = Path(model), "hf"
    if path.suffix == ".gguf" and path.is_file():
        convert(path, work / "model")
        path = work / "model"
    if path.is_dir():
        arguments = {"pretrained": str(path)} | arguments
    elif model in model_registry:
        kind = model
    elif is_repository(model) and path.suffix != ".gguf":
        arguments = {"pretrained": model} | arguments
    elif path.exists():
        raise TasklawsError(f"{model} is a file, and no .gguf file: give a model's directory, or a .gguf file")
    elif "/" in model or path.suffix == ".gguf":
        raise TasklawsError(f"{model} does not exist: give a model's directory, or a .gguf file")
    else:
        raise TasklawsError(
            f"{model} is no directory, no .gguf file, no model type of lm-eval (local-completions, vllm ...) and no "
            "repository of a hub (OWNER/NAME)"
        )
    # n_params is not looked at: the settings' class refuses keys and passwords among the arguments.
    source = LmEvalSource(kind="lm_eval", model=kind, model_args=arguments, n_params=1)
    place = device_of(device, asking.dtype) if kind in HF else "its own"
    refuse_no_tokenizer(kind, arguments)
    if "base_url" in arguments:
        identity_of(arguments)
    if kind in HF:
        refuse_unloadable(arguments)
    if path.is_dir():
        refuse_no_room(path, asking.dtype, place)
    return Means(asking, kind, arguments, place, batch_size, source.likelihoods)


def short_name(model: str, arguments: Mapping[str, Any]) -> str:
    """What a model is called in results."""
    if model in model_registry:
        model = str(arguments.get("model") or arguments.get("pretrained") or model)
    return (
        Path(model).stem if model.endswith(".gguf") else Path(model).resolve().name if Path(model).is_dir() else model
    )
