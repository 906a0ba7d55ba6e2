"""Learn from public ladders what forecasts of any ladder start from, and write src/tasklaws/forecast/priors.json.

    python tools/make_priors.py [DIRECTORY]

DIRECTORY (default ../shared/ladders) holds pythia, gadre, bigg, olmo_ladder and open_llm as .csv.gz tables of points.
Two kinds of constants, made of all sources and of all but each one, by which that one may then be judged:

- `kernels`: by link, how often curves use each noise, shape and slope of `gaussian_process.KERNELS`: shares by EM over
  the curves of a source, averaged over sources;
- `width`: the coefficients of `calibration.features`: the scale of a Student's t of the forecasts' errors by maximum
  likelihood, set so that 90% of them lie within 1.645 widths. The errors are those of the next three rungs from every
  origin of three models or more, of each ladder and of small ladders cut from it, of which every source and kind
  counts by the root of its number.

Small ladders: 5 to 7 models of one ladder, a factor of 2 to 7 in size apart, drawn by a fixed seed."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln

from tasklaws.core.arrays import Array
from tasklaws.core.files import write_json
from tasklaws.forecast import axes, priors
from tasklaws.forecast.calibration import features
from tasklaws.forecast.combine import History, interval_tests
from tasklaws.forecast.methods import sampling_variance
from tasklaws.forecast.panel import LEAST_RUNGS, Panel, build_panels, size_gap
from tasklaws.stats import gaussian_process
from tasklaws.stats.links import ARCSINE, LOG_LOG, LOGIT
from tasklaws.tabular.points import read_points

OUT = Path(__file__).parents[1] / "src/tasklaws/forecast/priors.json"
METRICS = {
    "pythia": ["acc", "acc_norm"],
    "gadre": ["acc"],
    "bigg": ["multiple_choice_grade"],
    "olmo_ladder": ["rc_acc"],
    "open_llm": ["acc"],
}
SMALL = {"pythia": 3, "gadre": 12, "bigg": 20, "olmo_ladder": 12, "open_llm": 0}  # cut from each ladder of a source
FEWEST = 4  # models of a ladder that is used
AHEAD = 3
Rows = tuple[Array, Array, Array]  # features, residuals, weights


def ladders(directory: Path) -> dict[str, list[Panel]]:
    """The panels of each source; Pythia's models on other benchmarks are of the source pythia too."""
    found: dict[str, list[Panel]] = {name: [] for name in METRICS}
    for name, metrics in METRICS.items():
        for panel in build_panels(read_points(directory / f"{name}.csv.gz"), metrics):
            if len(panel.models) >= FEWEST:
                found["pythia" if panel.ladder.startswith("pythia") else name].append(panel)
    return found


def small_ladders(panel: Panel, count: int, rng: np.random.Generator) -> Iterator[Panel]:
    """Up to `count` different ladders of 5 to 7 of the models."""
    seen: set[tuple[int, ...]] = set()
    for _ in range(50 * count):
        length, gap = int(rng.integers(5, 8)), rng.uniform(0.7, 2.0)
        chosen = [int(rng.integers(len(panel.models)))]
        for model in range(chosen[0] + 1, len(panel.models)):
            if panel.size[model] - panel.size[chosen[-1]] >= gap and rng.random() < 0.6 and len(chosen) < length:
                chosen.append(model)
        if len(chosen) >= 5 and tuple(chosen) not in seen and len(seen) < count:
            seen.add(tuple(chosen))
            yield panel.select(np.array(chosen))


def kernel_shares(panels: Iterable[Panel]) -> dict[str, Array]:
    """By link, the shares (noises, shapes, slopes) of kernels that the curves of these ladders use."""
    found: dict[str, Array] = {}
    for link in (LOGIT, ARCSINE, LOG_LOG):
        parts = []
        for panel in panels:
            known = panel.of_tasks(panel.asked)
            places = axes.reducible_loss(known, known) or axes.size(known, known)
            assert places is not None
            z, noise = link.of(known.value, known.items), sampling_variance(known, link)
            parts.append(gaussian_process.condition(*places, z, noise, link.unit)[0])
        share = gaussian_process.shares(np.concatenate(parts))
        found[link.name] = share.reshape(gaussian_process.GRID)
    return found


