"""The pages' templates, all over one base."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from tasklaws.plotting import css_variables


def template(name: str) -> Template:
    """A template of this folder, which knows the colours; an undefined name in it is an error."""
    environment = Environment(
        loader=PackageLoader("tasklaws.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    light, dark = css_variables()
    environment.globals |= {"light": Markup(light), "dark": Markup(dark)}
    return environment.get_template(name)
