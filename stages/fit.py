"""Fit every curve of the fit rungs; the holdout's scores are no input."""

from collections import Counter
from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.settings import load
from tasklaws.forecast.curve_fits import fit_ladder
from tasklaws.forecast.fits_file import save_fits
from tasklaws.forecast.mirage import mirage_table
from tasklaws.tables import MIRAGE, read_final_scores, read_observations


def main() -> None:
    settings = load()
    ladder = settings.models.name
    rungs = settings.models.rungs_of("fit")
    observations = read_observations(Path(f"results/{ladder}/observations_fit.csv"), rungs)
    scores = read_final_scores(Path(f"scores/{ladder}/fit"), rungs, observations)
    curves = fit_ladder(observations, scores, settings.laws, settings.seed)
    mirage = mirage_table(scores, observations[["rung", "train_flops"]].drop_duplicates(), settings.seed)
    path = Path(f"results/{ladder}/fits.json")
    save_fits(path, ladder, curves)
    MIRAGE.write(path.with_name("mirage.csv"), mirage)
    ended = Counter(law.status for curve in curves for law in curve.laws)
    print(f"{path}: {len(curves)} curves, laws {', '.join(f'{status} {n}' for status, n in sorted(ended.items()))}")


if __name__ == "__main__":
    errors.run(main)
