"""What a hub or the way to it may refuse, said in one line with the remedy."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tasklaws.errors import TasklawsError


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
        remedy = _remedy(cause, repo, endpoint)
        raise TasklawsError(f"cannot fetch {repo} at {revision} from {endpoint} ({reason}): {remedy}") from error


def _remedy(error: BaseException, repo: str, endpoint: str) -> str:
    if isinstance(error, GatedRepoError):
        return f"the repository is gated: accept its terms at {endpoint}/{repo} and set HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError):
        return "no such repository, or a private one: correct `repo` in conf/models, or set HF_TOKEN"
    if isinstance(error, RevisionNotFoundError):
        return "no such revision: correct `steps` or `revision` in conf/models"
    if isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403):
        return "set HF_TOKEN to one that may read it"
    if isinstance(error, HfHubHTTPError):
        return "run it again later, or set HF_ENDPOINT to a mirror"
    if isinstance(error, HFValidationError):
        return "correct `repo` or `revision` in conf/models"
    if isinstance(error, (httpx2.InvalidURL, httpx2.UnsupportedProtocol, json.JSONDecodeError)):
        return "that is not a hub: correct HF_ENDPOINT"
    unreachable = (httpx2.HTTPError, LocalEntryNotFoundError, ConnectionError, CachedRepoTreeNotFoundError)
    if isinstance(error, unreachable):
        return (
            f"{constants.HF_HUB_CACHE} does not hold it all: connect to the network,"
            " or set HF_ENDPOINT to a mirror, and run it again"
        )
    return "run it again"
