from tasklaws.core.errors import TasklawsError as TasklawsError
from tasklaws.core.settings import Target as Target
from tasklaws.decisions.compare import Comparison as Comparison
from tasklaws.decisions.compare import Ranking as Ranking
from tasklaws.decisions.compare import compare as compare
from tasklaws.decisions.recipes import DecisionAccuracy as DecisionAccuracy
from tasklaws.decisions.recipes import SignalToNoise as SignalToNoise
from tasklaws.decisions.recipes import decision_accuracy as decision_accuracy
from tasklaws.decisions.recipes import signal_to_noise as signal_to_noise
from tasklaws.forecast.backtest import Backtest as Backtest
from tasklaws.forecast.backtest import backtest as backtest
from tasklaws.humans.estimates import SolveRates as SolveRates
from tasklaws.humans.estimates import solve_rates as solve_rates
from tasklaws.items.predictions import ItemPredictions as ItemPredictions
from tasklaws.items.predictions import predict_items as predict_items
from tasklaws.laws.fitting import fit as fit
from tasklaws.laws.isoflop import Isoflop as Isoflop
from tasklaws.laws.isoflop import isoflop as isoflop
from tasklaws.laws.planning import Plan as Plan
from tasklaws.laws.planning import Surface as Surface
from tasklaws.laws.planning import plan as plan
from tasklaws.laws.result import Fit as Fit
from tasklaws.overlap.observed import EffectiveNumber as EffectiveNumber
from tasklaws.overlap.observed import effective_number as effective_number
from tasklaws.points import read_points as read_points

__version__: str
