"""The experiment's tables below results/<ladder>/overlap, and reading them."""

from pathlib import Path
from typing import Any

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, read_table

CURVE_KEYS = ["overlap", "set_seed", "rung"]
SIZES = ["n_params", "n_tokens", "train_flops"]
CURVE_NUMBERS = ["overlap", "set_seed", *SIZES, "n_items", "n_left_out", "n_eff", "value", "target_bits_per_byte"]
CURVE_COLUMNS = ["overlap", "set_seed", "rung", *CURVE_NUMBERS[2:]]

BASELINES = ["repeat_last", "logistic", "two_step"]  # no guess solves a chain, so that chance would be 0
FORECAST_KEYS = ["overlap", "set_seed", "n_fit"]
TOLD = ["last", "predicted", "lower", "upper", "wide_lower", "wide_upper", "observed", *BASELINES]
FORECAST_NUMBERS = [*FORECAST_KEYS, "n_eff", *TOLD]
FORECAST_COLUMNS = [*FORECAST_KEYS, "rung", "n_eff", *TOLD, "verdict"]

VERDICTS = ["lawful", "no signal", "discontinuous", "non-monotone", "not enough rungs"]
SUMMARY_KEYS = ["overlap"]
ESTIMATES = ["mae", "mae_repeat_last", "advantage", "rmse", "spread", "index", "n_eff_seen"]  # each with limits
SUMMARY_COLUMNS = [
    "overlap",
    "n_eff",
    "n_sets",
    *(f"{name}{end}" for name in ESTIMATES for end in ("", "_low", "_high")),
    "mae_logistic",
    "mae_two_step",
    "rmse_repeat_last",
    "theory",
    "theory_repeat_last",
    "coverage",
    "coverage_widened",
    "width",
    "width_widened",
    *VERDICTS,
]

ZIPF_KEYS = ["zipf"]
ZIPF_COLUMNS = ["zipf", "predicted", "exponent", "low", "high", "floor", "status"]


def read_forecasts(path: Path) -> pd.DataFrame:
    needed = [column for column in FORECAST_COLUMNS if column not in ("logistic", "two_step")]
    return read_table(path, FORECAST_COLUMNS, FORECAST_KEYS, needed, FORECAST_NUMBERS)


def read_curves(path: Path) -> pd.DataFrame:
    return read_table(path, CURVE_COLUMNS, CURVE_KEYS, CURVE_COLUMNS, CURVE_NUMBERS)


def read_summary(path: Path) -> pd.DataFrame:
    """The table by overlap; what no set tells is empty: an index where none rises, n_eff where no seeds differ."""
    unknown = {f"{name}{end}" for name in ("index", "n_eff_seen") for end in ("", "_low", "_high")}
    unknown |= {"mae_logistic", "mae_two_step"}
    needed = [column for column in SUMMARY_COLUMNS if column not in unknown]
    return read_table(path, SUMMARY_COLUMNS, SUMMARY_KEYS, needed, SUMMARY_COLUMNS)


def read_exponents(path: Path) -> pd.DataFrame:
    numbers = [column for column in ZIPF_COLUMNS if column != "status"]
    return read_table(path, ZIPF_COLUMNS, ZIPF_KEYS, ZIPF_COLUMNS, numbers)


def read_sentences(path: Path) -> list[str]:
    """The sentences of a summary.json; another content raises TasklawsError."""
    found: Any = read_json(path)
    sentences = found.get("sentences") if isinstance(found, dict) else None
    if not isinstance(sentences, list) or not all(isinstance(one, str) for one in sentences):
        raise TasklawsError(
            f"{path}: sentences is {sentences!r:.80}, not a list of text: remove it and run `dvc repro`"
        )
    return sentences
