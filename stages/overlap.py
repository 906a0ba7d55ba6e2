"""Forecast every set of the overlap experiment from the smaller rungs, and say what overlap did to the forecasts."""

from dataclasses import asdict

from tasklaws.core import script
from tasklaws.core.files import write_json
from tasklaws.core.settings import load
from tasklaws.experiments.overlap_forecasts import forecast_sets, observed_numbers, set_curves
from tasklaws.overlap.set_summary import Facts, Theory, summary_table
from tasklaws.paths import Paths
from tasklaws.tables import SET_CURVES, SET_FORECASTS, SET_SUMMARY, read_ladder, read_scores, read_sets


def main() -> None:
    settings = load()
    least, seed = settings.experiment.overlap_sets.min_rungs, settings.seed
    paths, rungs = Paths(settings.models.name), list(settings.models.rungs)
    sets, scores = read_sets(paths.sets), read_scores(paths.set_scores, rungs)
    curves = set_curves(sets, scores, read_ladder(paths.sizes, rungs))
    forecasts = forecast_sets(curves, least, settings.execution.workers)
    theory = Theory.of(curves, least)
    summary = summary_table(curves, forecasts, observed_numbers(sets, scores), theory, seed)
    SET_CURVES.write(paths.overlap / "sets.csv", curves)
    SET_FORECASTS.write(paths.overlap / "forecasts.csv", forecasts)
    SET_SUMMARY.write(paths.overlap / "summary.csv", summary)
    write_json(paths.overlap / "summary.json", asdict(Facts.of(sets, forecasts, theory, seed)))
    print(f"{paths.overlap}: {len(forecasts)} forecasts")


if __name__ == "__main__":
    script.run(main)
