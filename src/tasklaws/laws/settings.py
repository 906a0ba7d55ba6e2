"""What `laws` in params.yaml may hold."""

from dataclasses import dataclass
from typing import Annotated, Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.typed import DISTINCT, at_least, typed
from tasklaws.laws.forms import LAWS
from tasklaws.laws.law import AXES

Names = Annotated[tuple[str, ...], DISTINCT]


@dataclass(frozen=True)
class LawSettings:
    """Which laws are fitted to every curve, and with how many bootstrap replicates; conf/laws/default.yaml explains."""

    scores: Names
    losses: Names
    replicates: Annotated[int, at_least(50)]

    def __post_init__(self) -> None:
        for kind, given in (("scores", ("loss", "accuracy", "any")), ("losses", ("loss", "any"))):
            fitting = [law.name for law in LAWS.values() if law.gives in given and set(law.inputs) <= set(AXES)]
            strangers = [name for name in getattr(self, kind) if name not in fitting]
            if strangers:
                raise TasklawsError(f"{kind} has {strangers[0]!r}, not one of {', '.join(fitting)}")

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "LawSettings":
        """Read `laws` of params.yaml; a missing, unknown or unfit value raises TasklawsError."""
        return typed(cls, params.get("laws"), "params.yaml: laws", "correct it in conf/laws and run `tasklaws compose`")
