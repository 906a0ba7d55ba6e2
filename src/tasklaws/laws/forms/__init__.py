"""Every law, by name."""

from tasklaws.laws.forms.alabdulmohsin import M3_LAW, M4_LAW
from tasklaws.laws.forms.broken_power import BROKEN_POWER, BROKEN_POWER_2
from tasklaws.laws.forms.chinchilla import CHINCHILLA, KAPLAN, OVER_TRAINING
from tasklaws.laws.forms.constant import CONSTANT
from tasklaws.laws.forms.log_accuracy import ERROR_FROM_LOSS, LOG_ACCURACY
from tasklaws.laws.forms.logistic import INVERSE, LOGISTIC, LOGISTIC_FULL, LOGISTIC_IN_LOSS
from tasklaws.laws.forms.power import LEARNING_CURVE, M1, M2, POWER, PURE_POWER
from tasklaws.laws.forms.step import STEP, U_SHAPE
from tasklaws.laws.forms.transfer import TRANSFER
from tasklaws.laws.law import Law

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
