"""The pages of items: of a family every point in a table, and behind each rung its items with prompts, right answers,
what was said and how it was scored."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple, cast

import pandas as pd

from tasklaws.core.schema import BENCHMARK, Elicitation, read_family_items
from tasklaws.core.settings import Asking, Settings
from tasklaws.families.prompts import prompt
from tasklaws.report.album import Album, Drawn
from tasklaws.report.load import Results, Task, program_outcomes
from tasklaws.report.points import Point, TaskAtRung, curve_points, family_page, trace_command
from tasklaws.report.said import SaidAnswer
from tasklaws.report.template import counted, metric_value, metric_word, percent, template
from tasklaws.tables import scored_metrics

PAGE = 100
"""Items on a page."""
LONGEST_SAID = 2000
"""Characters shown of what was said to an item: more than any answer of a family, fewer than some of benchmarks."""
EXTRAS = {"sha256_power": ["digits"], "gauss_sum": ["n", "map", "fates"], "step_chain": ["steps"]}
"""The figures by kind of item, by the generator of a family."""


class SeedsAnswer(NamedTuple):
    """What some seeds of a rung said alike, and what it was worth."""

    seeds: str
    text: str
    solved: bool
    verdict: str


class AskedItem(NamedTuple):
    """An item as a rung was asked it; `answers` are the seeds'."""

    item: str
    prompt: str
    answer: str
    answers: list[SeedsAnswer]


