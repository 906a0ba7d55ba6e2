"""Laws: forms that scores may follow along scale, and fits that say how far to trust them."""

from tasklaws.laws.fitting import fit, fit_many
from tasklaws.laws.forms import LAWS, refuse_unfit
from tasklaws.laws.law import Law, Parameter
from tasklaws.laws.result import Fit

__all__ = ["LAWS", "Fit", "Law", "Parameter", "fit", "fit_many", "refuse_unfit"]
