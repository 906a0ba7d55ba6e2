"""Curves with known truth."""

import numpy as np

from tasklaws.laws import Curve

SIZES = np.array([1e3, 2e3, 4e3, 8e3, 1.6e4, 3.2e4, 6.4e4])


def accuracy(x, value, n_items=100, chance=0.0, items=None):
    x = np.asarray(x, float)
    value = np.asarray(value, float)
    return Curve("accuracy", x, value, np.full(len(x), float(n_items)), np.full(len(x), np.nan), chance, items)


def loss(x, value, stderr=np.nan, items=None):
    x = np.asarray(x, float)
    return Curve("loss", x, np.asarray(value, float), np.ones(len(x)), np.full(len(x), stderr), None, items)


def solved(probability, rng, sizes=SIZES, seeds=2, n_items=400, chance=0.0):
    """An accuracy curve whose items are solved at random with `probability(x)`."""
    x = np.repeat(sizes, seeds)
    items = (rng.random((n_items, len(x))) < probability(x)).astype(float)
    return accuracy(x, items.mean(axis=0), n_items, chance, items)


def noisy(mean, rng, sizes=SIZES, seeds=2, spread=0.02):
    """A loss curve with log-normal noise of each seed."""
    x = np.repeat(sizes, seeds)
    return loss(x, mean(x) * np.exp(spread * rng.standard_normal(len(x))))
