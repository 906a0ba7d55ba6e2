"""Whether what lm-eval is to load by its arguments can be loaded, and may be: said before it tries."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import opening, read_json
from tasklaws.ladder.model_files import PICKLED, TRUSTED, needs_own_code, refuse_damaged, weights_of

_REMEDY = "give a model's directory as Hugging Face's tools write it"
_SERVER = "local-completions"
_OTHER_FILES = {"gguf_file", "subfolder", "variant", "autogptq", "gptqmodel"}  # by which other files are read


def is_repository(name: str) -> bool:
    """Whether a name can be a hub's repository, OWNER/NAME, and is no path on this machine."""
    return bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name)) and not Path(name).parent.is_dir()


def has_own_files(arguments: Mapping[str, Any]) -> bool:
    """Whether transformers reads the weights where it does by default."""
    return not _OTHER_FILES & arguments.keys()


def refuse_unloadable(arguments: Mapping[str, Any]) -> None:
    """Raise TasklawsError where the directory `pretrained` of lm-eval's `hf` is not there or not whole, and where it
    needs what can run any code and `arguments` do not allow: pickled weights, and code of its own."""
    place = str(arguments.get("pretrained") or "")
    if not place:
        raise TasklawsError("no `pretrained` is among the arguments of hf: give pretrained=DIR, or OWNER/NAME of a hub")
    directory = Path(place)
    if not directory.is_dir():
        if directory.exists():
            raise TasklawsError(f"{place} is no directory: {_REMEDY}")
        if "/" in place and not is_repository(place):
            raise TasklawsError(f"{place} does not exist: {_REMEDY}")
        return
    if not has_own_files(arguments):
        return
    names = sorted(path.name for path in directory.iterdir())
    if "config.json" not in names:
        raise TasklawsError(f"{place} holds no config.json: {_REMEDY}")
    weights_of(names, arguments.get("use_safetensors") is False, place, _REMEDY, PICKLED)
    with opening(directory / "config.json", _REMEDY):
        config = read_json(directory / "config.json")
    if not arguments.get("trust_remote_code") and needs_own_code(config):
        raise TasklawsError(f"config.json of {place} names code of the model's own, which can do anything: {TRUSTED}")
    refuse_damaged(directory, f"get the files of {place} again")


def refuse_no_tokenizer(kind: str, arguments: Mapping[str, Any]) -> None:
    """Raise TasklawsError where a server of completions is given no tokenizer, or one that is not there: lm-eval would
    look for one in a hub by the name that the server gives the model."""
    if kind != _SERVER:
        return
    given = arguments.get("tokenizer")
    if given is None and arguments.get("tokenizer_backend", "auto") in ("auto", "huggingface"):
        raise TasklawsError(
            f"{kind} has no tokenizer: give tokenizer=DIR (or OWNER/NAME of a hub), the model's own, among its "
            "arguments, or tokenizer_backend=remote where the server tells its tokens"
        )
    place = str(given or "")
    if "/" in place and not Path(place).exists() and not is_repository(place):
        raise TasklawsError(f"tokenizer {place} of {kind} does not exist: give the model's directory, or OWNER/NAME")
