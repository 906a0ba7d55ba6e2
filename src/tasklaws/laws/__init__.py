"""Laws: forms that scores may follow along scale, and fits that say how far to trust them."""

from tasklaws.laws.fitting import fit, fit_many
from tasklaws.laws.forms import LAWS
from tasklaws.laws.law import Law, Parameter
from tasklaws.laws.result import Fit
from tasklaws.laws.settings import LawSettings

__all__ = ["LAWS", "Fit", "Law", "LawSettings", "Parameter", "fit", "fit_many"]
