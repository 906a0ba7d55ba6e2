"""Report, mirage check and verdict agree on what a step is, whatever the curve."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from tasklaws.forecast.mirage import mirage_table
from tasklaws.forecast.panel import build_panels
from tasklaws.forecast.verdict import Width, panel_verdicts
from tasklaws.report.shapes import measure_rise

pytestmark = pytest.mark.slow  # it makes whole pages

N_ITEMS = 200
N_CURVES = 80
N_FIT = 7
SIZES = 1e6 * 2.0 ** np.arange(N_FIT + 1)


def curve(rng: np.random.Generator) -> np.ndarray:
    """Steps of any height, logistic rises from gentle to all but a step, turns, and curves that never leave chance."""
    place = np.arange(len(SIZES))
    low, high = np.sort(rng.uniform(0, 1, 2))
    kind = rng.integers(5)
    if kind == 0:
        made = np.where(place < rng.integers(1, len(SIZES)), low, high)
    elif kind in (1, 2):
        made = low + (high - low) * expit(rng.uniform(0.3, 6) * (place - rng.uniform(0, len(SIZES))))
    elif kind == 3:
        made = low + (high - low) * (place / place[-1] - 0.5) ** 2
    else:
        made = np.full(len(SIZES), 0.25)
    made = made[::-1] if rng.random() < 0.1 else made
    return rng.binomial(N_ITEMS, made) / N_ITEMS


def points(curves: list[np.ndarray], chance: float) -> pd.DataFrame:
    rows = [
        {"task": f"t{index:03}", "metric": metric, "model": f"m{place}", "n_params": size, "value": value}
        for index, values in enumerate(curves)
        for metric in ("acc", "partial_credit")
        for place, (size, value) in enumerate(zip(SIZES, values, strict=True))
    ]
    table = pd.DataFrame(rows).assign(ladder="l", n_tokens=1e9, step=np.nan, is_final=True, stderr=np.nan)
    return table.assign(train_flops=6e9 * table["n_params"], n_items=float(N_ITEMS), chance=chance)


def scores(curves: list[np.ndarray], chance: float) -> pd.DataFrame:
    """Answers of the fit rungs with those shares right."""
    rung, item = (axis.ravel() for axis in np.indices((N_FIT, N_ITEMS)))
    parts = []
    for index, values in enumerate(curves):
        right = (item < np.round(values * N_ITEMS)[rung]).astype(float)
        answers = {"rung": np.char.mod("m%d", rung), "item": item, "exact_match": right, "partial_credit": right}
        parts.append(pd.DataFrame(answers).assign(family=f"t{index:03}"))
    return pd.concat(parts).assign(elicitation="direct", seed=0, chance=chance)


def test_report_mirage_check_and_verdict_agree_on_every_step() -> None:
    rng = np.random.default_rng(0)
    curves = [curve(rng) for _ in range(N_CURVES)]
    table = points(curves, 0.25)
    fit = table[table["model"] != f"m{N_FIT}"]
    panel = build_panels(fit, ["acc"])[0]
    verdicts = [
        one.verdict for one in panel_verdicts(panel, [Width(half=0.01, sd=0.012, sampling=0.006, gap=0.7)] * N_CURVES)
    ]
    sizes = pd.DataFrame({"rung": [f"m{place}" for place in range(N_FIT)], "n_params": SIZES[:N_FIT]})
    checked = mirage_table(scores(curves, 0.25), sizes, 0).set_index("family")
    rungs = {"rung": [f"m{place}" for place in range(N_FIT + 1)], "n_params": SIZES, "train_flops": 6e9 * SIZES}
    rungs |= {"stderr": 0.01, "n_items": N_ITEMS, "fit": np.arange(N_FIT + 1) < N_FIT}
    levels = [pd.DataFrame({**rungs, "value": values}) for values in curves]
    known = [measure_rise(found[:N_FIT], "exact_match", 0.25) for found in levels]
    whole = [measure_rise(found, "exact_match", 0.25) for found in levels]
    steps = [verdict == "discontinuous" for verdict in verdicts]
    assert 10 < sum(steps) < N_CURVES - 30
    assert [rise.shape == "jump" for rise in known] == steps
    assert checked["step"].tolist() == steps
    assert checked["evidence"].str.contains("a step").tolist() == steps
    rising = checked["step"] & np.array([values[N_FIT - 1] > values[0] for values in curves])
    assert not checked.loc[rising, "evidence"].str.startswith("no jump").any()
    assert [rise.shape == "jump" and not rise.unseen for rise in whole] == steps
    assert sum(rise.unseen for rise in whole) > 0
