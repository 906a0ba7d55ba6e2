"""Of every family under every elicitation: how many independent tasks it is worth and how sharp its curve is."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import AnyItem, Item
from tasklaws.overlap.design import correlation, designed_number, needs, pairwise_overlap
from tasklaws.overlap.discontinuity import expected_index, observed_index
from tasklaws.overlap.effective_number import FEWEST_RUNGS, Estimate, Overlap, against_design, observed_number
from tasklaws.overlap.residuals import Residuals, around_trend, between_seeds, read_cells
from tasklaws.tables import EFFECTIVE_NUMBERS, SCORES, refuse_strangers

_Found = TypeVar("_Found")
_METRIC = "exact_match"
_RUN = ["rung", "seed", "step"]
OBSERVED_LEVEL = 0.9


def structure_table(
    scores: pd.DataFrame, sizes: pd.DataFrame, items: Mapping[str, AnyItem], weights: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """One row a family and elicitation of the fit rungs' `scores`, without its ladder (tables.EFFECTIVE_NUMBERS).

    `sizes` has rung, seed, step, is_final, n_params and n_tokens of every checkpoint; `weights` those of the skills of
    a family, all alike where it has none. What cannot be told is empty: no error. An item that `items` lacks raises
    TasklawsError."""
    refuse_strangers(scores["item"], items, "data/items", "run `dvc repro`")
    both = scores[_RUN].drop_duplicates().merge(sizes[_RUN], how="left", on=_RUN, indicator=True)
    lacking = both[both["_merge"] == "left_only"]
    if len(lacking):
        what = " ".join(f"{key} {lacking[key].iloc[0]}" for key in _RUN)
        raise TasklawsError(f"{what} was scored and has no observation: run `dvc repro observe`")
    order = sizes.groupby("rung")["n_params"].max().sort_values(kind="stable")
    place = {rung: f"{index:04}" for index, rung in enumerate(order.index)}
    by_size = scores.assign(rung=scores["rung"].map(place)).sort_values(SCORES.keys)
    sizes = sizes.assign(rung=sizes["rung"].map(place))
    found = []
    for (family, elicitation), own in by_size.dropna(subset=_METRIC).groupby(["family", "elicitation"], sort=True):
        row = {"family": family, "elicitation": elicitation}
        found.append(row | _of_family(own, sizes, items, weights.get(str(family))))
    return pd.DataFrame(found).reindex(columns=EFFECTIVE_NUMBERS.columns)


def _of_family(
    scores: pd.DataFrame, sizes: pd.DataFrame, items: Mapping[str, AnyItem], weight: Mapping[str, float] | None
) -> dict[str, object]:
    """The row of one family under one elicitation; its rungs are named in order of size."""
    names = sorted(scores["item"].unique())
    n_items = len(names)
    if n_items < 2:
        return {"n_items": n_items, "n_eff": n_items, "design_effect": 1.0, "taken_from": "independent items"}
    own = [item for name in names if isinstance(item := items[name], Item)]  # others do not say what they need
    skills = _or_none(needs, own, weight) if own else None
    design = None if skills is None else correlation(pairwise_overlap(*skills))
    designed = n_items if design is None else designed_number(design)
    row: dict[str, object] = {"n_items": n_items, "designed": None if design is None else designed}
    contrast, residuals, seen = observe(scores, sizes)
    if seen is not None and residuals is not None:
        row |= {"contrast": contrast, **_limits("observed", seen.n_eff)}
        against = None if design is None else _or_none(against_design, residuals, design, OBSERVED_LEVEL)
        row |= {} if against is None else _limits("by_design", against.n_eff)
    # All pairs and not the designed ones alone: models share what no item names (docs/overlap.md, on the nano ladder).
    if seen is not None and is_certain(seen):
        n_eff, taken = seen.n_eff.value, contrast
    else:
        n_eff, taken = designed, "independent items" if design is None else "design"
    row |= {"n_eff": n_eff, "design_effect": n_items / n_eff, "taken_from": taken}
    return row | _sharpness(scores, sizes, items, weight, n_eff)


def is_certain(seen: Overlap) -> bool:
    """Whether more than one rung tells and, where no two items ever flipped together, the limits show independence."""
    together = seen.n_eff.value < seen.n_items
    return seen.n_rungs >= FEWEST_RUNGS and (together or seen.n_eff.low > 1)


def observe(scores: pd.DataFrame, sizes: pd.DataFrame) -> tuple[str, Residuals | None, Overlap | None]:
    """The effective number of the first contrast that more than one rung tells: between seeds, then around a trend in
    ln n_params and ln n_tokens; where none does, that of seeds if it exists. None of scores that never change."""
    cells = read_cells(scores, _METRIC)
    if not (np.ptp(cells.score, axis=1) > 0).any():
        return "", None, None
    x = scores[_RUN].drop_duplicates().sort_values(_RUN).merge(sizes, how="left", on=_RUN)[["n_params", "n_tokens"]]
    logs = np.log(np.maximum(x.to_numpy(dtype=float), 1.0))
    logs = logs[:, np.ptp(logs, axis=0) > 0]
    found = []
    contrasts: list[tuple[str, Callable[[], Residuals]]] = [("seeds", lambda: between_seeds(cells))]
    if logs.shape[1]:
        contrasts.append(("trend", lambda: around_trend(cells, logs)))
    for name, contrast in contrasts:
        residuals = _or_none(contrast)
        seen = None if residuals is None else _or_none(observed_number, residuals, OBSERVED_LEVEL)
        if seen is not None:
            found.append((name, residuals, seen))
            if seen.n_rungs >= FEWEST_RUNGS:
                return found[-1]
    return found[0] if found else ("", None, None)


def _sharpness(
    scores: pd.DataFrame,
    sizes: pd.DataFrame,
    items: Mapping[str, AnyItem],
    weight: Mapping[str, float] | None,
    n_eff: float,
) -> dict[str, float]:
    """The discontinuity index of the final checkpoints along ln n_params, and what n_eff thresholds would show."""
    final = scores.merge(sizes.loc[sizes["is_final"], [*_RUN, "n_params"]], on=_RUN)
    by_rung = final.groupby("rung")["n_params"].max()
    if by_rung.nunique() < 3:
        return {}
    ln_size = np.log(by_rung.to_numpy(dtype=float))
    curve = final.groupby("rung")[_METRIC].mean().to_numpy(dtype=float)
    group = _skill_groups([items[name] for name in sorted(final["item"].unique())], weight)
    seen = _or_none(observed_index, read_cells(final, _METRIC), ln_size, group, OBSERVED_LEVEL, 0)
    due = _or_none(expected_index, ln_size, curve, n_eff, OBSERVED_LEVEL, 0)
    return (_limits("index", seen) if seen else {}) | (_limits("expected_index", due) if due else {})


def _skill_groups(items: Sequence[AnyItem], weight: Mapping[str, float] | None) -> list[str]:
    """The skill that each item hangs on: the heaviest, of equals the one that fewest items name, then by name."""
    count = Counter(skill for item in items for skill in item.skills)
    heavy = weight or {}
    return [
        min(item.skills, key=lambda skill: (-heavy.get(skill, 0.0), count[skill], skill), default=item.id)
        for item in items
    ]


def _or_none(function: Callable[..., _Found], *arguments: object) -> _Found | None:
    """What a function returns; None where it raises TasklawsError, as the rungs at hand cannot tell."""
    try:
        return function(*arguments)
    except TasklawsError:
        return None


def _limits(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
