"""Forecast the holdout rungs from the fit rungs, before any of them is scored."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.settings import load
from tasklaws.forecast.fits_file import load_fits
from tasklaws.forecast.ladder import forecast_bands, forecast_ladder, forecast_ladder_items
from tasklaws.gate import open_gate
from tasklaws.tables import (
    BANDS,
    FORECASTS,
    ITEM_FORECASTS,
    METHOD_FORECASTS,
    read_effective_numbers,
    read_ladder,
    read_observations,
    with_effective_number,
)


def main() -> None:
    settings = load()
    ladder = settings.models.name
    results = Path(f"results/{ladder}")
    holdout = settings.models.rungs_of("holdout")
    observations = read_observations(results / "observations_fit.csv", settings.models.rungs_of("fit"))
    observations = with_effective_number(observations, read_effective_numbers(results / "structure.csv", ladder))
    sizes = read_ladder(results / "ladder.csv", holdout)
    curves = load_fits(results / "fits.json", ladder)
    table, methods = forecast_ladder(observations, sizes)
    items = forecast_ladder_items(curves, table)
    bands = forecast_bands(observations, sizes)
    FORECASTS.write(results / "forecasts.csv", table)
    METHOD_FORECASTS.write(results / "methods.csv", methods)
    BANDS.write(results / "bands.csv", bands)
    ITEM_FORECASTS.write(results / "item_forecasts.csv", items)
    open_gate("holdout", results / "forecasts.csv")  # last: all that is said of the holdout is written
    for row in table.itertuples():
        print(f"{row.rung} {row.family} {row.elicitation} {row.metric}: {row.verdict}: {row.evidence}")


if __name__ == "__main__":
    errors.run(main)
