"""Forecast every set of the overlap experiment from the smaller rungs, and say what overlap did to the forecasts."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_json
from tasklaws.core.settings import load
from tasklaws.experiments import overlap_summary as sentences
from tasklaws.experiments.overlap_forecasts import curves, forecast_sets, seen_numbers
from tasklaws.experiments.overlap_summary import Errors, Theory, summary_table
from tasklaws.paths import Paths
from tasklaws.tables import SET_CURVES, SET_FORECASTS, SET_SUMMARY, read_ladder, read_scores, read_sets


def main() -> None:
    settings = load()
    least, seed = settings.experiment.overlap_sets.min_rungs, settings.seed
    ladder, rungs = settings.models.name, list(settings.models.rungs)
    results = Path("results", ladder)
    sets = read_sets(Paths(ladder).sets)
    scores = read_scores(Path("scores", "overlap", ladder), rungs)
    found = curves(sets, scores, read_ladder(results / "ladder.csv", rungs))
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
    SET_CURVES.write(out / "sets.csv", found)
    SET_FORECASTS.write(out / "forecasts.csv", forecasts)
    SET_SUMMARY.write(out / "summary.csv", summary)
    write_json(out / "summary.json", said)
    print(f"{out}: {len(forecasts)} forecasts")


if __name__ == "__main__":
    errors.run(main)
