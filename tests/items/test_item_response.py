"""Item response: parameters recovered, gaps and fractions counted for what they are, intervals that hold."""

import numpy as np
import pytest
from populations import draw
from scipy.optimize import minimize
from scipy.special import expit

from tasklaws.core.arrays import Array
from tasklaws.items.covariates import Explanation
from tasklaws.items.irt import CENTRE_SD, EFFECT_SD, Basis, fit_item_response

LEVEL = np.ones(1)
Z = 1.6449


def level(n_models: int) -> dict[str, Array]:
    return {"level": np.ones((n_models, 1))}


def test_without_random_effects_it_is_a_penalised_logistic_regression() -> None:
    people = draw(np.random.default_rng(0), 80, 6, missing=0.2)
    covariates = people.explanation.covariates
    fit = fit_item_response(people.scores, Explanation(covariates, {}), {}, np.zeros(80))
    asked = ~np.isnan(people.scores)

    def cost(parameters: Array) -> float:
        ability, effects = parameters[:6], parameters[6:]
        eta = ability + (covariates @ effects)[:, None]
        centre = ability.mean()
        prior = ((ability - centre) ** 2).sum() / fit.sd["ability"] ** 2 + 6 * centre**2 / CENTRE_SD**2
        prior += (effects**2).sum() / EFFECT_SD**2
        return float((np.logaddexp(0, eta) - people.scores * eta)[asked].sum() + prior / 2)

    by_search = minimize(cost, np.zeros(8), method="BFGS", options={"gtol": 1e-5}).x
    assert np.concatenate([fit.ability, fit.effects]) == pytest.approx(by_search, abs=2e-3)
    assert fit.converged


def test_a_fraction_is_that_share_of_a_success() -> None:
    scores = draw(np.random.default_rng(1), 40, 8).scores
    mixed = scores.copy()
    mixed[:, 0] = 0.5
    fit = fit_item_response(mixed, Explanation(np.zeros((40, 0)), {}), level(8), np.zeros(40))
    solved = expit(fit.ability[0] + fit.offsets(LEVEL)).mean()
    assert solved == pytest.approx(0.5, abs=0.02)


def test_missing_cells_are_left_out_not_failed() -> None:
    people = draw(np.random.default_rng(2), 60, 12)
    half = people.scores.copy()
    half[30:, 0] = np.nan
    fit = fit_item_response(half, people.explanation, level(12), np.zeros(60))
    failed = fit_item_response(np.nan_to_num(half), people.explanation, level(12), np.zeros(60))
    assert abs(fit.ability[0] - people.ability[0]) < Z * 2 * fit.curvature.shared_stderr()[0]
    assert failed.ability[0] < fit.ability[0] - 1


def test_the_order_of_models_and_items_does_not_matter() -> None:
    people = draw(np.random.default_rng(3), 50, 9, missing=0.1)
    items, models = np.random.default_rng(4).permutation(50), np.random.default_rng(5).permutation(9)
    fit = fit_item_response(people.scores, people.explanation, level(9), np.zeros(50))
    shuffled = fit_item_response(
        people.scores[items][:, models], people.explanation.take(items), level(9), np.zeros(50)
    )
    assert shuffled.ability == pytest.approx(fit.ability[models], abs=1e-6)
    assert shuffled.offsets(LEVEL) == pytest.approx(fit.offsets(LEVEL)[items], abs=1e-6)


def test_items_nobody_solved_are_told_apart_by_what_explains_them() -> None:
    people = draw(np.random.default_rng(6), 200, 8)
    scores = people.scores.copy()
    scores[:100][people.offsets[:100] < -1] = 0
    fit = fit_item_response(scores, people.explanation, level(8), np.zeros(200))
    never = np.flatnonzero(~(scores > 0).any(axis=1))
    alone = fit_item_response(scores, Explanation(np.zeros((200, 0)), {}), level(8), np.zeros(200))
    assert np.ptp(alone.offsets(LEVEL)[never]) < 1e-6
    assert np.corrcoef(fit.offsets(LEVEL)[never], people.explanation.covariates[never] @ people.effects)[0, 1] > 0.7


