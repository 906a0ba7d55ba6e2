"""What a fit minimises, and how it ended."""

from enum import StrEnum
from typing import Literal

LossFunction = Literal["huber", "squares", "one_sided"]  # of log losses


class Status(StrEnum):
    """How far a fit may be trusted."""

    CONVERGED = "converged"
    """The search came to rest inside its bounds, and the points determine every parameter."""
    BOUND_HIT = "bound_hit"
    """A parameter lies on a bound of the search that is no natural edge of the formula: the best one may lie beyond."""
    UNIDENTIFIED = "unidentified"
    """The points do not determine some parameters: others fit as well."""
    FAILED = "failed"
    """The search did not come to rest, or the points cannot be fitted at all."""
