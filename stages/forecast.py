"""Forecast the holdout rungs from the fit rungs, before any of them is scored, and models that nobody trains."""

import pandas as pd

from tasklaws.claims.make import claim_of
from tasklaws.core import script
from tasklaws.core.files import write_json
from tasklaws.core.settings import load
from tasklaws.forecast.fits_file import load_fits
from tasklaws.forecast.ladder import (
    forecast_bands,
    forecast_ladder,
    forecast_ladder_items,
    forecast_planned,
    only_observable,
)
from tasklaws.gate import open_gate
from tasklaws.paths import Paths
from tasklaws.tables import (
    BANDS,
    FORECASTS,
    ITEM_FORECASTS,
    METHOD_FORECASTS,
    PLANNED,
    read_effective_numbers,
    read_ladder,
    read_observations,
    with_effective_number,
)

CLAIMED = "exact_match"  # one metric: those of the same responses would count each of them several times


def main() -> None:
    settings = load()
    paths = Paths(settings.models.name)
    observations = read_observations(paths.observations("fit"), settings.models.rungs_of("fit"))
    observations = with_effective_number(observations, read_effective_numbers(paths.effective_numbers, paths.ladder))
    sizes = read_ladder(paths.sizes, settings.models.rungs_of("holdout"))
    rungs = settings.models.rungs
    table, methods = (only_observable(part, rungs) for part in forecast_ladder(observations, sizes))
    items = forecast_ladder_items(load_fits(paths.fits, paths.ladder), table)
    bands = forecast_bands(observations, sizes)
    planned = forecast_planned(observations, settings.models.planned)
    FORECASTS.write(paths.forecasts, table)
    METHOD_FORECASTS.write(paths.methods, methods)
    BANDS.write(paths.bands, bands)
    PLANNED.write(paths.planned, planned)
    ITEM_FORECASTS.write(paths.item_forecasts, items)
    paths.claims.mkdir(exist_ok=True)
    read = [paths.observations("fit"), paths.effective_numbers, paths.sizes]
    for name, said, path in (("holdout", table, paths.forecasts), ("planned", planned, paths.planned)):
        scores = said[said["metric"] == CLAIMED]
        (paths.claims / f"{name}.json").unlink(missing_ok=True)
        if len(scores):
            claim = claim_of(scores, [path, *read], paths.claims, results=paths.points.as_posix())
            write_json(paths.claims / f"{name}.json", claim.to_dict())
    open_gate(paths.gate("holdout"), paths.forecasts)  # last: all that is said of the holdout is written
    for row in pd.concat([table, planned]).itertuples():
        print(f"{row.rung} {row.family} {row.elicitation} {row.metric}: {row.verdict}: {row.evidence}")


if __name__ == "__main__":
    script.run(main)
