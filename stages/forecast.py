"""Forecast the holdout rungs from the fit rungs, before any of them is scored."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_table
from tasklaws.core.settings import load
from tasklaws.forecast.curve_fits import load_fits
from tasklaws.forecast.ladder import forecast_bands, forecast_ladder, forecast_ladder_items
from tasklaws.forecast.tables import (
    BAND_KEYS,
    FORECAST_KEYS,
    ITEM_KEYS,
    METHOD_KEYS,
    read_ladder,
    read_observations,
)
from tasklaws.overlap.table import read_structure, with_effective_number


def main() -> None:
    settings = load()
    ladder = settings.models.name
    results = Path(f"results/{ladder}")
    holdout = settings.models.rungs_of("holdout")
    observations = read_observations(results / "observations_fit.csv", settings.models.rungs_of("fit"))
    observations = with_effective_number(observations, read_structure(results / "structure.csv", ladder))
    sizes = read_ladder(results / "before" / "fit.csv", holdout)
    curves = load_fits(results / "fits.json", ladder)
    table, methods = forecast_ladder(observations, sizes)
    items = forecast_ladder_items(curves, table)
    bands = forecast_bands(observations, sizes)
    write_table(results / "before" / "holdout.csv", table, FORECAST_KEYS)
    write_table(results / "methods.csv", methods, METHOD_KEYS)
    write_table(results / "bands.csv", bands, BAND_KEYS)
    write_table(results / "item_forecasts.csv", items, ITEM_KEYS)
    for row in table.itertuples():
        print(f"{row.rung} {row.family} {row.elicitation} {row.metric}: {row.verdict}: {row.evidence}")


if __name__ == "__main__":
    errors.run(main)
