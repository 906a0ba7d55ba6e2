"""What the experiment says, in sentences whose every number comes from its tables."""

from typing import Any

import numpy as np
import pandas as pd

from tasklaws.overlap.summary import Errors, advantage, limits, mae, rmse, slope, spread

THEORY_SLOPE = -0.5  # independent thresholds


def slopes(errors: Errors, seed: int) -> dict[str, dict[str, float]]:
    """The slope of ln error on ln n_eff of each kind of error, with its bootstrap limits."""
    again = errors.redrawn(seed)
    found = {}
    for name, kind in (("mae", mae), ("rmse", rmse), ("spread", spread)):
        low, high = limits(slope(errors.n_eff, kind(again.forecast)))
        value = float(slope(errors.n_eff, kind(errors.forecast)))
        found[name] = {"slope": round(value, 6), "low": round(float(low), 6), "high": round(float(high), 6)}
    return found


def crossing(errors: Errors, seed: int) -> dict[str, Any]:
    """The n_eff at which the forecast's advantage, straight in ln n_eff between overlaps, first falls to 0 (absent if
    it never does), and the share of bootstrap replicates in which it never does."""
    draws = [first_zero(errors.n_eff, one) for one in advantage(errors.redrawn(seed))]
    found: dict[str, Any] = {"share_never": round(float(np.isnan(draws).mean()), 4)}
    here = first_zero(errors.n_eff, advantage(errors))
    if not np.isnan(here):
        low, high = limits(np.array(draws))
        found |= {"n_eff": here, "low": float(low), "high": float(high)}
    return found


def first_zero(n_eff: np.ndarray, gain: np.ndarray) -> float:
    """The first zero of `gain` along falling n_eff; NaN if it stays above 0."""
    below = np.flatnonzero(gain <= 0)
    if not len(below):
        return float("nan")
    place = int(below[0])
    if place == 0:
        return float(n_eff[0])
    before, after = np.log(n_eff[place - 1]), np.log(n_eff[place])
    share = gain[place - 1] / (gain[place - 1] - gain[place])
    return float(np.exp(before + share * (after - before)))


def naive_sentence(summary: pd.DataFrame, errors: Errors, cross: dict[str, Any], ladder: str) -> str:
    """Where the forecast of the next rung is better than the last rung's value, and where it cannot be told to be."""
    better = summary["advantage_low"] > 0
    first, last = summary.iloc[0], summary.iloc[-1]
    by_target = np.abs(errors.naive).mean(axis=(0, 1)) - np.abs(errors.forecast).mean(axis=(0, 1))
    rungs = (
        f"; over all sets it is better at {int((by_target > 0).sum())} of the {len(by_target)} rungs forecast, and no "
        "interval holds that these few rungs could have been others"
    )
    if better.all():
        return (
            f"On {ladder} the forecast of the next rung is better than the last rung's value at every overlap from "
            f"{first['overlap']:g} to {last['overlap']:g}: by {gain(first)} at n_eff {first['n_eff']:.3g} and by "
            f"{gain(last)} at n_eff {last['n_eff']:.3g} (mean absolute error, 90% interval over sets){rungs}."
        )
    if not better.any():
        return (
            f"On {ladder} the forecast of the next rung is at no overlap better than the last rung's value: it gains "
            f"{gain(first)} at n_eff {first['n_eff']:.3g} and {gain(last)} at n_eff {last['n_eff']:.3g}{rungs}."
        )
    place = int(np.flatnonzero(~better)[0])
    worst = summary.iloc[place]
    again = [f"{row['overlap']:g}" for _, row in summary[place:].iterrows() if row["advantage_low"] > 0]
    where = f" (at {', '.join(again)} it is again)" if again else ""
    at = "no zero"
    if "n_eff" in cross:
        at = f"a zero at n_eff {cross['n_eff']:.2g} ({cross['low']:.2g} to {cross['high']:.2g})"
    until = "at overlap 0 already" if place == 0 else f"from overlap {worst['overlap']:g} on"
    return (
        f"On {ladder} the forecast of the next rung cannot be told to be better than the last rung's value {until} "
        f"(n_eff {worst['n_eff']:.3g} and below: it gains {gain(worst)}){where}; its gain has {at}, and none at all in "
        f"{cross['share_never']:.0%} of redrawn sets{rungs}."
    )


def gain(row: pd.Series) -> str:
    low, middle, high = (100 * float(row[f"advantage{end}"]) for end in ("_low", "", "_high"))
    return f"{middle:.1f} points ({low:.1f} to {high:.1f})"


def theory_sentence(summary: pd.DataFrame, found: dict[str, dict[str, float]]) -> str:
    """Whether errors fall with n_eff as independent thresholds say."""
    parts = []
    for name, words in (("spread", "What differs between sets of one overlap"), ("rmse", "the whole error")):
        one = found[name]
        fits = one["low"] <= THEORY_SLOPE <= one["high"]
        parts.append(
            f"{words} goes as n_eff^{one['slope']:.2f} ({one['low']:.2f} to {one['high']:.2f}), "
            f"{'compatible' if fits else 'not compatible'} with the -1/2 of independent thresholds"
        )
    first, last = summary.iloc[0], summary.iloc[-1]
    size = (
        f"without a free parameter they predict {100 * first['theory']:.1f} points at n_eff {first['n_eff']:.3g} and "
        f"{100 * last['theory']:.1f} at {last['n_eff']:.3g}; sets differ by {100 * first['spread']:.1f} and "
        f"{100 * last['spread']:.1f}"
    )
    return f"{'; '.join(parts)}; {size}."


def interval_sentence(summary: pd.DataFrame) -> str:
    """How the 90% intervals held at both ends, and what widening them by the designed n_eff did."""
    first, last = summary.iloc[0], summary.iloc[-1]
    return (
        f"The 90% intervals held {first['coverage']:.0%} of outcomes at overlap {first['overlap']:g} and "
        f"{last['coverage']:.0%} at {last['overlap']:g}; widened by the designed n_eff {first['coverage_widened']:.0%} "
        f"and {last['coverage_widened']:.0%}, with {last['width_widened'] / last['width']:.2f} times the width."
    )
