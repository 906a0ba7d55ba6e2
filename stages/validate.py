"""Compare the forecasts with what the holdout did, curve by curve and item by item; gather all results as points."""

from tasklaws.core import errors
from tasklaws.core.settings import load
from tasklaws.forecast.validation import validate_ladder
from tasklaws.paths import Paths


def main() -> None:
    settings = load()
    paths = Paths(settings.models.name)
    count = validate_ladder(paths, settings.models.rungs_of("fit"), settings.models.rungs_of("holdout"))
    print(f"{paths.validation}: {count} forecasts checked")


if __name__ == "__main__":
    errors.run(main)
