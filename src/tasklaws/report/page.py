"""The report's page: all that the template needs, computed from the results."""

from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from markupsafe import Markup

from tasklaws.forecast.surprises import FAILED, SOLVED
from tasklaws.plotting import inline, letters, repeated, short
from tasklaws.report import shapes, tables
from tasklaws.report.claims import claims, describe_rise
from tasklaws.report.load import Results
from tasklaws.report.orders import OrderResults, order_section
from tasklaws.report.overlap import Experiment
from tasklaws.report.surprises import Surprises
from tasklaws.report.template import template

TOP_SURPRISES = 8


@dataclass(frozen=True, eq=False)
class PageContent:
    """What the page shows: all results, each figure's SVG by name, and the inputs with their SHA-256."""

    results: Results
    orders: OrderResults
    surprises: Surprises
    experiment: Experiment | None
    svgs: dict[str, str]
    inputs: list[tuple[str, str]]


class FamilyBlock(NamedTuple):
    """A family with an example, and the names of its figures by elicitation."""

    name: str
    n_items: int
    question: str
    answer: str
    learned: bool
    figures: dict[str, list[str]]


def render_page(content: PageContent) -> str:
    """The whole page as text."""
    results, svgs = content.results, content.svgs
    shown: set[str] = set()

    def figure(name: str) -> Markup:
        """The named figure, nothing if there is none; a second time only a reference to the first."""
        if name not in svgs:
            return Markup("")
        again = name in shown
        shown.add(name)
        return Markup((repeated if again else inline)(svgs[name], name, escape(name.replace("-", " "))))

    rises = {
        task: {
            metric: rise
            for metric in results.metrics(task)
            if (rise := shapes.rise_of(results.observed(task, metric), metric)) is not None
        }
        for task in results.tasks
    }
    return template("page.html.jinja").render(
        ladder=results.paths.ladder,
        results=results,
        tables=tables,
        shapes=shapes,
        figure=figure,
        letters=Markup(letters(list(svgs.values()))),
        tiles=tiles(results),
        families=family_blocks(results, set(svgs)),
        chains=sorted(results.made_by("step_chain"), key=lambda family: results.families[family]["overlap"]),
        rises=rises,
        describe=lambda task: describe_rise(rises[task]["exact_match"]),
        claims=claims(results),
        orders=order_section(results, content.orders),
        surprises=content.surprises,
        kinds=(SOLVED, FAILED),
        n_surprises=TOP_SURPRISES,
        experiment=content.experiment,
        inputs=content.inputs,
    )


def tiles(results: Results) -> list[tuple[str, str]]:
    """The page's opening figures: (value, what it is)."""
    sizes = list(results.n_params.values())
    models = results.observations[["rung", "seed"]].drop_duplicates()
    verdicts = results.forecasts.loc[results.forecasts["metric"] == "exact_match", "verdict"].value_counts()
    return [
        (str(len(sizes)), f"rungs, from {short(sizes[0])} to {short(sizes[-1])} parameters"),
        (str(len(models)), "models, counting seeds"),
        (f"{len(results.items):,}", f"items in {len(results.families)} families"),
        *((str(count), f"curves judged “{verdict}”") for verdict, count in sorted(verdicts.items())),
    ]


def family_blocks(results: Results, figures: set[str]) -> list[FamilyBlock]:
    """Each family that was asked, with those of its curves that are drawn."""
    blocks: dict[str, FamilyBlock] = {}
    for task in results.tasks:
        name, elicitation = task
        items = results.items[results.items["family"] == name]
        question, answer = ("", "") if items.empty else items.iloc[len(items) // 3][["question", "answer"]]
        block = blocks.setdefault(
            task[0], FamilyBlock(task[0], len(items), question, answer, task[0] not in results.unlearned, {})
        )
        stem = "-".join(task)
        names = [f"{stem}-{metric}" for metric in results.metrics(task)] + [f"{stem}-tokens"]
        block.figures[elicitation] = [each for each in names if each in figures]
    return list(blocks.values())
