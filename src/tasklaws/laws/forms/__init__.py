"""Every law, by name."""

from typing import TYPE_CHECKING

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.forms import accuracy, alabdulmohsin, broken_power, chinchilla, constant, power, step
from tasklaws.laws.law import AXES, Law

if TYPE_CHECKING:  # pydantic takes time to import, which commands on tables need not wait for
    from tasklaws.core.settings import Laws

_FILES = (power, chinchilla, alabdulmohsin, broken_power, accuracy, step, constant)
LAWS: dict[str, Law] = {law.name: law for file in _FILES for law in vars(file).values() if isinstance(law, Law)}


def refuse_unfit(laws: "Laws") -> None:
    """Raise TasklawsError for the first law in params.yaml that cannot be fitted to what it is there for."""
    givers = {"scores": ("loss", "accuracy", "any"), "losses": ("loss", "any")}
    for kind, names in (("scores", laws.scores), ("losses", laws.losses)):
        fitting = [law.name for law in LAWS.values() if law.gives in givers[kind] and set(law.inputs) <= set(AXES)]
        strangers = [name for name in names if name not in fitting]
        if strangers:
            remedy = f"not one of {', '.join(fitting)}: correct it in conf/laws"
            raise TasklawsError(f"laws.{kind} has {strangers[0]!r}, {remedy}")
