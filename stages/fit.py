"""Fit every curve of the fit rungs; the holdout's scores are no input."""

from collections import Counter

from tasklaws.core import script
from tasklaws.core.settings import load
from tasklaws.forecast.curve_fits import fit_ladder
from tasklaws.forecast.fits_file import save_fits
from tasklaws.forecast.mirage import mirage_table
from tasklaws.paths import Paths
from tasklaws.tables import MIRAGE, read_final_scores, read_observations


def main() -> None:
    settings = load()
    paths, rungs = Paths(settings.models.name), settings.models.rungs_of("fit")
    observations = read_observations(paths.observations("fit"), rungs)
    scores = read_final_scores(paths.scores("fit"), rungs, observations)
    curves = fit_ladder(observations, scores, settings.laws, settings.seed)
    size = "n_params" if observations["train_flops"].isna().any() else "train_flops"
    mirage = mirage_table(scores, observations[["rung", size]].drop_duplicates(), settings.seed)
    save_fits(paths.fits, paths.ladder, curves)
    MIRAGE.write(paths.mirage, mirage)
    ended = Counter(law.status for curve in curves for law in curve.laws)
    print(
        f"{paths.fits}: {len(curves)} curves, laws {', '.join(f'{status} {n}' for status, n in sorted(ended.items()))}"
    )


if __name__ == "__main__":
    script.run(main)
