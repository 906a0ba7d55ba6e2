"""Foreign names as people see them: no terminal, page or formula obeys them."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from tasklaws.frames.shown import drawn, shown

NAMES = [
    "$x_1$",
    "a$b$",
    "\\$a$",
    "$\\frac{$",
    "_hidden",
    "__",
    "\x1b]0;title\x07",
    "a\u202eb",
    "two\nlines",
    "\0",
    "\ud800",
]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("gpt-x, 7 µ", "gpt-x, 7 µ"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("a\0b\r\nc\td", "a\\x00b\\r\\nc\\td"),
        ("a\u200bb\ud800", "a\\u200bb\\ud800"),
    ],
)
def test_what_nobody_sees_or_a_terminal_obeys_is_a_code(text: str, seen: str) -> None:
    assert shown(text) == seen


@given(st.text(st.characters()))
def test_any_text_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    shown(text).encode()  # no half of a pair is left


@pytest.mark.parametrize("name", NAMES)
def test_matplotlib_draws_a_name_letter_by_letter(name: str) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], label=drawn(name))
    axes.set_title(drawn(name))
    assert len(axes.legend().get_texts()) == 1
    assert not axes.title._preprocess_math(axes.title.get_text())[1], "no formula"
    figure.savefig(io.BytesIO(), format="svg")
