"""Compare the forecasts with what the holdout did, curve by curve and item by item; gather all results as points."""

from tasklaws.core import script
from tasklaws.core.settings import load
from tasklaws.forecast.validate import validate_ladder
from tasklaws.paths import Paths


def main() -> None:
    settings = load()
    paths = Paths(settings.models.name)
    checked = validate_ladder(paths, settings.models.rungs_of("fit"), settings.models.rungs_of("holdout"))
    print(f"{paths.validation}: {checked.n_forecasts} forecasts checked")
    for task in checked.unforecast:
        print(f"{task}: no forecast, as no rung to fit was asked it")


if __name__ == "__main__":
    script.run(main)
