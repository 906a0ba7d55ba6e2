"""One row a family: what the rungs tell, and what they cannot."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.overlap.effective_number import observed_number, worth
from tasklaws.overlap.residuals import between_seeds, read_cells
from tasklaws.overlap.summary import structure_table
from tasklaws.tables import EFFECTIVE_NUMBERS, read_effective_numbers, with_effective_number

BLANK = Item("", "f", "", "a", ("own",), 1, 0, False, 1.0, 1, 0.0, ("",))
N_ITEMS = 24


def items(shared: bool) -> dict[str, Item]:
    """Items of one skill, or of one each."""
    names = [f"i{place:02}" for place in range(N_ITEMS)]
    return {name: replace(BLANK, id=name, skills=("one" if shared else name,)) for name in names}


def ladder(seeds: int, rungs: int = 6, groups: int = N_ITEMS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and sizes: each group of items is solved from a ln size on that differs from run to run."""
    rng = np.random.default_rng(3)
    middle = np.linspace(0, rungs, groups)
    rows, sizes = [], []
    for rung in range(rungs):
        for seed in range(seeds):
            due = middle + rng.gumbel(size=groups)
            for step, share in ((1, -0.7), (2, 0.0)):
                # Names do not follow sizes.
                key = {"rung": f"r{9 - rung}", "seed": seed, "step": step}
                sizes.append({**key, "is_final": step == 2, "n_params": 1000 * np.exp(rung), "n_tokens": 1e6 * step})
                for place in range(N_ITEMS):
                    solved = float(rung + share >= due[place % groups])
                    rows.append(
                        {**key, "family": "f", "elicitation": "direct", "item": f"i{place:02}", "exact_match": solved}
                    )
    return pd.DataFrame(rows), pd.DataFrame(sizes)


def row(scores: pd.DataFrame, sizes: pd.DataFrame, known: dict[str, Item]) -> pd.Series:
    found = structure_table(scores, sizes, known, {})
    assert len(found) == 1
    return found.iloc[0]


def test_seeds_tell_and_the_row_is_what_the_library_says() -> None:
    scores, sizes = ladder(2, groups=4)
    found = row(scores, sizes, items(shared=False))
    due = observed_number(between_seeds(read_cells(scores, "exact_match")), 0.9).n_eff
    assert [found[f"observed{end}"] for end in ("", "_low", "_high")] == pytest.approx([due.value, due.low, due.high])
    assert (found["contrast"], found["taken_from"], found["designed"]) == ("seeds", "seeds", N_ITEMS)
    assert found["n_eff"] == pytest.approx(due.value)
    assert found["n_eff"] < 12  # four in truth
    assert found["design_effect"] == pytest.approx(N_ITEMS / found["n_eff"])
    assert np.isnan(found["by_design"])  # the design has no pair that could be correlated
    assert found["index_low"] <= found["index"] <= found["index_high"]
    assert found["index"] < 1  # rungs stand in the order of their sizes, not of their names


def test_one_seed_leaves_the_trend() -> None:
    found = row(*ladder(1), items(shared=True))
    assert found["contrast"] == found["taken_from"] == "trend"
    assert found["by_design_low"] <= found["by_design"] <= found["by_design_high"]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_nothing_changes_the_design_speaks(value: float) -> None:
    scores, sizes = ladder(2)
    found = row(scores.assign(exact_match=value), sizes, items(shared=True))
    assert (found["taken_from"], found["n_eff"], found["design_effect"]) == ("design", 1, N_ITEMS)
    assert found[["observed", "by_design", "expected_index"]].isna().all()


def test_one_rung_one_item_and_no_skills_are_no_error() -> None:
    scores, sizes = ladder(1, rungs=1)
    found = row(scores, sizes, {name: replace(item, skills=()) for name, item in items(shared=False).items()})
    assert (found["taken_from"], found["n_eff"]) == ("independent items", N_ITEMS)
    assert found[["designed", "observed", "index"]].isna().all()
    alone = row(scores[scores["item"] == "i00"], sizes, items(shared=False))
    assert (alone["n_items"], alone["n_eff"]) == (1, 1)


