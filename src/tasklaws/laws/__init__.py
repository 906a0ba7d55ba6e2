"""Laws: forms that a curve over model size may follow, and fits that say how far to trust them."""

from tasklaws.laws.curve import Curve
from tasklaws.laws.fitting import fit
from tasklaws.laws.forms import LAWS, Law
from tasklaws.laws.result import Fit
from tasklaws.laws.settings import LawSettings

__all__ = ["LAWS", "Curve", "Fit", "Law", "LawSettings", "fit"]
