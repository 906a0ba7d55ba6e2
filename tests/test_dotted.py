"""Nested values by dotted keys."""

from tasklaws.provenance.dotted import flatten, value_at


def test_nested_values_are_told_apart_leaf_by_leaf() -> None:
    value = {"laws": {"replicates": 50, "forms": ["a"]}, "experiment": {}}
    assert flatten(value) == {"laws.replicates": 50, "laws.forms": ["a"], "experiment": {}}
    assert flatten({"a": {1: 2}}, "x") == {"x.a.1": 2}
    assert value_at(value, "laws.replicates") == 50
    assert value_at(value, "laws.replicates.more") is None
