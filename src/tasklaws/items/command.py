"""`tasklaws difficulty`: predict each of a table's last models from all earlier ones."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from tasklaws.core.files import write_json, write_table
from tasklaws.items.ability import Levels
from tasklaws.items.methods import ITEM_METHODS, FittedMethod
from tasklaws.items.rolling import Origin, held_out, predict
from tasklaws.items.scoring import DEFINITIONS, summarise
from tasklaws.items.table import ItemTable, read_items

HALF_WIDTH = float(norm.ppf(0.95))
"""Of a 90% interval, in standard errors."""


def add_parser(subparsers: "_SubParsersAction[ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "difficulty",
        help="which items will the next model solve? predict each of the last models from all earlier ones",
        description="Predict each of the last models from all earlier ones, by item response and human difficulty. "
        "Writes predictions.csv, difficulties.csv (90% intervals) and summary.json.",
    )
    parser.add_argument(
        "table", type=Path, help="CSV: model, date or n_params, task, score, and what is known of the tasks"
    )
    parser.add_argument("--last", type=int, default=6, metavar="K", help="models to hold out (default: %(default)s)")
    parser.add_argument(
        "--records",
        action="store_true",
        help="of the models whose mean score reaches that of all before them, the last K",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory for the results")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> None:
    table = read_items(arguments.table)
    indices = held_out(table, arguments.last, arguments.records)
    origins = [predict(table, index, arguments.records) for index in indices]
    summary = summary_of(origins, arguments.records)
    predictions, difficulties = predictions_of(table, origins), difficulties_of(table)
    write_table(arguments.out / "predictions.csv", predictions, ["model", "task", "method"])
    write_table(arguments.out / "difficulties.csv", difficulties, ["task"])
    write_json(arguments.out / "summary.json", summary)
    for name, figures in summary["methods"].items():
        if figures is not None:
            given, extrapolated = figures["log_loss"], figures["log_loss_extrapolated"]
            print(f"{name:14s} log loss {given:.3f}, with the ability forecast too {extrapolated:.3f}")
    certain = [origin.model for origin in origins if set(origin.scores) in ({0.0}, {1.0})]
    if certain:
        print(f"all or no items solved, so that its mean alone gives log loss 0, and no AUC: {', '.join(certain)}")
    if summary["not_converged"]:
        print(f"{len(summary['not_converged'])} fits did not settle: not_converged in {arguments.out}/summary.json")


def summary_of(origins: list[Origin], records: bool) -> dict[str, Any]:
    """What `summary.json` holds: who was held out and why, the methods' figures, their definitions, and the
    abilities."""
    return {
        "held_out": [origin.model for origin in origins],
        "held_out_rule": "the last models whose mean score reaches or exceeds that of every model before them"
        if records
        else "the last models by date, or else by n_params",
        "earlier_rule": "all models with an earlier date (or smaller n_params), record setters or not",
        "methods": summarise(origins),
        "definitions": DEFINITIONS,
        "not_converged": [
            {"model": origin.model, "method": name}
            for origin in origins
            for name, prediction in origin.predictions.items()
            if not prediction.converged
        ],
        "abilities": {
            origin.model: {
                "mean_solved": float(expit(origin.level)),
                "forecast": float(expit(origin.forecast.mean)),
                "forecast_low": float(expit(origin.forecast.mean - HALF_WIDTH * origin.forecast.stderr)),
                "forecast_high": float(expit(origin.forecast.mean + HALF_WIDTH * origin.forecast.stderr)),
            }
            for origin in origins
        },
    }


def predictions_of(table: ItemTable, origins: list[Origin]) -> pd.DataFrame:
    """One row for each held-out model, item asked and usable method."""
    parts = []
    for origin in origins:
        for name, prediction in origin.predictions.items():
            columns = {
                "model": origin.model,
                "task": table.items.index[origin.asked],
                "method": name,
                "score": origin.scores,
                "never_solved": origin.never_solved.astype(int),
                "probability": prediction.given,
                "probability_extrapolated": prediction.extrapolated,
            }
            if prediction.unseen is not None:
                columns["probability_unseen_family"] = prediction.unseen
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def difficulties_of(table: ItemTable) -> pd.DataFrame:
    """Every item's difficulty by the full method on all models, for a model like the best so far, with a 90% interval.

    In logits: a model of that level has even odds at difficulty 0. Items that no model has solved have one too.
    """
    levels = Levels.of(table).earlier
    fitted = FittedMethod.to(table, levels, ITEM_METHODS["full"], ITEM_METHODS["full"].explanation(table))
    best = int(levels.argmax())
    where = float(levels[best]), float(table.position[best])
    difficulty = -fitted.offsets(*where) - fitted.fit.ability[best]
    half = HALF_WIDTH * fitted.offsets_stderr(*where)
    return pd.DataFrame(
        {
            "task": table.items.index,
            "difficulty": difficulty,
            "low": difficulty - half,
            "high": difficulty + half,
            "solved": (np.nan_to_num(table.scores) >= 0.5).sum(axis=1),
            "asked": (~np.isnan(table.scores)).sum(axis=1),
        }
    )
