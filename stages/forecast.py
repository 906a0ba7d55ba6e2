"""Forecast the holdout rungs from the fit rungs, before any of them is scored."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.config import load_params
from tasklaws.core.files import write_table
from tasklaws.forecast.curve_fits import load_fits
from tasklaws.forecast.ladder import forecast_bands, forecast_ladder, forecast_ladder_items
from tasklaws.forecast.tables import (
    BAND_KEYS,
    FORECAST_KEYS,
    ITEM_KEYS,
    METHOD_KEYS,
    read_ladder,
    read_observations,
    rungs_of,
)
from tasklaws.gate import open_gate
from tasklaws.overlap.table import read_structure, with_effective_number


def main() -> None:
    params = load_params()
    ladder = params["models"]["name"]
    results = Path(f"results/{ladder}")
    holdout = rungs_of(params, "holdout")
    observations = read_observations(results / "observations_fit.csv", rungs_of(params, "fit"))
    observations = with_effective_number(observations, read_structure(results / "structure.csv", ladder))
    sizes = read_ladder(results / "ladder.csv", holdout)
    curves = load_fits(results / "fits.json", ladder)
    table, methods = forecast_ladder(observations, sizes)
    items = forecast_ladder_items(curves, table)
    bands = forecast_bands(observations, sizes)
    write_table(results / "forecasts.csv", table, FORECAST_KEYS)
    write_table(results / "methods.csv", methods, METHOD_KEYS)
    write_table(results / "bands.csv", bands, BAND_KEYS)
    write_table(results / "item_forecasts.csv", items, ITEM_KEYS)
    open_gate("holdout", results / "forecasts.csv")  # last: all that is said of the holdout is written
    for row in table.itertuples():
        print(f"{row.rung} {row.family} {row.elicitation} {row.metric}: {row.verdict}: {row.evidence}")


if __name__ == "__main__":
    errors.run(main)
