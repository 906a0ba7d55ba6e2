"""Which of several models is better, on items that all of them were asked, and could these items show it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.result import Result, axes_or_new
from tasklaws.decisions.clusters import DRAWS, Clusters, exceeding, is_enumerated, mcnemar, mid_p
from tasklaws.decisions.scores import CommonScores, common_scores
from tasklaws.frames.csv_files import records
from tasklaws.frames.shown import drawn, shown
from tasklaws.tables import COMPARED_PAIRS, RANKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TARGET_POWER = 0.8  # with which the smallest difference is shown
POINTS_WANTED = (0.01, 0.02, 0.03)
_MODELS_SHOWN = 40  # models that a summary lists
_MOST_LETTERS = 12  # of one model: more say less than the ranks that it may have
_FEW_CLUSTERS = 5


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Two models on the same items.

    `difference` is the mean score of the first less that of the second, `low` and `high` its interval at `level`, from
    `stderr` and a t distribution of `df`. `p_value` (two-sided, of no difference) is by `test`. `smallest_difference`
    is what these items show in 80% of such comparisons, in that the interval leaves out 0, and `items_needed` how many
    items would show 0.01, 0.02 and 0.03. `attempt_share` is the part of the variance that more attempts at each item
    would take away (None: unknown, as an item has one attempt)."""

    models: tuple[str, str]
    means: tuple[float, float]
    difference: float
    low: float
    high: float
    level: float
    stderr: float
    df: float
    p_value: float
    test: str
    smallest_difference: float
    items_needed: dict[float, int]
    attempt_share: float | None
    n_items: int
    n_clusters: int
    clusters: str | None
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The difference, what could have been shown, and what to heed, in lines."""
        first, second = self.models
        needed = "; ".join(f"{100 * size:g}: {count:,}" for size, count in self.items_needed.items())
        percent = f"{100 * self.level:g}%"
        lines = [
            f"{first} less {second}: {_points(self.difference)} points "
            f"({percent}: {_points(self.low)} to {_points(self.high)}), p {self.p_value:.2g} ({self.test})",
            f"means {100 * self.means[0]:.1f} and {100 * self.means[1]:.1f} on {self.n_items} items{_grouped(self)}",
            f"smallest difference that these items show: {100 * self.smallest_difference:.1f} points "
            f"(power {100 * TARGET_POWER:g}%, two-sided level {100 * (1 - self.level):.3g}%)",
            f"items of this kind that would show points of difference: {needed}",
        ]
        if self.attempt_share is not None:
            lines.append(
                f"attempts at the same item make {100 * self.attempt_share:.0f}% of the variance: with many more of "
                f"them {100 * self.smallest_difference * (1 - self.attempt_share) ** 0.5:.1f} points would show"
            )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, object]:
        """Every field, in plain JSON types; shares of 1, not points."""
        found = {**vars(self), "models": list(self.models), "means": list(self.means), "notes": list(self.notes)}
        return found | {"items_needed": {f"{size:g}": count for size, count in self.items_needed.items()}}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the difference with its interval, beside the smallest differences that these items show."""
        ax = axes_or_new(ax)
        ax.axvline(0, color="0.6", linewidth=1)
        smallest = 100 * self.smallest_difference
        ax.axvspan(-smallest, smallest, color="0.93", label="smaller than these items show")
        ends = [[100 * (self.difference - self.low)], [100 * (self.high - self.difference)]]
        ax.errorbar([100 * self.difference], [0], xerr=ends, fmt="o", capsize=4)
        ax.set_yticks([])
        ax.set_xlabel(drawn(f"{self.models[0]} less {self.models[1]} (points, {100 * self.level:g}% interval)"))
        ax.legend()
        return ax


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(Result):
    """Several models on the same items, and which of them can be told apart.

    `table` has a row a model: rank, mean, the ranks from rank_low to rank_high that it may have, and `groups`: models
    that share a letter cannot be told apart, those that share none can. `pairs` has a row a pair: difference (the
    better less the other) and p_value, adjusted so that all claims of a ranking hold with probability `level`."""

    table: pd.DataFrame
    pairs: pd.DataFrame
    level: float
    n_items: int
    n_clusters: int
    clusters: str | None
    notes: tuple[str, ...]

    def summary(self) -> str:
        """The ranking, and what to heed."""
        first = self.table.head(_MODELS_SHOWN)
        rows = records(first.assign(model=first["model"].map(shown)))
        width = max(len(row["model"]) for row in rows)
        few = self.table["groups"].str.len().max() <= _MOST_LETTERS
        lines = [f"rank  {'model':{width}}   mean  may rank" + ("    groups" if few else "")]
        for row in rows:
            ranks = f"{row['rank_low']} to {row['rank_high']}"
            line = f"{row['rank']:4d}  {row['model']:{width}}  {100 * row['mean']:5.1f}  {ranks:10}  "
            lines.append((line + row["groups"] if few else line).rstrip())
        left = len(self.table) - len(rows)
        if left:
            lines.append(f"and {left} more: --out DIR writes all of them")
        level = f"{1 - self.level:.3g}"
        apart = "models without a common letter" if few else f"pairs with p_value up to {level}"
        lines.append(
            f"{self.n_items} items{_grouped(self)}; {apart} are told apart: the chance that any is so wrongly is "
            f"at most {level}"
        )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, object]:
        """Ranking and pairs by row, in plain JSON types; shares of 1, not points."""
        found = {**vars(self), "ranking": records(self.table), "pairs": records(self.pairs), "notes": list(self.notes)}
        del found["table"]
        return found

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the means in order, each with the letters of its groups."""
        ax = axes_or_new(ax)
        places = range(len(self.table))
        ax.plot(100 * self.table["mean"], places, "o")
        for place, mean, groups in zip(places, self.table["mean"], self.table["groups"], strict=True):
            ax.annotate(groups, (100 * mean, place), xytext=(6, -3), textcoords="offset points", fontsize=8)
        ax.set_yticks(list(places), [drawn(model) for model in self.table["model"]])
        ax.invert_yaxis()
        ax.set_xlabel("mean score (points); models that share a letter cannot be told apart")
        return ax


def compare(
    scores: pd.DataFrame, models: Sequence[str] | None = None, *, clusters: str | None = None, level: float = 0.9
) -> Comparison | Ranking:
    """Compare two models, or rank more of them, on the items that all of them were asked.

    `scores` has a row a model and item: model, item (or task, or both), score in [0, 1] and, where an item was asked
    more than once, attempt. `models` None takes all. Two give a Comparison, more a Ranking. Items of one value of the
    column `clusters` hang together (None: of the first of cluster, family and template that the table has). The
    interval is that of t with clustered standard errors, for items of more such clusters (Miller 2024, arXiv
    2411.00640); p comes of turning round the signs of whole clusters (mid-p), or is McNemar's exact one where
    independent items are right or wrong. A ranking adjusts p by the largest t over all pairs (Westfall and Young
    1993); the ranks that a model may have are those of Mogstad et al. 2024. What cannot be raises TasklawsError.

    >>> import pandas as pd
    >>> rows = [(m, f"{i:02}", float(i % k > 0), i // 5) for m, k in (("A", 7), ("B", 3)) for i in range(40)]
    >>> found = compare(pd.DataFrame(rows, columns=["model", "item", "score", "family"]), ("A", "B"))
    >>> round(found.difference, 3), found.low < found.difference < found.high, found.n_clusters
    (0.2, True, 8)
    """
    if not 0 < level < 1:
        raise TasklawsError(f"the level of the interval is {level}: give one between 0 and 1, such as 0.9")
    if isinstance(models, str):
        raise TasklawsError(f"models is the text {models!r}: give a list of names")
    found = common_scores(scores, models, clusters)
    return two_models(found, level) if len(found.models) == 2 else many_models(found, level)


def two_models(scores: CommonScores, level: float) -> Comparison:
    """The Comparison of scores of two models."""
    differences = scores.means[:, 0] - scores.means[:, 1]
    clusters, total = scores.clusters, len(differences)
    variance, degrees = clusters.variance(differences)
    difference, stderr = float(differences.mean()), variance**0.5
    half = _t(degrees, (1 + level) / 2) * stderr
    p_value, test = _no_difference(scores, differences)
    first, second = (float(mean) for mean in scores.means.mean(axis=0))
    return Comparison(
        models=(scores.models[0], scores.models[1]),
        means=(first, second),
        difference=difference,
        low=max(difference - half, -1.0),
        high=min(difference + half, 1.0),
        level=level,
        stderr=stderr,
        df=degrees,
        p_value=p_value,
        test=test,
        smallest_difference=_smallest(stderr, degrees, level),
        items_needed={size: _needed(size, total, stderr, degrees, level) for size in POINTS_WANTED},
        attempt_share=_attempt_share(scores, variance),
        n_items=total,
        n_clusters=len(clusters.sizes),
        clusters=scores.column,
        notes=(*scores.notes, *_cautions(clusters, scores.column)),
    )


def _t(degrees: float, probability: float) -> float:
    return float(stdtrit(degrees, probability))


def _smallest(stderr: float, degrees: float, level: float) -> float:
    """(t_{(1 + level) / 2} + t_{power}) standard errors (Bloom 1995)."""
    return (_t(degrees, (1 + level) / 2) + _t(degrees, TARGET_POWER)) * stderr


def _needed(size: float, total: int, stderr: float, degrees: float, level: float) -> int:
    """How many items, in clusters as these, have `size` as their smallest difference: by bisection of its logarithm.

    Variance goes down, and degrees of freedom up, as the number of items goes up."""
    low, high = np.log(2.0), np.log(1e15)
    while high - low > 1e-9:
        middle = (low + high) / 2
        times = np.exp(middle) / total
        enough = _smallest(stderr / times**0.5, degrees * times, level) <= size
        low, high = (low, middle) if enough else (middle, high)
    return int(np.ceil(np.exp(high) * (1 - 1e-8)))


def _attempt_share(scores: CommonScores, variance: float) -> float | None:
    """Of the variance of the mean difference, what comes of attempts: sum_m v_m sum_i 1 / K_im / N^2 over it."""
    of_attempts = float((scores.attempt_variance / scores.attempts).sum()) / len(scores.means) ** 2
    return None if np.isnan(of_attempts) else min(1.0, of_attempts / variance)


def _no_difference(scores: CommonScores, differences: Array) -> tuple[float, str]:
    """The two-sided p of no difference, and what it is by."""
    once = bool((scores.attempts == 1).all() and np.isin(scores.means, (0.0, 1.0)).all())
    if once and scores.column is None:
        only = int((differences > 0).sum()), int((differences < 0).sum())
        return mcnemar(*only), f"McNemar's exact test, {only[0]} against {only[1]} items"
    seen, drawn = scores.clusters.flipped(scores.clusters.sums(scores.means))
    return mid_p(float(seen[0]), drawn), _flips(scores)


def _flips(scores: CommonScores) -> str:
    count = len(scores.clusters.sizes)
    what = "items" if scores.column is None else "clusters"
    return f"signs of {count} {what} turned round, {'in all ways' if is_enumerated(count) else f'{DRAWS:,} draws'}"


def _cautions(clusters: Clusters, column: str | None) -> list[str]:
    if column is None:
        return []
    count, largest = len(clusters.sizes), float(clusters.share.max())
    found = []
    if count < _FEW_CLUSTERS:
        found.append(f"{count} clusters: p cannot be below {2.0 ** (1 - count):g}, and the interval rests on few")
    if largest > 0.5:
        found.append(f"one cluster has {100 * largest:.0f}% of the items: the interval rests on it")
    return found


def many_models(scores: CommonScores, level: float) -> Ranking:
    """The Ranking of scores of more than two models."""
    means = scores.means.mean(axis=0)
    order = np.lexsort((scores.models, -means))
    names = [scores.models[place] for place in order]
    means, items = means[order], scores.means[:, order]
    clusters = scores.clusters
    left, right = np.triu_indices(len(names), 1)
    adjusted = exceeding(*clusters.flipped(clusters.sums(items)))
    pairs = COMPARED_PAIRS.frame(
        {
            "model": names[first],
            "other": names[second],
            "difference": means[first] - means[second],
            "p_value": p_value,
        }
        for first, second, p_value in zip(left, right, adjusted, strict=True)
    )
    apart = np.zeros((len(names), len(names)), dtype=bool)
    apart[left, right] = adjusted <= 1 - level
    table = RANKING.frame(
        {
            "rank": place + 1,
            "model": name,
            "mean": means[place],
            "rank_low": 1 + int(apart[:, place].sum()),
            "rank_high": len(names) - int(apart[place].sum()),
            "groups": letters,
        }
        for place, (name, letters) in enumerate(zip(names, _letters(apart | apart.T), strict=True))
    )
    told = f"p adjusted by the largest t over {len(pairs)} pairs, {_flips(scores)}"
    return Ranking(
        table,
        pairs,
        level,
        len(items),
        len(clusters.sizes),
        scores.column,
        (*scores.notes, told, *_cautions(clusters, scores.column)),
    )


def _letters(apart: np.ndarray) -> list[str]:
    """A text a model: two share a letter if and only if they are not told apart.

    Each group is grown from a pair that shares no letter yet, by every model in order that is apart from none in it."""
    count = len(apart)
    together = ~apart
    found: list[list[str]] = [[] for _ in range(count)]
    covered = np.zeros_like(apart)
    n_groups = 0
    for first in range(count):
        for second in range(first, count):
            if covered[first, second] or apart[first, second]:
                continue
            group = [first, second] if first < second else [first]
            for other in range(count):
                if other not in group and together[other, group].all():
                    group.append(other)
            covered[np.ix_(group, group)] = True
            for member in group:
                found[member].append(_letter(n_groups))
            n_groups += 1
    return [("" if n_groups <= 26 else " ").join(letters) for letters in found]


def _letter(place: int) -> str:
    """a to z, then aa, ab ..."""
    text = chr(ord("a") + place % 26)
    return text if place < 26 else _letter(place // 26 - 1) + text


def _grouped(found: Comparison | Ranking) -> str:
    return "" if found.clusters is None else f" in {found.n_clusters} clusters by {found.clusters}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
