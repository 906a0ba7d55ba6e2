"""The verbs of `import tasklaws as tl`: predict which tasks the next model can do, then check.

    import tasklaws as tl

    table = tl.read_points("results.csv")            # a tidy DataFrame, checked
    fit = tl.fit(table, "chinchilla")                # .params .interval .status .predict()
    test = tl.backtest(table, rolling=1)             # .forecasts .methods
    next = tl.forecast(table, {"n_params": 7e9})     # .forecasts .methods
    said = tl.claim(table, {"n_params": 7e9}, files=["results.csv"])  # .statements .rule, written by .write(path)
    came = tl.check("claim.json", "outcomes.csv")    # .verdict .table .figures
    best = tl.design(table, {"n_params": 7e9, "n_tokens": 2e12})  # .table .tasks
    plan = tl.plan(fit, flops=1e21)                  # .n_params .n_tokens .loss
    which = tl.compare(item_scores, ("A", "B"))      # .difference .low .high .p_value
    soon = tl.decision_accuracy(table)               # .tasks .pooled
    clear = tl.signal_to_noise(table)                # .table
    n_eff = tl.effective_number(scores)              # .value .low .high
    items = tl.predict_items(item_scores, last=6)    # .predictions .difficulties
    rates = tl.solve_rates(attempts)                 # .items .groups

Each result has `summary()`, `to_dict()` and `plot(ax=None)`. What cannot be raises TasklawsError. docs/tour.md shows it
all at work. A verb's module is imported when the verb is first named, so that `import tasklaws` costs nothing: SciPy,
matplotlib and the pipeline's libraries take seconds.
"""

import importlib
from typing import Any

# What is named here is typed in __init__.pyi: an import statement, even for type checkers alone, would count as one
# to whatever reads this file's imports, and every stage of the pipeline would depend on every verb.
VERB_MODULES = {
    "Backtest": "forecast.backtest",
    "Claim": "claims.file",
    "ClaimCheck": "claims.check",
    "Comparison": "decisions.compare",
    "DecisionAccuracy": "decisions.recipes",
    "Design": "forecast.designs.design",
    "EffectiveNumber": "overlap.observed",
    "Fit": "laws.result",
    "Forecasted": "forecast.ahead.verb",
    "Isoflop": "laws.isoflop",
    "ItemPredictions": "items.predictions",
    "Plan": "laws.planning",
    "Ranking": "decisions.compare",
    "SignalToNoise": "decisions.recipes",
    "SolveRates": "humans.estimates",
    "Surface": "laws.planning",
    "Target": "core.settings",
    "TasklawsError": "core.errors",
    "backtest": "forecast.backtest",
    "check": "claims.check",
    "claim": "claims.verb",
    "compare": "decisions.compare",
    "decision_accuracy": "decisions.recipes",
    "design": "forecast.designs.design",
    "effective_number": "overlap.observed",
    "fit": "laws.fitting",
    "forecast": "forecast.ahead.verb",
    "isoflop": "laws.isoflop",
    "plan": "laws.planning",
    "predict_items": "items.predictions",
    "read_points": "tabular.points",
    "signal_to_noise": "decisions.recipes",
    "solve_rates": "humans.estimates",
}


def named(name: str) -> Any:
    """What `tasklaws.<name>` is; a name that is none raises AttributeError."""
    if name == "__version__":
        from importlib.metadata import version

        return version("tasklaws")
    if name == "__all__":
        return sorted(VERB_MODULES)
    if name not in VERB_MODULES:
        raise AttributeError(f"module 'tasklaws' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tasklaws.{VERB_MODULES[name]}"), name)
