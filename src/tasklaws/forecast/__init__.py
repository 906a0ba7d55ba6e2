"""Forecasts: from a ladder's fit rungs to the holdout, with an interval and a verdict, and the check
afterwards."""

from tasklaws.forecast.check import compare, judge_items, metrics
from tasklaws.forecast.engine import CurveFit, fit_ladder, load_fits, save_fits
from tasklaws.forecast.holdout import forecast_ladder
from tasklaws.forecast.surprises import surprises

__all__ = [
    "CurveFit",
    "compare",
    "fit_ladder",
    "forecast_ladder",
    "judge_items",
    "load_fits",
    "metrics",
    "save_fits",
    "surprises",
]
