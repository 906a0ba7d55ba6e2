"""Fit every curve of the fit rungs; the holdout's scores are no input."""

from pathlib import Path

from tasklaws import errors
from tasklaws.config import load_params
from tasklaws.forecast import fit_ladder, save_fits
from tasklaws.forecast.tables import read_final_scores, read_observations, rungs_of
from tasklaws.laws import LawSettings


def main() -> None:
    params = load_params()
    ladder = params["models"]["name"]
    rungs = list(rungs_of(params, "fit"))
    observations = read_observations(Path(f"results/{ladder}/observations_fit.csv"), rungs)
    scores = read_final_scores(Path(f"scores/{ladder}/fit"), rungs, observations)
    fits = fit_ladder(observations, scores, LawSettings.from_params(params), params["seed"])
    save_fits(Path(f"results/{ladder}/fits.json"), ladder, fits)
    for found in fits:
        print(f"{found.key}: {found.verdict}, by {found.used.law} ({found.used.status}): {found.evidence}")


if __name__ == "__main__":
    errors.run(main)
