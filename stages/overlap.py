"""Forecast every set of the overlap experiment from the smaller rungs, and say what overlap did to the forecasts."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_json, write_table
from tasklaws.core.settings import load
from tasklaws.experiments import overlap_summary as sentences
from tasklaws.experiments import tables
from tasklaws.experiments.overlap_forecasts import curves, forecast_sets, seen_numbers
from tasklaws.experiments.overlap_sets import read_sets
from tasklaws.experiments.overlap_summary import Errors, Theory, summary_table
from tasklaws.forecast.tables import read_ladder
from tasklaws.scores import read_scores


def main() -> None:
    settings = load()
    least, seed = settings.experiment.overlap_sets.min_rungs, settings.seed
    ladder, rungs = settings.models.name, list(settings.models.rungs)
    results = Path("results", ladder)
    sets = read_sets()
    scores = read_scores(Path("scores", "overlap", ladder), rungs)
    found = curves(sets, scores, read_ladder(results / "before" / "fit.csv", rungs))
    forecasts = forecast_sets(found, least, settings.execution.workers)
    theory = Theory.of(found, least)
    summary = summary_table(found, forecasts, seen_numbers(sets, scores), theory, seed)
    off = Errors.of(forecasts)
    cross, slopes = sentences.crossing(off, seed), sentences.slopes(off, seed)
    said = {
        "n_questions": int(sets.loc[~sets["is_learned"], "item"].nunique()),
        "n_questions_left_out": int(sets.loc[sets["is_learned"], "item"].nunique()),
        "crossing": cross,
        "slopes": slopes,
        "theory": {"step": round(theory.step, 6), "rise": round(theory.rise, 6)},
        "sentences": [
            sentences.naive_sentence(summary, off, cross, ladder),
            sentences.theory_sentence(summary, slopes),
            sentences.interval_sentence(summary),
        ],
    }
    out = results / "overlap"
    write_table(out / "sets.csv", found, tables.CURVE_KEYS)
    write_table(out / "forecasts.csv", forecasts, tables.FORECAST_KEYS)
    write_table(out / "summary.csv", summary, tables.SUMMARY_KEYS)
    write_json(out / "summary.json", said)
    print(f"{out}: {len(forecasts)} forecasts")


if __name__ == "__main__":
    errors.run(main)
