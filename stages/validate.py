"""Compare the forecasts with what the holdout did, curve by curve and item by item; gather all results as points."""

from pathlib import Path

import pandas as pd

from tasklaws.core import errors
from tasklaws.core.files import write_json
from tasklaws.core.schema import ITEMS
from tasklaws.core.settings import load
from tasklaws.forecast.ladder import to_points
from tasklaws.forecast.surprises import conditional_answers, count_surprises, read_all_items, surprises
from tasklaws.forecast.surprising_skills import surprising_skills
from tasklaws.forecast.validate import compare, judge_items, metrics
from tasklaws.points import write_points
from tasklaws.tables import (
    FORECASTS,
    ITEM_FORECASTS,
    METHOD_FORECASTS,
    SURPRISE_COUNTS,
    SURPRISES,
    SURPRISING_SKILLS,
    read_checkpoints,
    read_final_scores,
    read_observations,
    read_scores,
    refuse_identical,
)


def main() -> None:
    settings = load()
    ladder = settings.models.name
    results = Path(f"results/{ladder}")
    rungs = settings.models.rungs_of("holdout")
    forecasts = FORECASTS.read(results / "forecasts.csv")
    observations = read_observations(results / "observations_holdout.csv", rungs)
    scores = read_final_scores(Path(f"scores/{ladder}/holdout"), rungs, observations)
    everyone = [
        read_scores(Path(f"scores/{ladder}/fit"), settings.models.rungs_of("fit")),
        read_scores(Path(f"scores/{ladder}/holdout"), rungs),
    ]
    refuse_identical(pd.concat(everyone))
    methods = METHOD_FORECASTS.read(results / "methods.csv")
    validation = compare(forecasts, observations)
    items = judge_items(ITEM_FORECASTS.read(results / "item_forecasts.csv"), forecasts, scores)
    known = read_all_items(ITEMS, sorted(set(items["family"])))
    answers = conditional_answers(items, known)
    surprising = surprises(answers, forecasts, known)
    everything = pd.concat([read_checkpoints(results / f"observations_{role}.csv") for role in ("fit", "holdout")])
    write_points(results / "points.csv", to_points(everything))
    FORECASTS.write(results / "validation.csv", validation)
    SURPRISES.write(results / "surprises.csv", surprising)
    SURPRISE_COUNTS.write(results / "surprise_counts.csv", count_surprises(answers, surprising))
    SURPRISING_SKILLS.write(results / "surprising_skills.csv", surprising_skills(answers, known))
    write_json(results / "metrics.json", metrics(validation, methods, items))
    print(f"{results}/validation.csv: {len(validation)} forecasts checked")


if __name__ == "__main__":
    errors.run(main)
