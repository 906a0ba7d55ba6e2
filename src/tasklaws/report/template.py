"""How the pages write numbers and names, and their templates, all over one base."""

import math
import re

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from tasklaws.core.errors import printable
from tasklaws.overlap.effective_number import worth
from tasklaws.plotting import css_variables, short
from tasklaws.tables import BASELINE_NAMES, VERDICT_NAMES, is_loss

_DASH = "–"
SHARE_METRICS = ("exact_match", "exact_match_flexible", "partial_credit")
METRIC_LABELS = {
    "exact_match": "solved (exact match)",
    "exact_match_flexible": "solved (read as people would)",
    "partial_credit": "partial credit",
    "brier": "Brier score (less is better)",
    "target_bits_per_byte": "target bits per byte (less is better)",
    "loss_nats": "held-out loss, nats per token",
    "bits_per_byte": "held-out loss, bits per byte",
}
METRIC_WORDS = {
    "exact_match": "exact match",
    "exact_match_flexible": "flexible match",
    "partial_credit": "partial credit",
    "brier": "Brier",
    "target_bits_per_byte": "bits/byte",
    "loss_nats": "nats/token",
    "bits_per_byte": "bits/byte",
}


def metric_label(metric: str) -> str:
    """A metric with its unit, as figures and headings have it; of a benchmark's own lm-eval's name."""
    return METRIC_LABELS.get(metric, f"{metric} (less is better)" if is_loss(metric) else metric)


def metric_word(metric: str) -> str:
    """The same where there is little room."""
    return METRIC_WORDS.get(metric, metric)


def is_share(metric: str) -> bool:
    """Whether a metric is written in per cent: a benchmark's own is unless less is better."""
    return metric in SHARE_METRICS if metric in METRIC_LABELS else not is_loss(metric)


def percent(share: float | None) -> str:
    """0.123 -> `12%`; only nothing is 0%, only everything is 100%, and what is unknown is a dash."""
    if pd.isna(share):
        return _DASH
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 < share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def in_points(share: float) -> str:
    """0.0284 -> `2.8 points`: an error of a share, in hundredths of the scale."""
    return _DASH if pd.isna(share) else f"{100 * share:.1f} points"


def number(value: float | None, form: str) -> str:
    """The value by a format specification such as `.2f`; a dash where it is unknown."""
    return _DASH if pd.isna(value) else f"{value:{form}}"


def low_to_high(low: float, high: float, form: str) -> str:
    """`1.0 to 19.5`."""
    return f"{number(low, form)} to {number(high, form)}"


def estimate(value: float, low: float, high: float, form: str) -> str:
    """`4.2 (1.0 to 19.5)`."""
    return _DASH if pd.isna(value) else f"{number(value, form)} ({low_to_high(low, high, form)})"


def metric_value(value: float, metric: str) -> str:
    """A score as its metric is written: a share in per cent, anything else with three digits."""
    return percent(value) if is_share(metric) else tidy(value)


def metric_interval(lower: float, upper: float, metric: str) -> str:
    """`32–81%`, `0.44–0.59`."""
    if is_share(metric):
        return f"{100 * lower:.0f}–{100 * upper:.0f}%"
    ends = dict.fromkeys((_fixed(lower), _fixed(upper)))
    return "–".join(ends)


def _fixed(value: float) -> str:
    """Two digits without an exponent; what is less than a thousandth says so."""
    return "<0.001" if 0 < value < 0.0005 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def tidy(value: float | None) -> str:
    """Three digits without an exponent: `2.63k`, `0.44`, `<0.001`."""
    if value is None or pd.isna(value):
        return _DASH
    return "<0.001" if 0 < abs(value) < 0.0005 else short(value)


def p_value(value: float) -> str:
    """`0.012`, `<0.001`."""
    return _DASH if pd.isna(value) else "<0.001" if value < 0.001 else f"{value:.2g}"


def plain(evidence: str) -> str:
    """Why a verdict was given, for people: no exponents, growth as a factor, plus or minus as a sign."""
    said = re.sub(r"p = ([\d.]+e-\d+)", lambda found: f"p {_smaller(float(found[1]))}", evidence)
    said = re.sub(r"over ([\d.]+) e-folds", lambda found: f"over {math.exp(float(found[1])):.3g} times the size", said)
    said = said.replace("Kendall's tau with size", "in the order of size, Kendall's tau")
    return said.replace("+-", "±")


def _smaller(value: float) -> str:
    written = p_value(value)
    return written if written.startswith("<") else f"= {written}"


def metric_error(value: float, metric: str) -> str:
    """The size of an error: of a share in percentage points, of anything else to three decimals."""
    if is_share(metric):
        return percent(value)
    return "<0.001" if value < 0.0005 else number(value, ".3f")


def counted(count: int, unit: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count} {unit}{'s' if count > 1 else ''}"


_FILTERS = (percent, in_points, number, low_to_high, estimate, metric_value, metric_interval, metric_error)


def readable(value: object) -> object:
    """Text of names and models with codes for characters that nobody sees, or that turn its direction; all else as it
    is."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def template(name: str) -> Template:
    """A template of this folder, which knows the colours and these functions; an undefined name in it is an error.

    What it prints is `readable`.
    """
    environment = Environment(
        loader=PackageLoader("tasklaws.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    light, dark = css_variables()
    environment.globals |= {"light": Markup(light), "dark": Markup(dark), "metric_word": metric_word}
    environment.globals |= {"metric_label": metric_label, "baselines": BASELINE_NAMES}
    environment.globals |= {"verdicts": VERDICT_NAMES}
    environment.tests["share"] = is_share
    environment.filters |= {
        one.__name__: one for one in (*_FILTERS, counted, short, tidy, worth, p_value, plain, metric_word)
    }
    return environment.get_template(name)
