"""What `laws` in params.yaml may hold."""

from dataclasses import dataclass, fields
from typing import Any, Literal, cast, get_args

from tasklaws.errors import TasklawsError

Axis = Literal["n_params", "train_flops"]


@dataclass(frozen=True)
class LawSettings:
    """Settings of fitting and forecasting, checked on construction; conf/laws/default.yaml explains each."""

    x: Axis = "n_params"
    min_rungs: int = 4
    replicates: int = 200
    interval: float = 0.9
    huber_delta: float = 0.001
    step_share: float = 0.7
    significance: float = 0.05

    def __post_init__(self) -> None:
        if self.x not in get_args(Axis):
            raise TasklawsError(f"laws.x is {self.x!r}: choose one of {', '.join(get_args(Axis))}")
        for name, low in (("min_rungs", 4), ("replicates", 50)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < low:
                raise TasklawsError(f"laws.{name} is {value!r}: give a whole number of {low} or more")
        for name in ("interval", "huber_delta", "step_share", "significance"):
            value = getattr(self, name)
            if not isinstance(value, float) or not 0 < value < 1:
                raise TasklawsError(f"laws.{name} is {value!r}: give a number between 0 and 1")

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "LawSettings":
        """Read `laws` of params.yaml; a missing or unknown key raises TasklawsError."""
        laws = params.get("laws")
        names = {field.name for field in fields(cls)}
        if not isinstance(laws, dict) or set(laws) != names:
            found = sorted(laws) if isinstance(laws, dict) else laws
            raise TasklawsError(f"params.yaml: laws holds {found}, but needs {sorted(names)}: run `tasklaws compose`")
        return cls(**cast(dict[str, Any], laws))