@dataclass(frozen=True, eq=False)
class ItemPages:
    """All that the pages of items are made from; `digests` are those of the rungs' answers."""

    results: Results
    settings: Settings
    said: dict[str, list[SaidAnswer]]
    drawn: Drawn
    digests: dict[str, str]

    def pages(self) -> Iterator[tuple[str, str]]:
        """Each page as (its address from the ladder's folder, its text)."""
        asked = {(*cell.task, cell.rung): rows for cell, rows in self._cells()}
        page, of_family = template("items.html.jinja"), template("family.html.jinja")
        for family in dict.fromkeys(family for family, _ in self.results.tasks):
            tasks = [task for task in self.results.tasks if task[0] == family]
            points = {task: self._points(task) for task in tasks}
            for task in tasks:
                rungs = [rung for rung in self.results.rungs if (*task, rung) in asked]
                for place, rung in enumerate(rungs):
                    cell, rows = TaskAtRung(task, rung), asked[(*task, rung)]
                    count = -(-len(rows) // PAGE)
                    for number in range(1, count + 1):
                        yield (
                            cell.page(number),
                            page.render(
                                ladder=self.results.paths.ladder,
                                home="../../../../",
                                cell=cell,
                                number=number,
                                count=count,
                                n_items=len(rows),
                                first=(number - 1) * PAGE,
                                rows=rows[(number - 1) * PAGE : number * PAGE],
                                points=[one for one in points[task] if one.rung == rung],
                                asking=self._asked(task, rung),
                                digest=self.digests[rung],
                                trace=trace_command(task, rung, self.results.metrics(task)[0]),
                                rungs=rungs,
                                smaller=rungs[place - 1] if place else None,
                                larger=rungs[place + 1] if place + 1 < len(rungs) else None,
                                letters="",
                            ),
                        )
            album = Album(self.drawn, "../../")
            yield (
                family_page(family),
                of_family.render(
                    ladder=self.results.paths.ladder,
                    home="../../",
                    family=family,
                    tasks=points,
                    figures={task: self._figures(task) for task in tasks},
                    cell=TaskAtRung,
                    figure=album.figure,
                    letters=album,
                ),
            )

    def _points(self, task: Task) -> list[Point]:
        """The points of the task's curve on the report: its first metric's."""
        return curve_points(self.results, task, self.results.metrics(task)[0], self.digests)

    def _figures(self, task: Task) -> list[str]:
        """The figures of a task that the report does not show: by kind of item, other metrics, in training."""
        made_by = self.results.families.get(task[0], {}).get("generator", "")
        names = [*EXTRAS.get(made_by, []), *self.results.metrics(task)[1:], "tokens"]
        return [f"{'-'.join(task)}-{name}" for name in names]

    def _asked(self, task: Task, rung: str) -> str:
        """How the rung was asked, in words; a benchmark is put in lm-eval's own way."""
        if task[1] == BENCHMARK:
            return "Asked as lm-eval puts it: a description, examples and a template may stand around the question."
        asking = self.settings.models.asking(rung)
        shots = f"{counted(asking.num_fewshot, 'solved example')} ({asking.shots} family) stood before each prompt. "
        template_ = "The model's own chat template stood around it. " if asking.chat_template else ""
        return (shots if asking.num_fewshot else "No examples stood before a prompt. ") + template_

    @cached_property
    def _plain(self) -> dict[str, str]:
        """The questions in plain language by item, of families of which some rung is asked so."""
        rungs = self.results.rungs
        if not any(self.settings.models.asking(rung).prompts == "plain" for rung in rungs):
            return {}
        names = [f"{family}.plain" for family, way in self.results.tasks if way != BENCHMARK]
        return {one.id: one.question for one in read_family_items(dict.fromkeys(names), self.results.paths.items)}

    def _cells(self) -> Iterator[tuple[TaskAtRung, list[AskedItem]]]:
        """The rows of every task at every rung, items in the order of their file."""
        places = {item: place for place, item in enumerate(self.results.items.index)}
        told = self.results.items[["question", "answer"]].to_dict("index")
        for rung in self.results.rungs:
            marks = self._marks(rung)
            asking = self.settings.models.asking(rung)
            ordered = sorted(self.said[rung], key=lambda one: (one.family, one.elicitation, places[one.item], one.seed))
            for task, answers in groupby(ordered, key=lambda one: (one.family, one.elicitation)):
                rows = [
                    AskedItem(
                        item,
                        self._prompt(item, str(told[item]["question"]), task[1], asking),
                        str(told[item]["answer"]),
                        _alike(list(own), marks),
                    )
                    for item, own in groupby(answers, key=lambda one: one.item)
                ]
                yield TaskAtRung(task, rung), rows

    def _prompt(self, item: str, question: str, elicitation: str, asking: Asking) -> str:
        if elicitation == BENCHMARK:
            return question
        asked = self._plain[item] if asking.prompts == "plain" else question
        return prompt(asked, cast(Elicitation, elicitation), asking.prompts)

    def _marks(self, rung: str) -> dict[tuple[Any, ...], tuple[bool, str]]:
        """Whether an answer solved its item, and the verdict in words, by (seed, elicitation, item)."""
        own = self.results.marks[self.results.marks["rung"] == rung]
        keys = zip(own["seed"], own["elicitation"], own["item"], strict=True)
        return dict(zip(keys, _verdicts(own), strict=True))


def _verdicts(marks: pd.DataFrame) -> Iterator[tuple[bool, str]]:
    """Solved or not, what became of a program, partial credit; of what has no exact match its own scores."""
    fates = program_outcomes(marks).where(marks["status"].notna(), "not solved")
    others = [name for name in scored_metrics(marks) if name not in ("exact_match", "partial_credit")]
    for row, fate in zip(marks.to_dict("records"), fates, strict=True):
        if pd.isna(row["exact_match"]):
            scored = [f"{metric_word(name)} {metric_value(row[name], name)}" for name in others if pd.notna(row[name])]
            yield False, ", ".join(scored)
        elif row["exact_match"] == 1:
            yield True, "solved"
        else:
            partly = row["partial_credit"]
            yield False, fate + (f", partial credit {percent(partly)}" if partly > 0 else "")


def _alike(answers: list[SaidAnswer], marks: dict[tuple[Any, ...], tuple[bool, str]]) -> list[SeedsAnswer]:
    """The answers to an item, those of one text and verdict together."""
    found: dict[tuple[str, bool, str], list[int]] = {}
    for one in answers:
        solved, verdict = marks.get((one.seed, one.elicitation, one.item), (False, "not scored"))
        found.setdefault((one.text, solved, verdict), []).append(one.seed)
    return [
        SeedsAnswer(
            f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}",
            text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID]}… ({len(text)} characters in all)",
            solved,
            verdict,
        )
        for (text, solved, verdict), seeds in found.items()
    ]
