import numpy as np
import pytest

from tasklaws.stats import gaussian_process as mixture
from tasklaws.stats.links import LOGIT

X = np.linspace(0, 7, 8)[None]
NEW = np.array([[8.0, 9.0]])
NOISE = 1e-4


def told(z, axis=X, target=NEW, noise=NOISE):
    found = mixture.forecast(axis, target, np.atleast_2d(z), np.full(np.atleast_2d(z).shape, noise), LOGIT)
    mean = np.einsum("tk,tks->ts", found.weight, found.mean)
    return mean, np.einsum("tk,tks->ts", found.weight, found.variance + (found.mean - mean[:, None]) ** 2)


def test_a_straight_line_goes_on_and_a_flat_one_stays():
    mean, variance = told([0.4 * X[0] - 1, np.full(8, 0.3)])
    assert mean[0] == pytest.approx([2.2, 2.6], abs=0.05)
    assert mean[1] == pytest.approx([0.3, 0.3], abs=0.05)
    assert (variance[:, 1] > variance[:, 0]).all()
    assert (variance < 0.1).all()


def test_a_point_that_is_missing_tells_nothing():
    z = 0.3 * X[0] + 0.1 * np.sin(X[0])
    z[2] = np.nan
    seen = np.isfinite(z)
    mean, variance = told(z)
    without, narrower = told(z[seen], X[:, seen])
    assert mean == pytest.approx(without, abs=0.01)
    assert variance == pytest.approx(narrower, rel=0.05)


def test_a_noisy_task_is_shrunk_to_what_others_do():
    rng = np.random.default_rng(0)
    flat = rng.normal(0, 0.02, (12, 8))
    noisy = np.where(np.arange(8) == 7, 0.5, 0.0) + rng.normal(0, 0.02, 8)
    variance = np.full((13, 8), 4e-4)
    variance[-1] = 0.09
    alone = mixture.forecast(X, NEW, noisy[None], variance[-1:], LOGIT)
    beside = mixture.forecast(X, NEW, np.vstack([flat, noisy]), variance, LOGIT)
    first, second = (np.einsum("k,ks->s", found.weight[-1], found.mean[-1])[1] for found in (alone, beside))
    assert abs(second) < 0.8 * abs(first)


def test_order_and_batches_of_tasks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 0.3, (7, 8)) + rng.uniform(0, 0.5, (7, 1)) * X
    order = rng.permutation(7)
    mean, variance = told(z)
    moved, spread = told(z[order])
    assert moved == pytest.approx(mean[order], abs=1e-9)
    assert spread == pytest.approx(variance[order], abs=1e-9)
    monkeypatch.setattr(mixture, "_MOST_ENTRIES", 200)
    parted, _ = told(z)
    assert parted == pytest.approx(mean, abs=1e-9)


def test_a_slope_taken_in_by_its_rank_is_the_whole_covariance():
    """Against the textbook formula (Rasmussen and Williams 2006, eq. 2.25 and 2.30) for one kernel."""
    z = np.array([[0.1, 0.5, 0.4, 1.0, 1.2, 1.9, 1.7, 2.2]])
    places = np.concatenate([X, NEW], axis=1) - X.mean()
    index = next(i for i, k in enumerate(mixture.KERNELS) if k.slope == 0.15 and k.bend == 0.3 and k.reach == 1.5)
    kernel = mixture.KERNELS[index]
    full = mixture.covariance(kernel, places, 1.0)[0] + kernel.slope**2 * places[0][:, None] * places[0]
    known = full[:8, :8] + (NOISE + kernel.noise**2) * np.eye(8)
    likelihood, mean, variance = mixture.condition(X, NEW, z, np.full(z.shape, NOISE), 1.0)
    gain = np.linalg.solve(known, full[:8, 8:]).T
    residual = z[0] - z.mean()
    assert mean[0, index] == pytest.approx(z.mean() + gain @ residual)
    assert variance[0, index] == pytest.approx(np.diag(full[8:, 8:] - gain @ full[:8, 8:]) + kernel.noise**2)
    expected = -0.5 * residual @ np.linalg.solve(known, residual) - 0.5 * np.linalg.slogdet(known)[1]
    assert likelihood[0, index] == pytest.approx(expected)