def averaged(shares: Iterable[Mapping[str, Array]]) -> dict[str, dict[str, list[float]]]:
    """The mean over sources of the share of each noise, shape and slope."""
    sources = list(shares)
    found = {}
    for link in sources[0]:
        mean = np.mean([source[link] for source in sources], axis=0)
        sums = {"noise": mean.sum(axis=(1, 2)), "shape": mean.sum(axis=(0, 2)), "slope": mean.sum(axis=(0, 1))}
        found[link] = {part: [round(float(share), 4) for share in values] for part, values in sums.items()}
    return found


def errors(panels: Iterable[Panel]) -> Iterator[tuple[Array, Array]]:
    """Features of every forecast, and by how much it erred on the link scale."""
    for panel in panels:
        history = History(panel)
        for origin in range(LEAST_RUNGS, len(panel.models)):
            for target in range(origin, min(origin + AHEAD, len(panel.models))):
                found = history.combined(origin, target)
                tests = interval_tests(history, origin, target, history.combined)
                gap = size_gap(panel, origin, target)
                residual = history.residual(target, found)
                there = np.isfinite(residual)
                yield features(history.known(origin), found.sd, found.noise, gap, tests)[there], residual[there]


def rows(panels: Iterable[Panel]) -> Rows:
    parts = list(errors(panels))
    told, residual = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
    return told, residual, np.full(len(residual), len(residual) ** -0.5)


def coefficients(parts: Iterable[Rows]) -> list[float]:
    """The coefficients of the log width (see the top)."""
    told, residual, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
    squares = residual**2

    def loss(values: NDArray[np.float64]) -> float:
        log_scale, freedom = told @ values[:-1], 1 + np.exp(values[-1])
        each = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - 0.5 * np.log(freedom * np.pi) - log_scale
        each = each - (freedom + 1) / 2 * np.log1p(squares * np.exp(-2 * log_scale) / freedom)
        return float(-(weight * each).sum() / weight.sum() + 1e-3 * (values[1:-1] ** 2).sum())

    start = np.zeros(told.shape[1] + 1)
    start[1] = start[-1] = 1.0
    found = minimize(loss, start, method="L-BFGS-B").x[:-1]
    off = np.abs(residual) * np.exp(-told @ found)
    order = np.argsort(off)
    place = np.searchsorted(np.cumsum(weight[order]) / weight.sum(), 0.9)
    found[0] += np.log(off[order][place] / 1.6449)
    return [round(float(value), 4) for value in found]


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/ladders")
    rng = np.random.default_rng(0)
    whole = ladders(directory)
    small = {
        name: [one for panel in panels for one in small_ladders(panel, SMALL[name], rng)]
        for name, panels in whole.items()
    }
    shares = {name: kernel_shares([*small[name], *whole[name]]) for name in whole}
    made: dict[str, Any] = {
        "source": "EleutherAI/pythia, mlfoundations/scaling, BIG-bench, allenai/OLMo-ladder, felipemaiapolo/sloth",
        "command": "python tools/make_priors.py",
        "curves": {name: sum(len(panel.tasks) for panel in whole[name]) for name in whole},
        "all": {"kernels": averaged(shares.values())},
        "without": {name: {"kernels": averaged(shares[one] for one in whole if one != name)} for name in whole},
    }
    write_json(OUT, made)
    priors.reload()
    found: dict[str, list[Rows]] = {}
    for name in whole:
        with priors.leaving_out(name):
            found[name] = [rows(part) for part in (whole[name], small[name]) if part]
        print(f"{name}: {sum(len(part[1]) for part in found[name])} errors", flush=True)
    made["all"]["width"] = coefficients(part for parts in found.values() for part in parts)
    for name in whole:
        made["without"][name]["width"] = coefficients(
            part for other, parts in found.items() if other != name for part in parts
        )
    made["errors"] = {name: sum(len(part[1]) for part in parts) for name, parts in found.items()}
    write_json(OUT, made)


if __name__ == "__main__":
    main()
