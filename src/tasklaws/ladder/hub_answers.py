"""What a hub may answer: checked before huggingface_hub acts on it, which takes hashes for file names as they come."""

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants, get_token, set_client_factory
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._http import default_client_factory

from tasklaws.core.errors import TasklawsError
from tasklaws.core.git import COMMIT

MOST_PAGES = 100  # of a repository's list of files, of a thousand each
_HASH = re.compile(rf"{COMMIT.pattern}|[0-9a-f]{{64}}")  # git's SHA-1 of a small file, SHA-256 of a large one
_USER = re.compile(r"//\S*@")
_NO_HUB = "that is not a hub to be trusted: correct HF_ENDPOINT"


@contextmanager
def checked_answers() -> Iterator[None]:
    """In this context an answer of the hub that is not of its form, or lists files without end, raises TasklawsError.

    A commit is 40 hex digits, an ETag 40 or 64; a list of files has their names, sizes and hashes.
    """
    pages: set[str] = set()

    def check(response: httpx2.Response) -> None:
        _check_headers(response)
        path, found = urlsplit(str(response.url)).path, response.status_code == 200
        if found and "/api/models/" in path and "/revision/" in path:
            _check_commit(_json(response))
        if found and "/api/models/" in path and "/tree/" in path:
            if str(response.url) in pages or len(pages) >= MOST_PAGES:
                raise TasklawsError(f"the hub's list of files does not end ({len(pages)} pages): {_NO_HUB}")
            pages.add(str(response.url))
            _check_tree(_json(response))

    def client() -> httpx2.Client:
        made = default_client_factory()
        made.event_hooks = {**made.event_hooks, "response": [check]}
        return made

    handlers = logging.getLogger("huggingface_hub").handlers
    set_client_factory(client)
    for handler in handlers:
        handler.addFilter(_hide_user)
    try:
        yield
    finally:
        set_client_factory(default_client_factory)
        for handler in handlers:
            handler.removeFilter(_hide_user)


def endpoint() -> str:
    """Where the hub is: HF_ENDPOINT, or the public one."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def refuse_odd_token() -> None:
    """Raise TasklawsError where the token cannot stand in a request's header."""
    try:
        token = get_token() or ""
    except ValueError:  # a file that is no text
        token = "\0"
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise TasklawsError("HF_TOKEN has a character that no token has: set it to letters and digits of ASCII")


def without_user(text: str) -> str:
    """Text whose addresses name no user and no password."""
    return _USER.sub("//", text)


def _hide_user(record: logging.LogRecord) -> bool:
    record.msg, record.args = without_user(record.getMessage()), ()
    return True


def _check_headers(response: httpx2.Response) -> None:
    commit = response.headers.get("X-Repo-Commit")
    if commit is not None and not COMMIT.fullmatch(commit):
        raise TasklawsError(f"the hub names the commit {commit[:80]!r}, which is not 40 hex digits: {_NO_HUB}")
    # Of a step on the way to another place of the same host the ETag is not used.
    elsewhere = urlsplit(response.headers.get("Location", "//")).netloc
    linked = response.headers.get("X-Linked-Etag")
    if response.request.method != "HEAD" or (response.has_redirect_location and not elsewhere and linked is None):
        return
    etag = linked or response.headers.get("ETag")
    if response.status_code < 400 and etag and not _HASH.fullmatch(etag.removeprefix("W/").strip('"')):
        raise TasklawsError(
            f"the hub's ETag of {response.url.path[-80:]} is {etag[:80]!r}, which is no hash of 40 or 64 hex digits: "
            f"{_NO_HUB}"
        )


def _json(response: httpx2.Response) -> object:
    response.read()
    found: object = response.json()
    return found


def _check_commit(answer: object) -> None:
    commit = answer.get("sha") if isinstance(answer, dict) else None
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise TasklawsError(f"the hub names the commit {str(commit)[:80]!r}, which is not 40 hex digits: {_NO_HUB}")


def _check_tree(answer: object) -> None:
    """Raise TasklawsError where a list of files has other than names, sizes and hashes."""
    for entry in answer if isinstance(answer, list) else [None]:
        if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
            raise TasklawsError(f"the hub's list of files has an entry without a path: {_NO_HUB}")
        if entry.get("type") == "directory":
            continue
        large = entry.get("lfs")
        large_hash = large.get("oid") if isinstance(large, dict) else large
        sizes = [entry.get("size"), *([large.get("size")] if isinstance(large, dict) else [])]
        hashes = [entry.get("oid"), *([large_hash] if large is not None else [])]
        if not all(isinstance(size, int) and size >= 0 for size in sizes):
            raise TasklawsError(f"the hub's list of files gives {entry['path'][:80]!r} no size: {_NO_HUB}")
        if not all(isinstance(each, str) and _HASH.fullmatch(each) for each in hashes):
            raise TasklawsError(
                f"the hub's list of files gives {entry['path'][:80]!r} no hash of 40 or 64 hex digits: {_NO_HUB}"
            )


@contextmanager
def one_line(repo: str, revision: str, endpoint: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into a TasklawsError; what this machine's disk refuses passes."""
    try:
        yield
    except (
        OSError,  # with it HfHubHTTPError and LocalEntryNotFoundError
        CachedRepoTreeNotFoundError,
        HFValidationError,
        httpx2.HTTPError,
        httpx2.InvalidURL,
        json.JSONDecodeError,
    ) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        # The client hides the cause where it looked into its cache for want of an answer.
        cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
        reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
        reason = "no address" if isinstance(cause, httpx2.InvalidURL) else reason  # it may quote a part of a password
        text = f"cannot fetch {repo} at {revision} from {endpoint} ({reason}): {_remedy(cause, repo, endpoint)}"
        raise TasklawsError(without_user(text)) from error
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        reason = f"its answer is of another form: {type(error).__name__}"
        text = f"cannot fetch {repo} at {revision} from {endpoint} ({reason}): that is not a hub: correct HF_ENDPOINT"
        raise TasklawsError(without_user(text)) from error


def _remedy(error: BaseException, repo: str, endpoint: str) -> str:
    if isinstance(error, GatedRepoError):
        return f"the repository is gated: accept its terms at {endpoint}/{repo} and set HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError):
        return "no such repository, or a private one: correct `repo` in conf/models, or set HF_TOKEN"
    if isinstance(error, RevisionNotFoundError):
        return "no such revision: correct `steps` or `revision` in conf/models"
    if isinstance(error, HfHubHTTPError):
        denied = error.response.status_code in (401, 403)
        return (
            "set HF_TOKEN to one that may read it" if denied else "run it again later, or set HF_ENDPOINT to a mirror"
        )
    if isinstance(error, HFValidationError):
        return "correct `repo` or `revision` in conf/models"
    if isinstance(error, (httpx2.InvalidURL, httpx2.UnsupportedProtocol, json.JSONDecodeError)):
        return "that is not a hub: correct HF_ENDPOINT"
    if isinstance(error, (httpx2.HTTPError, LocalEntryNotFoundError, ConnectionError, CachedRepoTreeNotFoundError)):
        remedy = "connect to the network, or set HF_ENDPOINT to a mirror, and run it again"
        return f"{constants.HF_HUB_CACHE} does not hold it all: {remedy}"
    return "run it again"
