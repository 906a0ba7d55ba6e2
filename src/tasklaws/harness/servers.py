"""Models of lm-eval's other types, servers above all: what they answer is checked, and what fails has a name."""

import asyncio
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import requests
from lm_eval.api.model import LM
from lm_eval.api.registry import get_model
from lm_eval.models.api_models import TemplateAPI

from tasklaws.core.errors import TasklawsError
from tasklaws.ladder.model_files import PICKLED, TRUSTED

_TO_RESUME = "what it has said is kept: run the same command again to resume"
_NO_JSON = "no JSON: give the path of an OpenAI-compatible server, as http://localhost:8000/v1/completions"
_NO_MODEL = "give a model's directory, or OWNER/NAME of a hub that is reached or cached (a private one needs HF_TOKEN)"
_REFUSED = (401, 403)
_LONGEST_SAID = 200  # characters of what a server said
_SECRET_VARIABLE = re.compile(r"\w*(API_KEY|TOKEN|SECRET)\w*")


class Nonsense(ValueError):
    """An answer that is none."""


class Unanswered(TasklawsError):
    """A model that was not loaded, or that did not answer."""


class Refused(Exception):
    """An answer with an HTTP status that says no. aiohttp's own error has the request's headers, and so the key."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def model_type(kind: str) -> Any:
    """The class of one of lm-eval's model types; one that it does not have raises TasklawsError."""
    try:
        return get_model(kind)
    except (KeyError, ValueError) as error:
        raise TasklawsError(f"lm-eval has no model type {kind!r}: take hf, vllm, local-completions ...") from error


def watched(model: LM) -> LM:
    """The model, where it is a server every answer of which is checked before lm-eval takes it: one for each prompt,
    and a finite log-likelihood for each token."""
    if not isinstance(model, TemplateAPI):
        return model
    take_logprobs, take_texts, call = model.parse_logprobs, model.parse_generations, model.amodel_call

    def parse_logprobs(outputs: Any, tokens: Any, ctxlens: Any, **more: Any) -> list[tuple[float, bool]]:
        (out,) = outputs if isinstance(outputs, list) else [outputs]
        for choice, own in zip(_choices(out, len(tokens)), tokens, strict=True):
            _refuse_other_tokens(choice, len(own))
        return take_logprobs(outputs=outputs, tokens=tokens, ctxlens=ctxlens, **more)  # type: ignore[no-any-return]

    def parse_generations(outputs: Any, contexts: Any = None, **more: Any) -> list[str]:
        for choice in _choices(outputs, None if contexts is None else len(contexts)):
            said = choice.get("text", (choice.get("message") or {}).get("content", 0))
            if not isinstance(said, str | None):
                raise Nonsense("a choice without text")
        return take_texts(outputs=outputs, contexts=contexts, **more)  # type: ignore[no-any-return]

    async def amodel_call(*given: Any, messages: Any, **more: Any) -> Any:
        try:
            said = await call(*given, messages=messages, **more)
        except aiohttp.ContentTypeError:
            raise Nonsense(_NO_JSON) from None
        except aiohttp.ClientResponseError as error:
            raise Refused(error.status) from None
        if len(said) != len(messages):
            raise Nonsense(f"{len(said)} choices for {len(messages)} prompts")
        return said

    model.parse_logprobs, model.parse_generations = parse_logprobs, parse_generations
    model.amodel_call = amodel_call
    return model


def _choices(out: Any, wanted: int | None) -> list[Mapping[str, Any]]:
    found = out.get("choices") if isinstance(out, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Nonsense("no list of choices")
    by_index = {one.get("index"): one for one in found}
    if sorted(by_index, key=str) != sorted(range(len(found)), key=str) or len(found) != (wanted or len(found)):
        raise Nonsense(f"{len(found)} choices" + (f" for {wanted} prompts" if wanted else " of the same number"))
    return [by_index[index] for index in range(len(found))]


def _refuse_other_tokens(choice: Mapping[str, Any], n_tokens: int) -> None:
    """Raise Nonsense unless there is a log-likelihood of each token of the prompt but the first, and of one more."""
    given = (choice.get("logprobs") or {}).get("token_logprobs")
    if not isinstance(given, list):
        raise Nonsense(
            "no log-likelihoods of the prompt (echo with logprobs): ask its chat completions, which need none"
        )
    if len(given) != n_tokens + 1:
        raise Nonsense(f"log-likelihoods of {len(given) - 1} tokens for {n_tokens}: give it its own `tokenizer`")
    for one in given[1:-1]:
        if not isinstance(one, float | int) or not math.isfinite(one):
            raise Nonsense(f"a log-likelihood of {one}")


@contextmanager
def failures_named(kind: str, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Turn any failure of the block, which loads or asks a model of `kind`, into a TasklawsError without secrets."""
    url = urlsplit(str(arguments.get("base_url") or ""))
    where = str(arguments.get("pretrained") or kind)
    if url.hostname:
        where = f"{url.scheme}://{url.hostname}{f':{url.port}' if url.port else ''}{url.path}"
    try:
        yield
    except TasklawsError:
        raise
    except Exception as error:  # lm-eval, its servers' clients and vLLM raise all kinds
        raise Unanswered(f"{where} {_hidden(_why(error, arguments), arguments)}") from None


@contextmanager
def resumed_from(folder: Path | None) -> Iterator[None]:
    """Say of a model that fails in the block that what it has said is kept, where `folder` has any of it."""
    try:
        yield
    except Unanswered as error:
        if folder is None or not any(folder.rglob("*.json")):
            raise
        raise TasklawsError(f"{error}; {_TO_RESUME}") from None


def _why(error: Exception, arguments: Mapping[str, Any]) -> str:
    tries = arguments.get("max_retries", 3)
    response = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(response, "status_code", None)
    if isinstance(error, Nonsense):
        return f"answers nonsense: {error}"
    if isinstance(error, requests.exceptions.JSONDecodeError | json.JSONDecodeError):
        return f"answers nonsense: {_NO_JSON}"
    if status in _REFUSED:
        return f"refuses the key ({status}): set OPENAI_API_KEY to one that it takes"
    if status is not None:
        said = f": {response.text[:_LONGEST_SAID]}" if response is not None else ""
        return f"answers {status} at each of {tries} tries{said}: see to it"
    if isinstance(error, requests.Timeout | asyncio.TimeoutError):
        return f"says nothing within {arguments.get('timeout', 300)} s: set a longer `timeout`"
    if isinstance(error, requests.ConnectionError | aiohttp.ClientError | ConnectionError):
        return "is not reached, or ends the connection: start it"
    if isinstance(error, ModuleNotFoundError):
        return f"needs the package {error.name}: install it"
    if "trust_remote_code" in str(error):
        return f"needs code of the model's own, which can do anything: {TRUSTED}"
    if "use_safetensors" in str(error):
        return (
            f"holds no safetensors; pickled weights can run any code when they are read: if you trust them, {PICKLED}"
        )
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    if isinstance(error, OSError) and "pretrained" in arguments:
        return f"does not load ({reason[:_LONGEST_SAID]}): {_NO_MODEL}"
    return f"cannot be asked ({type(error).__name__}: {reason[:_LONGEST_SAID]}): correct its arguments"


def _hidden(text: str, arguments: Mapping[str, Any]) -> str:
    """The text without keys: those of the environment, and of the arguments."""
    known = [value for name, value in os.environ.items() if _SECRET_VARIABLE.fullmatch(name.upper())]
    known += [str(arguments[name]) for name in ("auth_token",) if arguments.get(name)]
    known += [str(value) for value in (arguments.get("header") or {}).values()]
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    return text
