"""Forecasts."""

import sys
from types import ModuleType
from typing import Any


class _Verb(ModuleType):
    """Python gives `tasklaws.forecast` to this package once any part of it is imported, whatever else has that name: so
    that the verb `tl.forecast` is always there, the package can be called as it."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from tasklaws.forecast.ahead.verb import forecast

        return forecast(*arguments, **options)


sys.modules[__name__].__class__ = _Verb
