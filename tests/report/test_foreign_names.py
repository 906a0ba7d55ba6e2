"""What models said, and names, on the pages: codes for what nobody sees."""

import pytest
from markupsafe import Markup

from tasklaws.report.template import readable, template


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\0b\x1b[2J", "a\\x00b\\x1b[2J"),
        ("abc\u202edcba\u2066", "abc\\u202edcba\\u2066"),
        ("two\nlines, µ", "two\nlines, µ"),
        (Markup("<b>\u200b</b>"), Markup("<b>\u200b</b>")),
        (0.5, 0.5),
    ],
)
def test_text_is_readable_and_all_else_stays(text: object, seen: object) -> None:
    assert readable(text) == seen


def test_templates_print_what_is_readable() -> None:
    environment = template("base.html.jinja").environment
    page = environment.from_string("<p>{{ said }}</p>{{ figure }}").render(said="<\0\u202e>", figure=Markup("<svg>"))
    assert page == "<p>&lt;\\x00\\u202e&gt;</p><svg>"
