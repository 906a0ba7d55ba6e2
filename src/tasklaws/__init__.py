"""Task-based scaling laws: predict which tasks the next model can do, then check; `help("tasklaws.verbs")` shows how.

Every stage executes this file and depends on it, so that a change here trains every model again: what may change stands
in verbs.py, which no stage executes.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("_") and name not in ("__all__", "__version__"):  # as importing asks of any package
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tasklaws.verbs import named

    return named(name)


def __dir__() -> list[str]:
    from tasklaws.verbs import named

    return [*named("__all__"), "__version__"]
