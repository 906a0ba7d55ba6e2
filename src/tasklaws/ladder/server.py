"""A rung that lm-eval reaches by itself, a server above all: nothing of it lies here but a card that says who it is."""

import inspect
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_of
from tasklaws.core.schema import train_flops
from tasklaws.core.settings import LmEvalSource
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card
from tasklaws.ladder.loadable import refuse_no_tokenizer

_TIMEOUT = 30  # seconds
_LONGEST_ANSWER = 1 << 22  # bytes; public servers list some hundred models
_TOLD = ("id", "owned_by", "root", "parent", "max_model_len")
_CLOCK = 60  # seconds: a server that says its model was made so lately tells the time


def reach(rung: str, source: LmEvalSource, out: Path) -> Card:
    """Write the card of a rung into `out`: lm-eval's model type and arguments, and who it is, as far as that is told.

    A server tells of itself at /v1/models; a repository's revision becomes its commit, also in the arguments; of a
    directory the files are hashed. A model type that lm-eval does not have, an argument that it does not take, a server
    that is not reached, refuses, answers nonsense or has no such model raise TasklawsError, and `out` stays as it was.
    """
    _refuse_unknown(source)
    arguments = dict(source.model_args)
    identity = identity_of(arguments)
    if "commit" in identity:
        arguments["revision"] = identity["commit"]
    checkpoint = Checkpoint(
        path=".",
        seed=source.seeds[0],
        step=0,
        is_final=True,
        n_tokens=source.n_tokens,
        train_flops=train_flops(source.n_params, source.n_tokens),
        files={},
    )
    made = Card(
        rung=rung,
        source_kind="lm_eval",
        n_params=source.n_params,
        n_params_total=source.n_params_total,
        checkpoints=(checkpoint,),
        model=source.model,
        model_args=arguments,
        identity=identity,
    )
    shutil.rmtree(out, ignore_errors=True)
    write_card(out, made)
    return made


def _refuse_unknown(source: LmEvalSource) -> None:
    """Raise TasklawsError at a model type or an argument that lm-eval does not have.

    What its own classes do not name goes on to transformers or vLLM, and to a server nobody: there it would be lost.
    """
    from lm_eval.models import MODEL_MAPPING

    if source.model not in MODEL_MAPPING:
        near = get_close_matches(source.model, MODEL_MAPPING, 1) or ["hf, vllm, local-completions ..."]
        raise TasklawsError(f"lm-eval has no model type {source.model!r}: {near[0]}?")
    refuse_no_tokenizer(source.model, source.model_args)
    if "base_url" not in source.model_args:
        return
    from lm_eval.api.registry import get_model

    bases = [base for base in get_model(source.model).__mro__ if "__init__" in vars(base) and base is not object]
    known = {name for base in bases for name in inspect.signature(base).parameters} - {"kwargs"}
    for name in source.model_args:
        if name not in known:
            near = get_close_matches(name, known, 1) or [", ".join(sorted(known))]
            raise TasklawsError(f"model_args has {name!r}, which {source.model} does not take: {near[0]}?")


def identity_of(arguments: Mapping[str, object]) -> dict[str, str]:
    """Who the model is that lm-eval's arguments mean, as far as that is told.

    A server that is not reached, refuses, answers nonsense or lists models, but none of this name, raises
    TasklawsError: some answer to any name, and by another model than was meant.
    """
    base_url = arguments.get("base_url")
    name = arguments.get("model") or arguments.get("pretrained")
    if base_url:
        return _told(str(base_url), str(name or ""))
    if not isinstance(name, str):
        return {}
    if Path(name).is_dir():
        return {"files_sha256": sha256_of(list(hash_files(Path(name)).values())) or ""}
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        from tasklaws.ladder.hub import commit_of

        return {"commit": commit_of(name, str(arguments.get("revision", "main")))}
    return {}


def _told(base_url: str, name: str) -> dict[str, str]:
    """What a server says of the model that it calls `name`; nothing where it lists no models."""
    url = re.sub(r"/(chat/)?completions/?$", "", base_url.rstrip("/")) + "/models"
    listed = _listed(url)
    models = [one for one in listed if isinstance(one.get("id"), str)]
    own = [one for one in models if name in (one["id"], one.get("root"))]
    if models and not own:
        shown = ", ".join(sorted(one["id"] for one in models)[:5])
        raise TasklawsError(f"{url} has no model {name!r}: it has {shown}: correct `model` in model_args")
    if not own:
        return {}
    told = {key: str(own[0][key]) for key in _TOLD if isinstance(own[0].get(key), str | int)}
    created = own[0].get("created")
    if isinstance(created, int) and created < time.time() - _CLOCK:
        told["created"] = str(created)
    return told


def _listed(url: str) -> list[Mapping[str, Any]]:
    key = os.environ.get("OPENAI_API_KEY")
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    if not url.startswith(("http://", "https://")):
        raise TasklawsError(f"base_url {url} is no address: give http://HOST:PORT/v1/completions")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            said = json.loads(answer.read(_LONGEST_ANSWER))
        listed = said["data"] if isinstance(said, dict) else None
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (404, 405, 501):  # it does not tell
            return []
        remedy = (
            "set OPENAI_API_KEY to one that it takes" if error.code in (401, 403) else "see to it, and run it again"
        )
        raise TasklawsError(f"{url} answers {error.code}: {remedy}") from error
    except (ValueError, KeyError, RecursionError, HTTPException) as error:
        raise TasklawsError(f"{url} answers no list of models: is base_url of an OpenAI-compatible server?") from error
    except OSError as error:  # with it urllib's own, http.client's and a time-out
        reason = getattr(error, "reason", None) or error
        raise TasklawsError(
            f"{url} is not reached ({str(reason)[:200]}): start the server, or correct base_url"
        ) from error
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise TasklawsError(f"{url} answers no list of models: is base_url of an OpenAI-compatible server?")
    return listed
