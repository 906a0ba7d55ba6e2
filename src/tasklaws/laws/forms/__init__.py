"""Every law, by name."""

from typing import TYPE_CHECKING

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.forms.alabdulmohsin import M3_LAW, M4_LAW
from tasklaws.laws.forms.broken_power import BROKEN_POWER, BROKEN_POWER_2
from tasklaws.laws.forms.chinchilla import CHINCHILLA, KAPLAN, OVER_TRAINING
from tasklaws.laws.forms.constant import CONSTANT
from tasklaws.laws.forms.log_accuracy import ERROR_FROM_LOSS, LOG_ACCURACY
from tasklaws.laws.forms.logistic import INVERSE, LOGISTIC, LOGISTIC_FULL, LOGISTIC_IN_LOSS
from tasklaws.laws.forms.power import LEARNING_CURVE, M1, M2, POWER, PURE_POWER
from tasklaws.laws.forms.step import STEP, U_SHAPE
from tasklaws.laws.forms.transfer import TRANSFER
from tasklaws.laws.law import AXES, Law

if TYPE_CHECKING:  # pydantic takes time to import, which commands on tables need not wait for
    from tasklaws.core.settings import Laws

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        POWER,
        PURE_POWER,
        CHINCHILLA,
        KAPLAN,
        OVER_TRAINING,
        ERROR_FROM_LOSS,
        TRANSFER,
        LEARNING_CURVE,
        M1,
        M2,
        M3_LAW,
        M4_LAW,
        BROKEN_POWER,
        BROKEN_POWER_2,
        LOGISTIC,
        LOGISTIC_FULL,
        LOGISTIC_IN_LOSS,
        LOG_ACCURACY,
        STEP,
        U_SHAPE,
        INVERSE,
        CONSTANT,
    )
}


def refuse_unfit(laws: "Laws") -> None:
    """Raise TasklawsError for the first law in params.yaml that cannot be fitted to what it is there for."""
    for kind, names, given in (
        ("scores", laws.scores, ("loss", "accuracy", "any")),
        ("losses", laws.losses, ("loss", "any")),
    ):
        fitting = [law.name for law in LAWS.values() if law.gives in given and set(law.inputs) <= set(AXES)]
        strangers = [name for name in names if name not in fitting]
        if strangers:
            raise TasklawsError(
                f"laws.{kind} has {strangers[0]!r}, not one of {', '.join(fitting)}: correct it in conf/laws"
            )
