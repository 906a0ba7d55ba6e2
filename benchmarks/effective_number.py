"""How well the effective number of tasks is recovered: step_chain's items at several overlaps, on simulated ladders.

Prints a Markdown table. Each row: the true number (mean over replicates), the share of ladders that tell anything
(some item that shares a skill differs between seeds), and for the two estimates from seeds the
median of estimate / truth, the share of replicates within 15%, how often the 90% interval held the truth and its median
width (high / low); for comparison coverage of the bootstrap over rungs, and the median of Ledoit and Wolf's shrunk
covariance.

    python benchmarks/effective_number.py --replicates 200
"""

import argparse

import numpy as np
from sklearn.covariance import ledoit_wolf  # type: ignore[import-untyped]  # comes with lm_eval

from simulated_ladder import Ladder, simulate_cells
from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.families.step_chain import StepChain
from tasklaws.overlap.design import chain_weights, correlation, needs, pairwise_overlap
from tasklaws.overlap.effective_number import Estimate, against_design, observed_number
from tasklaws.overlap.residuals import Residuals, between_seeds

KINDS = ("all pairs", "by design")
FIGURES = ("ratio", "within 15%", "covers", "width")
OVERLAPS = (0.0, 0.01, 0.04, 0.16, 0.49, 1.0)
QUARTERS = (0.125, 0.25, 0.5, 1.0)
LADDERS = {
    "8 rungs, 2 seeds": Ladder(tuple(np.linspace(0, 9, 8)), 2),
    "8 rungs, 2 seeds, 4 checkpoints": Ladder(tuple(np.linspace(1, 10, 8)), 2, QUARTERS),
    "8 rungs, 2 seeds, 4 checkpoints, spread 1": Ladder(tuple(np.linspace(1, 10, 8)), 2, QUARTERS, spread=1.0),
    "5 rungs, 5 seeds": Ladder(tuple(np.linspace(1, 8, 5)), 5),
    "8 rungs, 5 seeds, 4 checkpoints": Ladder(tuple(np.linspace(1, 10, 8)), 5, QUARTERS),
    "8 rungs, 12 seeds": Ladder(tuple(np.linspace(0, 9, 8)), 12),
    "4 rungs far apart, 3 seeds": Ladder(tuple(np.linspace(-6, 15, 4)), 3),
}


def designed_set(overlap_knob: float) -> tuple[Array, Array]:
    chain = StepChain(
        "step_chain",
        100_000_000,
        {1: 50, 2: 30, 3: 20},
        optional_share=0.1,
        ordered_share=0.5,
        zipf=1.0,
        overlap=overlap_knob,
        n_rare=100,
        shared_rank=30,
    )
    return needs(chain.items(1, "test"), chain_weights(chain))


def bootstrap(residuals: Residuals, rng: np.random.Generator) -> tuple[float, float]:
    """The 90% percentile interval that exponential weights of the rungs give."""
    rungs, place = np.unique(residuals.rung, return_inverse=True)
    n_items = len(residuals.value)
    total = np.bincount(place, residuals.value.sum(axis=0) ** 2)
    square = np.bincount(place, (residuals.value**2).sum(axis=0))
    weight = rng.exponential(size=(500, len(rungs)))
    drawn = np.clip(n_items * (weight @ square) / np.maximum(weight @ total, 1e-12), 1, n_items)
    return float(np.quantile(drawn, 0.05)), float(np.quantile(drawn, 0.95))


def shrunk(residuals: Residuals) -> float:
    """n trace / sum of Ledoit and Wolf's covariance: the effective number of items in units of their variance."""
    covariance, _ = ledoit_wolf(residuals.value.T, assume_centered=True)
    return float(np.trace(covariance) * len(covariance) / covariance.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=200)
    replicates = parser.parse_args().replicates
    head = ["ladder", "knob", "n_eff", "told", *(f"{kind}: {what}" for kind in KINDS for what in FIGURES)]
    head += ["bootstrap: covers", "Ledoit-Wolf: ratio"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for name, ladder in LADDERS.items():
        for knob in OVERLAPS:
            needed, weight = designed_set(knob)
            design = correlation(pairwise_overlap(needed, weight))
            rng = np.random.default_rng(round(1000 * knob))
            truths, found, informed, percentile, lw = [], [], [], [], []
            for _ in range(replicates):
                cells, truth = simulate_cells(needed, weight, ladder, rng)
                residuals = between_seeds(cells)
                try:
                    from_design = against_design(residuals, design, 0.9).n_eff
                except TasklawsError:  # nothing differs that could tell
                    continue
                truths.append(truth)
                found.append(observed_number(residuals, 0.9).n_eff)
                informed.append(from_design)
                low, high = bootstrap(residuals, rng)
                percentile.append(low <= truth <= high)
                lw.append(shrunk(residuals) / truth)
            told = f"{len(truths) / replicates:.2f}"
            row = [
                name,
                f"{knob:g}",
                f"{np.mean(truths):.1f}",
                told,
                *summary(found, truths),
                *summary(informed, truths),
            ]
            print("| " + " | ".join([*row, f"{np.mean(percentile):.2f}", f"{np.median(lw):.2f}"]) + " |", flush=True)


def summary(estimates: list[Estimate], truths: list[float]) -> list[str]:
    ratio = np.array([estimate.value for estimate in estimates]) / truths
    held = [each.low <= truth <= each.high for each, truth in zip(estimates, truths, strict=True)]
    width = np.median([estimate.high / estimate.low for estimate in estimates])
    within = np.mean(np.abs(ratio - 1) <= 0.15)
    return [f"{np.median(ratio):.2f}", f"{within:.2f}", f"{np.mean(held):.2f}", f"{width:.1f}"]


if __name__ == "__main__":
    main()
