"""tasklaws.report.template: how numbers are written."""

import pytest

from tasklaws.report.template import (
    counted,
    estimate,
    in_points,
    low_to_high,
    metric_error,
    metric_interval,
    metric_value,
    number,
    percent,
)

NAN = float("nan")


def test_what_is_unknown_is_a_dash_everywhere() -> None:
    written = [percent(NAN), in_points(NAN), number(None, ".2f"), number(NAN, ".2f"), estimate(NAN, NAN, NAN, ".1f")]
    written += [write(NAN, metric) for write in (metric_value, metric_error) for metric in ("exact_match", "brier")]
    assert set(written) == {"–"}


@pytest.mark.parametrize(
    ("share", "written"),
    [(0, "0%"), (0.001, "<1%"), (0.123, "12%"), (0.994, "99%"), (0.999, ">99%"), (1, "100%")],
)
def test_only_nothing_is_0_and_only_everything_is_100_per_cent(share: float, written: str) -> None:
    assert percent(share) == written


def test_numbers_with_their_intervals() -> None:
    assert estimate(4.21, 1, 19.5, ".1f") == "4.2 (1.0 to 19.5)"
    assert low_to_high(0.2, 0.4, ".2f") == "0.20 to 0.40"
    assert in_points(0.0284) == "2.8 points"
    assert [counted(count, "step") for count in (1, 2)] == ["1 step", "2 steps"]


def test_a_metric_is_written_in_its_own_unit() -> None:
    assert (metric_value(0.5, "exact_match"), metric_value(0.5, "brier")) == ("50%", "0.5")
    assert (metric_interval(0.32, 0.81, "exact_match"), metric_interval(0.44, 0.59, "brier")) == ("32–81%", "0.44–0.59")
    assert (metric_error(0.0001, "exact_match"), metric_error(0.0001, "brier")) == ("<1%", "<0.001")