def test_scores_without_an_item_or_an_observation_are_named() -> None:
    scores, sizes = ladder(1)
    with pytest.raises(TasklawsError, match="item i00 was scored and is not in data/items"):
        structure_table(scores, sizes, {}, {})
    with pytest.raises(TasklawsError, match="rung r4 seed 0 step 1 was scored and has no observation"):
        structure_table(scores, sizes[sizes["rung"] != "r4"], items(shared=True), {})


def test_a_table_that_cannot_be_is_refused(tmp_path) -> None:
    path = tmp_path / "structure.csv"
    table = structure_table(*ladder(2), items(shared=True), {}).assign(ladder="l")
    table.to_csv(path, index=False)
    read = read_effective_numbers(path, table["ladder"].iloc[0])
    assert read[EFFECTIVE_NUMBERS.keys].iloc[0].tolist() == ["l", "f", "direct"]
    table.assign(n_eff=0.5).to_csv(path, index=False)
    with pytest.raises(TasklawsError, match=r"n_eff of f direct is 0.5: it lies in \[1, n_items\], here \[1, 24\]"):
        read_effective_numbers(path, "l")
    table.to_csv(path, index=False)
    with pytest.raises(TasklawsError, match=r"structure\.csv is of ladder l, not m: run"):
        read_effective_numbers(path, "m")
    seen = pd.DataFrame({"family": ["f", "corpus"], "elicitation": ["direct", "x"], "metric": ["exact_match", "loss"]})
    joined = with_effective_number(seen, read)
    assert joined["n_eff"].notna().tolist() == [True, False]
    with pytest.raises(TasklawsError, match=r"structure\.csv has no row of g direct: run `dvc repro structure`"):
        with_effective_number(seen.replace({"family": {"f": "g"}}), read)


def test_lone_flips_do_not_make_a_family_independent() -> None:
    """A family that hardly any model solves tells nothing of its overlap: its design is taken."""
    scores, sizes = ladder(2)
    runs = scores[["rung", "seed"]].drop_duplicates().to_numpy()
    scores["exact_match"] = 0.0
    for (rung, seed), item in zip(runs[:4], ("i00", "i03", "i05", "i09"), strict=True):
        lucky = (scores["rung"] == rung) & (scores["seed"] == seed) & (scores["item"] == item)
        scores.loc[lucky, "exact_match"] = 1.0
    found = structure_table(scores, sizes, items(shared=True), {}).iloc[0]
    assert (found["observed_low"], found["observed_high"]) == (1, found["n_items"])
    assert found["taken_from"] == "design"
    assert found["n_eff"] < 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"designed": 2.079}, "137 items are worth 2.08 tasks by design; nothing is seen"),
        (
            {"designed": 2.079, "observed": 137, "observed_low": 1, "observed_high": 137},
            "137 items are worth 2.08 tasks by design; seen are 137 (90%: 1 to 137)",
        ),
        (
            {"taken_from": "seeds", "n_eff": 9.97, "observed": 9.97, "observed_low": 4.47, "observed_high": 22.27},
            "137 items are worth 9.97 tasks as seen between seeds (90%: 4.47 to 22.3)",
        ),
        (
            {"taken_from": "trend", "designed": 3.0, "observed": 2.08, "observed_low": 1, "observed_high": 9.5},
            "137 items are worth 2.08 tasks as seen around a trend (90%: 1 to 9.5); designed are 3",
        ),
        (
            {"taken_from": "independent items", "n_eff": 137},
            "137 items are worth 137 tasks taken for independent, as nothing says what they need; nothing is seen",
        ),
    ],
)
def test_a_number_of_tasks_says_whether_it_is_seen_or_designed(row: dict[str, float | str], said: str) -> None:
    assert worth({"n_items": 137, "n_eff": 2.079, "taken_from": "design", **row}) == said
