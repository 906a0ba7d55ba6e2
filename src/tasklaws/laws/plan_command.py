"""`tasklaws plan`: how large a model, on how many tokens, for a budget or a loss."""

import json
from argparse import ArgumentParser, Namespace, _SubParsersAction
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.laws.planning import Plan, Surface, plan_for_budget, plan_for_loss
from tasklaws.laws.result import Fit

NAMES = tuple(field.name for field in fields(Surface))


def add_parser(subparsers: "_SubParsersAction[ArgumentParser]") -> None:
    parser = subparsers.add_parser("plan", help="model size and tokens for a budget", description=run_plan.__doc__)
    law = parser.add_mutually_exclusive_group(required=True)
    law.add_argument("--fit", type=Path, metavar="JSON", help="what `tasklaws fit --law chinchilla --json` printed")
    law.add_argument("--params", type=float, nargs=5, metavar=tuple(NAMES), help="the law's five numbers")
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--flops", type=float, help="the budget: training, and serving where --served is given")
    goal.add_argument("--loss", type=float, help="the loss to reach as cheaply as can be")
    parser.add_argument("--served", type=float, default=0.0, metavar="TOKENS", help="tokens to be served over its life")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.set_defaults(run=run_plan)


def run_plan(arguments: Namespace) -> None:
    """Print the compute-optimal n_params and n_tokens and the loss to expect, with or without the cost of inference."""
    surface, draws, level = read_surface(arguments)
    found = plan(surface, arguments)
    interval = spread(draws, level, arguments)
    if arguments.json:
        print(json.dumps({**asdict(found), "interval": interval}, sort_keys=True, allow_nan=False))
        return
    for name, value in asdict(found).items():
        ends = f"   {level:.0%} {interval[name][0]:.3g} to {interval[name][1]:.3g}" if name in interval else ""
        print(f"{name:14}{value:.5g}{ends}")
    print(f"tokens/param  {found.n_tokens / found.n_params:.3g}")


def plan(surface: Surface, arguments: Namespace) -> Plan:
    if arguments.flops is not None:
        return plan_for_budget(surface, arguments.flops, arguments.served)
    return plan_for_loss(surface, arguments.loss, arguments.served)


def read_surface(arguments: Namespace) -> tuple[Surface, list[Surface | None], float]:
    """The law, its bootstrap refits (None where one gives no surface), and the level of their intervals."""
    if arguments.fit is None:
        return Surface(*arguments.params), [], 0.0
    try:
        row: Any = json.loads(read_text(arguments.fit))
    except ValueError as error:
        raise TasklawsError(
            f"{arguments.fit} is no JSON ({error}): give what `tasklaws fit --law chinchilla --json` printed"
        ) from error
    if isinstance(row, dict) and "draws" not in row and isinstance(row.get("params"), dict):
        missing = [name for name in NAMES if not isinstance(row["params"].get(name), int | float)]
        if missing:
            raise TasklawsError(
                f"{arguments.fit}: no number {missing[0]} among the params: a plan needs {', '.join(NAMES)}"
            )
        return Surface(*(float(row["params"][name]) for name in NAMES)), [], 0.0
    if not isinstance(row, dict):
        raise TasklawsError(f"{arguments.fit} holds no fit: give what `tasklaws fit --law chinchilla --json` printed")
    found = Fit.from_dict(row)
    surface = Surface.of(found)
    return surface, [surface_or_none(draw) for draw in found.draws[:, 0]], found.level


def surface_or_none(theta: np.ndarray) -> Surface | None:
    try:
        return Surface(*theta.tolist())
    except TasklawsError:
        return None


def spread(draws: list[Surface | None], level: float, arguments: Namespace) -> dict[str, tuple[float, float]]:
    """The interval of the plan's size, tokens and loss over the bootstrap refits that allow one."""
    plans = []
    for draw in draws:
        try:
            if draw is not None:
                plans.append(plan(draw, arguments))
        except TasklawsError:
            continue
    if len(plans) < 2:
        return {}
    found = {}
    for name in ("n_params", "n_tokens", "loss"):
        low, high = np.quantile([getattr(one, name) for one in plans], [(1 - level) / 2, (1 + level) / 2])
        if low < high:
            found[name] = (float(low), float(high))
    return found
