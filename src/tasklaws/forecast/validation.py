"""A ladder's forecasts set beside what its holdout did: reads and writes all files of the stage validate."""

from collections.abc import Sequence

import pandas as pd

from tasklaws.core.files import write_json
from tasklaws.forecast.ladder import to_points
from tasklaws.forecast.surprises import conditional_answers, count_surprises, read_all_items, surprises
from tasklaws.forecast.surprising_skills import surprising_skills
from tasklaws.forecast.validate import compare, judge_items, metrics
from tasklaws.paths import Paths
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


def validate_ladder(paths: Paths, fit: Sequence[str], holdout: Sequence[str]) -> int:
    """Write points, validation, surprises and metrics of a ladder with these rungs; how many forecasts were compared.

    An input that is missing or malformed, a forecast without its observation, an answer that was never forecast, and
    two rungs of identical responses raise TasklawsError before anything is written.
    """
    forecasts = FORECASTS.read(paths.forecasts)
    observations = read_observations(paths.observations("holdout"), holdout)
    scores = read_final_scores(paths.scores("holdout"), holdout, observations)
    refuse_identical(pd.concat([read_scores(paths.scores("fit"), fit), read_scores(paths.scores("holdout"), holdout)]))
    methods = METHOD_FORECASTS.read(paths.methods)
    validation = compare(forecasts, observations)
    items = judge_items(ITEM_FORECASTS.read(paths.item_forecasts), forecasts, scores)
    known = read_all_items(paths.items, sorted(set(items["family"])))
    answers = conditional_answers(items, known)
    surprising = surprises(answers, forecasts, known)
    points = to_points(pd.concat([read_checkpoints(paths.observations(role)) for role in ("fit", "holdout")]))
    write_points(paths.points, points)
    FORECASTS.write(paths.validation, validation)
    SURPRISES.write(paths.surprises, surprising)
    SURPRISE_COUNTS.write(paths.surprise_counts, count_surprises(answers, surprising))
    SURPRISING_SKILLS.write(paths.surprising_skills, surprising_skills(answers, known))
    write_json(paths.metrics, metrics(validation, methods, items))
    return len(validation)