def test_guessing_is_not_taken_for_ability() -> None:
    rng = np.random.default_rng(7)
    people = draw(rng, 300, 10, chance=0.25)
    guessed = fit_item_response(people.scores, people.explanation, level(10), np.full(300, 0.25))
    naive = fit_item_response(people.scores, people.explanation, level(10), np.zeros(300))
    assert guessed.converged
    errors = [np.abs(fit.ability - people.ability).mean() for fit in (guessed, naive)]
    assert errors[0] < errors[1] / 2


def test_discrimination_is_found_where_items_differ_in_it() -> None:
    rng = np.random.default_rng(8)
    levels = np.linspace(-2, 2, 40)
    slopes, easiness = rng.normal(0, 0.7, 150), rng.normal(0, 1.5, 150)
    solve = expit(levels + easiness[:, None] + slopes[:, None] * (levels - levels.mean()))
    scores = (rng.random(solve.shape) < solve).astype(float)
    basis = Basis.at(levels, np.arange(40.0), ("level", "slope"))
    fit = fit_item_response(scores, Explanation(np.zeros((150, 0)), {}), basis(levels, np.arange(40.0)), np.zeros(150))
    assert np.corrcoef(fit.residuals[:, 1], slopes)[0, 1] > 0.8
    assert fit.sd["slope"] == pytest.approx(0.7, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(("n_models", "missing"), [(40, 0.0), pytest.param(80, 0.3, marks=pytest.mark.heavy)])
def test_90_percent_intervals_hold_in_87_to_93_percent_of_populations(n_models: int, missing: float) -> None:
    rng = np.random.default_rng(9)
    held: dict[str, list[float]] = {"difficulty": [], "ability": [], "effects": []}
    for _ in range(300):
        people = draw(rng, 120, n_models, missing)
        fit = fit_item_response(people.scores, people.explanation, level(n_models), np.zeros(120))
        shared_stderr = fit.curvature.shared_stderr()
        for name, error, stderr in [
            ("difficulty", fit.offsets(LEVEL) - people.offsets, fit.offsets_stderr(LEVEL)),
            ("ability", fit.ability - people.ability, shared_stderr[:n_models]),
            ("effects", fit.effects[:2] - people.effects, shared_stderr[n_models:][:2]),
        ]:
            held[name].append(float((np.abs(error) < Z * stderr).mean()))
    coverage = {name: np.mean(shares) for name, shares in held.items()}
    assert all(0.87 <= share <= 0.93 for share in coverage.values()), coverage


@pytest.mark.parametrize("without", [False, True])
def test_effects_of_families_are_the_same_whether_or_not_they_are_eliminated(
    monkeypatch: pytest.MonkeyPatch, without: bool
) -> None:
    """The families alone, or beside skills that cross them; some items may be of no family."""
    rng = np.random.default_rng(9)
    people = draw(rng, 90, 7, missing=0.1)
    groups = {"family": people.explanation.groups["family"].copy(), "skills": (rng.random((90, 4)) < 0.4) * 1.0}
    if without:
        groups["family"][:20] = 0
    explanation = Explanation(people.explanation.covariates, groups)
    levels, places = np.linspace(-1, 1, 7), np.arange(7.0)
    blocks = Basis.at(levels, places, ("level", "slope"))(levels, places)
    eliminated = fit_item_response(people.scores, explanation, blocks, np.zeros(90))
    monkeypatch.setattr("tasklaws.items.irt._nested", lambda explanation: "")
    together = fit_item_response(people.scores, explanation, blocks, np.zeros(90))
    assert eliminated.crossed.sum() == together.crossed.sum() - 10
    assert eliminated.effects == pytest.approx(together.effects, abs=1e-8)
    assert eliminated.sd == pytest.approx(together.sd)
    basis = np.array([1.0, 0.7])
    assert eliminated.offsets_stderr(basis) == pytest.approx(together.offsets_stderr(basis), abs=1e-8)
