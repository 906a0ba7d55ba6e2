"""Refusing an experiment that cannot be when it is composed, and not after its models were trained and asked."""

from dataclasses import dataclass
from typing import Annotated, Any

from tasklaws.overlap.sets import SetSettings
from tasklaws.typed import DISTINCT, NOT_EMPTY, Rule, typed

Exponent = Annotated[float, Rule("more than 1", lambda exponent: exponent > 1)]
REMEDY = "correct it in conf/experiment"


@dataclass(frozen=True)
class Exponents:
    """Zipf exponents of corpora: above 1, as endlessly many skills have no other."""

    exponents: Annotated[tuple[Exponent, ...], NOT_EMPTY, DISTINCT]


def refuse_experiment(params: dict[str, Any]) -> None:
    """Raise TasklawsError for an experiment whose settings a stage would refuse, or that fits no such ladder."""
    experiment = params["experiment"]
    if not experiment["ladders"]:
        return
    settings = SetSettings.from_params(params)
    settings.families()
    settings.refuse_short(params["models"]["name"], len(params["models"]["rungs"]))
    typed(Exponents, {"exponents": experiment.get("exponents")}, "experiment", REMEDY)
