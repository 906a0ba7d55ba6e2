"""The figures of one page: each once, with links on its points, and the letters that they share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from markupsafe import Markup

from tasklaws.core.marks import SHOWN
from tasklaws.plotting import inline, letters, repeated
from tasklaws.report.load import Task
from tasklaws.report.points import Placed, point_links
from tasklaws.report.template import readable


@dataclass(frozen=True, eq=False)
class Drawn:
    """All figures of a ladder as files, by name, with the digest of each one's record; and where the points of curves
    lie, with the task of the curve."""

    svgs: Mapping[str, str]
    digests: Mapping[str, str]
    places: Mapping[str, tuple[Task, list[Placed]]]


@dataclass(eq=False)
class Album:
    """What one page shows of them; `home` leads from the page to the ladder's folder (`../`)."""

    drawn: Drawn
    home: str = ""
    _shown: list[str] = field(default_factory=list)

    def figure(self, name: str) -> Markup:
        """The named figure, nothing if there is none; a second time only a reference to the first."""
        svg = self.drawn.svgs.get(name)
        if svg is None:
            return Markup("")
        picture = (repeated if name in self._shown else inline)(
            svg, name, escape(str(readable(name.replace("-", " "))))
        )
        picture = picture.replace("<svg", f'<svg data-provenance="{self.drawn.digests[name][:SHOWN]}"', 1)
        if name in self.drawn.places and name not in self._shown:
            task, places = self.drawn.places[name]
            picture = f'<div class="plot">{picture}\n{point_links(_identity(name), places, task, self.home)}</div>'
        self._shown.append(name)
        return Markup(picture)

    def __html__(self) -> str:
        """The letters of the figures that were shown: to be printed after the last of them."""
        return letters([self.drawn.svgs[name] for name in dict.fromkeys(self._shown)])


def _identity(name: str) -> str:
    """The name as the ids of a page have it: metrics of benchmarks have names of their own."""
    return re.sub(r"[^\w.,@-]", "_", name)
