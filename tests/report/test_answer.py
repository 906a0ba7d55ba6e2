"""The answer first: its numbers are the tables', its words follow them, and a surprise is one by its q."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
from test_report import page, read_page

from tasklaws.core.settings import Settings
from tasklaws.report.answer import REMEDIES, RungAnswer, real_surprises, rung_answers
from tasklaws.report.load import Results
from tasklaws.report.said import read_said
from tasklaws.report.surprises import load_surprises
from tasklaws.report.template import in_points, metric_interval, metric_value, p_value, percent, plain, tidy
from tasklaws.tables import HEADLINES, VERDICT_NAMES


def text_of(part: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split())


def shares(results: Results) -> pd.DataFrame:
    table = results.validation
    return table[table["metric"] == "exact_match"]


def section(text: str, start: str, end: str) -> str:
    return text[text.index(start) : text.index(end)]


def test_each_number_of_the_answer_is_of_the_table(
    three_families_reported: tuple[Path, Settings], results: Results
) -> None:
    root = three_families_reported[0]
    rows = shares(results)
    said = text_of(section(page(root), '<ol class="answers"', "</header>"))
    errors = rows["abs_error"].mean(), rows["abs_error_repeat_last"].mean()
    gain = 100 * (errors[1] - errors[0])
    assert f"are {in_points((rows['upper'] - rows['lower']).mean())} wide on average" in said
    assert f"({int(rows['inside'].sum())} of {len(rows)} held the outcome)" in said
    assert f"off by {in_points(errors[0])}" in said
    assert f"by {in_points(errors[1])}: a gain of {gain:+.1f} points (90%: " in said
    assert f"{rows['equivalent_items'].median():.0f} items" in said
    called = rows[rows["headline"] != HEADLINES[-1]]
    for verdict, count in called["verdict"].value_counts().items():
        assert re.search(rf"verdicts: .*{verdict} {count} ?[,.]", said), verdict
    outside = rows[~rows["inside"].astype(bool)]
    assert ("No outcome came outside its 90% interval." in said) == outside.empty
    for row in outside.itertuples():
        interval = metric_interval(row.lower, row.upper, row.metric)
        assert f"{percent(row.observed)} where {percent(row.predicted)} ({interval}) was forecast" in said
    assert re.search(rf"are \d+ of {len(rows)} shares solved, \d+ of \d+ skills and \d+ of [\d,]+ items", said)
    counted = text_of(section(page(three_families_reported[0]), 'id="tasks"', 'id="families"'))
    for column, names in (("headline", HEADLINES), ("verdict", VERDICT_NAMES)):
        for name in names:
            assert re.search(rf"{name} {(rows[column] == name).sum()} ?[,;.]", counted), name


def test_the_tables_of_tasks_are_the_validation(
    three_families_reported: tuple[Path, Settings], results: Results
) -> None:
    root = three_families_reported[0]
    part = section(page(root), 'id="tasks"', 'id="families"')
    for row in shares(results).itertuples():
        mark = "✓" if row.inside else "✗"
        cells = [f"{row.family} · {row.elicitation}", percent(row.predicted)]
        cells += [metric_interval(row.lower, row.upper, row.metric), f"{percent(row.observed)} {mark}"]
        cells += [row.headline, row.verdict, f"{row.equivalent_items:.0f}", f"{100 * row.abs_error:.1f}"]
        assert " ".join([*cells, f"{100 * row.abs_error_repeat_last:.1f}"]) in text_of(part)
    screens = text_of(section(page(root), 'id="families"', 'id="surprises"'))
    for row in shares(results).itertuples():
        interval = metric_interval(row.lower, row.upper, row.metric)
        assert f"forecast {percent(row.predicted)} ({interval}), it solved {percent(row.observed)}" in screens


def test_every_link_of_the_answer_leads_down(three_families_reported: tuple[Path, Settings], results: Results) -> None:
    reader = read_page(page(three_families_reported[0]))
    assert set(reader.references) <= set(reader.ids)
    answer = section(page(three_families_reported[0]), '<ol class="answers"', "</ol>")
    assert all("href=" in one for one in answer.split("<li>")[1:] if "cannot be called" in one or "ask it" in one)


def answered(results: Results, error: float, repeat: float) -> RungAnswer:
    """The answer where every forecast, and every repetition, is off by about so much."""
    wobble = np.linspace(0.9, 1.1, len(results.validation))
    changed = results.validation.assign(abs_error=error * wobble, abs_error_repeat_last=repeat * wobble)
    return rung_answers(replace(results, validation=changed))[0]


def test_the_gain_may_be_negative(three_families_reported: tuple[Path, Settings], results: Results) -> None:
    better, worse = answered(results, 0.02, 0.2), answered(results, 0.2, 0.02)
    assert (better.against_repeating, worse.against_repeating) == ("better", "worse")
    assert better.gain_low <= better.gain <= better.gain_high
    assert worse.gain_high < 0
    assert answered(results, 0.1, 0.1).against_repeating == "no better"


def test_all_words_are_counted_and_each_verdict_has_a_remedy(
    three_families_reported: tuple[Path, Settings], results: Results
) -> None:
    one = rung_answers(results)[0]
    assert (list(one.headlines), list(one.verdicts)) == (list(HEADLINES), list(VERDICT_NAMES))
    assert sum(one.headlines.values()) == sum(one.verdicts.values()) == len(one.rows)
    assert sum(map(len, one.unforecast.values())) == one.headlines["not forecastable"]
    assert set(REMEDIES) == set(VERDICT_NAMES)


def test_without_forecasts_there_is_no_answer(three_families_reported: tuple[Path, Settings], results: Results) -> None:
    assert rung_answers(replace(results, validation=results.validation[:0])) == []


def test_a_surprise_is_one_by_its_false_discovery_rate(
    three_families_reported: tuple[Path, Settings], results: Results
) -> None:
    surprises = load_surprises(results, read_said(results))
    calm = surprises.items.assign(evidence_bits=0.5)
    told = results.validation.assign(link_mean=0.0, link_sd=100.0)
    quiet = replace(surprises, items=calm, skills=surprises.skills.assign(q_value=0.5))
    none, counts = real_surprises(replace(results, validation=told), quiet)
    assert none == {}
    assert counts == {"share": 0, "skill": 0, "item": 0}
    # The most surprising of many is none, a very surprising one is.
    bits = np.where(np.arange(len(calm)) == 0, 6.0, 0.5)
    assert (
        real_surprises(replace(results, validation=told), replace(quiet, items=calm.assign(evidence_bits=bits)))[0]
        == {}
    )
    found, counts = real_surprises(
        replace(results, validation=told), replace(quiet, items=calm.assign(evidence_bits=5 * bits))
    )
    (task,) = found
    assert (found[task].kind, found[task].name) == ("item", calm.iloc[0]["question"])
    assert counts["item"] == 1


def test_evidence_and_small_numbers_are_plain() -> None:
    assert plain("forecast +-0.2, p = 3e-05; over 0.693 e-folds") == "forecast ±0.2, p <0.001; over 2 times the size"
    assert (p_value(3e-5), p_value(0.023)) == ("<0.001", "0.023")
    assert metric_interval(3e-5, 0.00043, "brier") == "<0.001"
    assert (tidy(6.3e-6), tidy(1.2e12), metric_value(6.3e-6, "brier")) == ("<0.001", "1.2T", "<0.001")
