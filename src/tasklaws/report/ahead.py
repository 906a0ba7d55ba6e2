"""The page of a forecast: one file that holds its table, figures and reasons."""

from html import escape

from markupsafe import Markup

from tasklaws.forecast.ahead.figures import MOST_CURVES
from tasklaws.forecast.ahead.text import NARROWED_BY, asked_line, by_model, chance, distance, for_people
from tasklaws.forecast.ahead.verb import Forecasted
from tasklaws.plotting import inline, letters
from tasklaws.report.template import template


def ahead_page(found: Forecasted, svgs: dict[str, str]) -> str:
    """The HTML of a forecast whose figures are `svgs` by name; it needs no other file."""
    found = for_people(found)
    groups = [
        {"ladder": ladder, "model": model, "rows": rows, "distance": distance(rows, found.known)}
        | {"asked": asked_line(found.ask_first, ladder, model)}
        for ladder, model, rows in by_model(found.forecasts)
    ]
    weights = found.methods.groupby(["ladder", "model", "method"])["weight"].sum()
    figures = {name: Markup(inline(svg, name, escape(name.replace("-", " ")))) for name, svg in svgs.items()}
    return template("ahead.html.jinja").render(
        ladder=", ".join(dict.fromkeys(found.forecasts["ladder"])),
        groups=groups,
        weights=weights,
        figures=figures,
        letters=Markup(letters(list(svgs.values()))),
        notes=found.notes,
        narrowed_by=NARROWED_BY,
        chance=chance,
        n_curves=len(found.forecasts[["ladder", "task", "metric"]].drop_duplicates()),
        most_curves=MOST_CURVES,
    )
