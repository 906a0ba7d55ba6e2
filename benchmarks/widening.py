"""Do intervals hold better when they widen by the design effect? The next rung of a ladder, from each origin.

At every origin the effective numbers are estimated anew from the rungs known then (the pipeline's own table), so that
no forecast knows more than it would have. Prints, for scores by metric and by how far items overlap, the coverage and
width of 90% intervals and the log score with and without the widening; the mean error does not change with it.

    python benchmarks/widening.py [--ladder nano_ladder]        # needs scores/, as `dvc repro` or `dvc pull` gives them
"""

import argparse
from pathlib import Path

import pandas as pd

from tasklaws.core.schema import ITEMS, Role, read_items
from tasklaws.core.settings import load
from tasklaws.families import build
from tasklaws.families.step_chain import StepChain
from tasklaws.forecast.backtest import error_figures, rolling_backtest
from tasklaws.overlap.design import chain_weights
from tasklaws.overlap.summary import structure_table
from tasklaws.tables import read_checkpoints, read_scores
from tasklaws.tabular.points import to_points

METRICS = ["exact_match", "partial_credit"]
LEAST = 3  # rungs at the first origin: fewer are never forecast by more than repetition
STRONG = 5.0  # a design effect from which on items count as strongly overlapping


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ladder", default="nano_ladder")
    ladder = parser.parse_args().ladder
    settings = load()
    results = Path(f"results/{ladder}")
    roles: tuple[Role, ...] = ("fit", "holdout")
    checkpoints = pd.concat([read_checkpoints(results / f"observations_{role}.csv") for role in roles])
    scores = pd.concat([read_scores(Path(f"scores/{ladder}/{role}"), settings.models.rungs_of(role)) for role in roles])
    sizes = checkpoints.drop_duplicates(["rung", "seed", "step"])
    items = {item.id: item for name in scores["family"].unique() for item in read_items(ITEMS / f"{name}.jsonl")}
    families = build(settings.families.sets)
    weights = {family.name: chain_weights(family) for family in families if isinstance(family, StepChain)}
    order = list(sizes.groupby("rung")["train_flops"].max().sort_values().index)
    final = checkpoints[checkpoints["is_final"]]
    found = []
    for known in range(LEAST, len(order)):
        told = structure_table(scores[scores["rung"].isin(order[:known])], sizes, items, weights)
        pair = ["family", "elicitation"]
        points = to_points(final[final["rung"].isin(order[: known + 1])].merge(told[[*pair, "n_eff"]], "left", pair))
        effect = told["design_effect"].set_axis(told["family"] + "_" + told["elicitation"])
        for name, table in (("as before", points.drop(columns="n_eff")), ("widened", points)):
            rows, _ = rolling_backtest(table, METRICS, 1, known)
            found.append(rows.assign(intervals=name, design_effect=rows["task"].map(effect)))
    rows = pd.concat(found)
    overlap = rows["design_effect"].ge(STRONG).map({True: f"design effect >= {STRONG:g}", False: f"< {STRONG:g}"})
    kinds = [
        ("all", pd.Series("", rows.index)),
        ("metric", rows["metric"]),
        ("overlap", overlap),
        ("n_fit", rows["n_fit"]),
    ]
    print("| forecasts | n | error | coverage before | widened | width before | widened | log score before | widened |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind, label in kinds:
        for value, part in rows.groupby(label.to_numpy()):
            before, after = (error_figures(part[part["intervals"] == name]) for name in ("as before", "widened"))
            cells = [f"{kind} {value}".strip(), before["n"], f"{before['mae']:.3f}"]
            for name, digits in (("coverage", 3), ("interval_width", 3), ("log_score", 2)):
                cells += [f"{one[name]:.{digits}f}" for one in (before, after)]
            print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
