"""Which skills went otherwise than forecast: the items that share one, taken together (docs/surprises.md)."""

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from tasklaws.core.arrays import Array
from tasklaws.forecast.surprises import PAIR, Items
from tasklaws.stats.rasch import given_total, tails
from tasklaws.tables import SURPRISING_SKILLS


def surprising_skills(answers: pd.DataFrame, items: Items) -> pd.DataFrame:
    """For every skill that some, and not all, items of a family need: answers solved against those expected.

    `answers` come from `conditional_answers`. The count solved is compared with its exact distribution given how many
    items of the family each seed solved (a Poisson-binomial given its sum; seeds add up). `p_value` is twice the
    smaller tail, `q_value` its Benjamini-Hochberg correction over the skills of the rung. A skill of which the totals
    leave nothing open (a family that solved nothing, or all) is left out."""
    rows = []
    for (rung, family, elicitation), part in answers.groupby(PAIR, sort=True):
        pair = (str(rung), str(family), str(elicitation))
        needed = {item: items[pair[1], item].skills for item in part["item"].unique()}
        for skill in sorted({skill for skills in needed.values() for skill in skills}):
            inside = part["item"].map(lambda item, skill=skill, needed=needed: skill in needed[item])
            pmf = solved_pmf(part, inside.to_numpy(dtype=bool))
            if inside.all() or pmf.max() > 1 - 1e-9:
                continue
            own = part[inside]
            solved = int(own["solved"].sum())
            more, fewer = (float(tail[solved]) for tail in tails(pmf))
            expected = float(np.arange(len(pmf)) @ pmf)
            p_value = min(1.0, 2 * min(more, fewer))
            rows.append((*pair, skill, own["item"].nunique(), len(own), solved, expected, p_value))
    table = pd.DataFrame(rows, columns=SURPRISING_SKILLS.columns[:-1])
    corrected = table.groupby("rung")["p_value"].transform(lambda p: false_discovery_control(p, method="bh"))
    return table.assign(q_value=corrected.astype(float))[SURPRISING_SKILLS.columns]


def solved_pmf(part: pd.DataFrame, inside: np.ndarray) -> Array:
    """The distribution of how many answers `inside` are right, over all seeds, given each seed's total."""
    pmf = np.ones(1)
    for seed in sorted(part["seed"].unique()):
        own = (part["seed"] == seed).to_numpy()
        probability = part["at_total"].to_numpy(dtype=float)
        total = int(part["solved"].to_numpy(dtype=bool)[own].sum())
        pmf = np.convolve(pmf, given_total(probability[own & inside], probability[own & ~inside], total))
    return pmf
