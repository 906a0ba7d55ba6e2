"""Forecast the holdout rungs from the fits, before any of them is scored."""

from pathlib import Path

from tasklaws import errors
from tasklaws.config import load_params
from tasklaws.files import write_table
from tasklaws.forecast import forecast_ladder, load_fits
from tasklaws.forecast.tables import FORECAST_KEYS, ITEM_KEYS, read_ladder, read_observations, rungs_of


def main() -> None:
    params = load_params()
    ladder = params["models"]["name"]
    results = Path(f"results/{ladder}")
    holdout = rungs_of(params, "holdout")
    observations = read_observations(results / "observations_fit.csv", list(rungs_of(params, "fit")))
    sizes = read_ladder(results / "before" / "fit.csv", list(holdout))
    fits = load_fits(results / "fits.json", ladder)
    forecasts, items = forecast_ladder(fits, observations, sizes, holdout, params["seed"])
    write_table(results / "before" / "holdout.csv", forecasts, FORECAST_KEYS)
    write_table(results / "item_forecasts.csv", items, ITEM_KEYS)
    print(f"{results}/before/holdout.csv: {len(forecasts)} forecasts of {', '.join(holdout)}")


if __name__ == "__main__":
    errors.run(main)
