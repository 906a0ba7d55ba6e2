"""Every number in docs/humans.md, computed anew."""

import re

import numpy as np
import pandas as pd
import pytest
from essay import gauss, sha256
from scipy.stats import binomtest

import tiny
from tasklaws.humans.estimates import item_table
from tasklaws.humans.population import simulate_attempts, work_seconds
from tasklaws.humans.sample_size import easier_rate, people_for_width, people_to_tell_apart
from tasklaws.stats.proportions import Mean, pooled_rates, shared_error

PAGE = (tiny.ROOT / "docs/humans.md").read_text()
TEXT = " ".join(PAGE.split())
PEOPLE = tiny.SETTINGS.humans.population


def rows(first: str) -> list[list[str]]:
    """The rows below the table's head that begins with `first`."""
    table = PAGE[PAGE.index(f"| {first}") :].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def short(value: float, digits: int = 4) -> str:
    """.0019 as the page writes it."""
    return f"{value:.{digits}f}".lstrip("0") if value else "0"


def interval(limits, digits: int = 4) -> str:
    low, high = (float(limit) for limit in limits)
    return f"{short(low, digits)} to {short(high, digits)}"


def says(*fragments: str) -> None:
    for fragment in fragments:
        assert fragment in TEXT, fragment


def test_the_essays_times():
    for (label, *cells), item, knows in zip(
        rows("seconds | n = 1"), (sha256, gauss, gauss), (True, False, True), strict=True
    ):
        work = PEOPLE.work["sha256_power" if "sha256" in label else "gauss_sum"]
        found = [work_seconds(work, item(n), knows and bool(work.skips)) for n in (1, 100, 100_000_000)]
        assert cells[:3] == [f"{float(value):.0f}" for value in found], label


def test_how_many_people():
    for rate, *cells in rows("rate | width"):
        assert cells == [str(people_for_width(float(rate), width)) for width in (0.02, 0.05, 0.1, 0.2)]
    for rate, *cells in rows("rate | odds"):
        wanted = [easier_rate(float(rate), ratio) for ratio in (1.25, 1.5, 2, 4)]
        assert cells == [str(people_to_tell_apart(float(rate), easier)) for easier in wanted]
    half = easier_rate(0.5, 1.5)
    says(f"At c = .5 the {people_to_tell_apart(0.5, half)} become {people_to_tell_apart(0.5, half, correlation=0.5)}")


def test_the_tail():
    for k, jeffreys, exact in rows("solved, of 1,000"):
        known = binomtest(int(k), 1000).proportion_ci(0.9, "exact")
        assert jeffreys == interval(Mean.of(1000, int(k), int(k)).interval(0.9))
        assert exact == interval((known.low, known.high))
    one = Mean.of(1000, 1, 1).interval(0.9)
    exact = binomtest(1, 1000).proportion_ci(0.9, "exact")
    says(f"by a factor of {one[1] / one[0]:.0f} (exactly: {exact.high / exact.low:.0f})")
    says(f"none of 1,000 with probability {short(0.999**1000, 2)}")
    errors = [1 / np.sqrt(1000 * p * (1 - p)) for p in (0.001, 0.5)]
    says(f"{errors[0]:.1f} at p = .001, {short(errors[1], 3)} at p = .5, for {(errors[0] / errors[1]) ** 2:.0f} times")
    half, few = (0.001 / (0.001 + error * (1 - 0.001)) for error in (0.001, 0.01))
    assert half == pytest.approx(0.5, abs=0.001)
    says(f"half where p = e = .001, {few:.0%} where e = .01")


def test_a_score_of_17_hundredths():
    coin = Mean.of(100, 33.5, 33.5)
    mean = Mean.of(100, 33.5, 50 * 0.17**2 + 25)
    says(f"give .335 ({interval(mean.interval(0.9), 3)}); taken for a coin, {interval(coin.interval(0.9), 3)}")


def test_pooling():
    alike = np.array([0] + [3] * 90 + [2, 4] * 4, dtype=float)
    spread = np.array([0, 1, 2, 3, 5, 8, 10, 12, 15, 20] * 10, dtype=float)
    for k, words in ((alike, "0 of 1,000 means"), (spread, "from 0 to 20 of 1,000 it means")):
        centre, low, high = (values[0] for values in pooled_rates(k, np.full(len(k), 1000.0), 0.9))
        says(f"{words} {short(centre)} ({interval((low, high))})")


def test_what_the_default_people_do():
    items = [gauss(1_000_000), gauss(100_000_000)]
    target = tiny.SETTINGS.humans.target
    attempts = simulate_attempts(items, PEOPLE, tiny.SETTINGS.seed)
    assert PEOPLE.n_people == 300
    assert target.shares["yes"] == 0.1
    easy, hard = (row for _, row in item_table(attempts, {item.id: "" for item in items}, 0.9, target).iterrows())
    says(
        f"{easy['solve_rate']:.0%} solve `sum 1..1000000` within ten minutes",
        f"its solvers take {easy['solver_seconds']:.0f} s",
        f"{hard['solve_rate']:.0%} solve `sum 1..100000000`",
        f"take **{hard['solver_seconds']:.0f} s**",
        f"solved by {hard['target_rate']:.1%} ({hard['target_rate_low']:.1%} to {hard['target_rate_high']:.1%})",
    )
    assert attempts.loc[attempts["item"].eq(items[1].id) & attempts["solved"].eq(1), "group_gauss"].eq("yes").all()


def test_the_errors_of_the_hashing_items():
    items = list(tiny.items("sha256_power"))
    attempts = simulate_attempts(items, PEOPLE, tiny.SETTINGS.seed)
    shared = shared_error(attempts.assign(in_time=attempts["solved"]))
    found = item_table(attempts, {item.id: "sha256_power" for item in items}, 0.9)

    def half(low: pd.Series, high: pd.Series) -> float:
        return float(np.mean(high - low)) / 2

    naive = pooled_rates(found["n_solved"].to_numpy(float), found["n_people"].to_numpy(float), 0.9)
    says(
        f"by {short(shared, 2)} in the default `sha256_power`",
        f"±{short(half(found['pooled_rate_low'], found['pooled_rate_high']), 3)}, "
        f"for ±{short(half(found['solve_rate_low'], found['solve_rate_high']), 3)} alone",
        f"claim ±{short(half(*naive[1:]), 3)}",
    )


def test_the_page_names_what_exists():
    for path in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (tiny.ROOT / "docs" / path).is_file(), path
