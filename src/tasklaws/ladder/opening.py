"""Opening what Hugging Face's libraries wrote: whatever a damaged file makes them raise becomes one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasklaws.errors import TasklawsError


@contextmanager
def opening(directory: Path, remedy: str) -> Iterator[None]:
    """Turn any failure of the block, which loads `directory` and does no more, into a TasklawsError."""
    try:
        yield
    except TasklawsError:
        raise
    # All of them, as the tokenizers library raises Exception itself, and a missing key is a KeyError or worse.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise TasklawsError(f"{directory} does not load ({reason}): {remedy}") from error
