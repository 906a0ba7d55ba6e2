"""From a point of a curve, a task at a rung, to its items, what each model said to them, and each program's run."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.schema import (
    BENCHMARK,
    AnyItem,
    Elicitation,
    Item,
    Response,
    items_file,
    read_asked_items,
    read_family_items,
    read_responses,
)
from tasklaws.families.prompts import Prompts, prompt
from tasklaws.ladder.card import MadeBy, read_made_by
from tasklaws.paths import Paths
from tasklaws.trace.ground import Ground, brief
from tasklaws.trace.node import Facts, Node
from tasklaws.trace.outputs import Walk, models_node

if TYPE_CHECKING:  # seconds of imports, which only those who name a task wait for
    import pandas as pd

    from tasklaws.sandbox import Outcome

CORPUS = ("corpus", "likelihood")
_SHOWN_TEXT = 60


@dataclass(frozen=True)
class Line:
    """A row of a JSONL file: its number from 1, and the SHA-256 of its bytes with the end of line."""

    number: int
    sha256: str


class Place:
    """One rung of one ladder: its scores, what made them, and what its checkpoints said, the final ones or others."""

    def __init__(self, ground: Ground, ladder: str, role: str, rung: str, at: frozenset[int] = frozenset()) -> None:
        """`at`: the training steps asked about, the last ones if none is given."""
        self.ground, self.ladder, self.role, self.rung, self.at = ground, ladder, role, rung, at
        self.paths = Paths(ladder, ground.root)
        self.scores_file = self._name(self.paths.scores(role) / f"{rung}.csv")
        self.responses_file = self._name(self.paths.responses(rung))
        self._plain: dict[str, dict[str, str]] = {}  # family -> item -> its question in plain language

    def _name(self, path: Path) -> str:
        return path.relative_to(self.ground.root).as_posix()

    @cached_property
    def made_by(self) -> MadeBy:
        return read_made_by(self.paths.scores(self.role), self.rung)

    @cached_property
    def shown(self) -> frozenset[tuple[int, int]]:
        """The (seed, step) of the checkpoints asked about; steps that none has raise TasklawsError."""
        every = self.made_by.card.checkpoints
        found = frozenset((one.seed, one.step) for one in every if (one.step in self.at if self.at else one.is_final))
        if not found:
            known = ", ".join(map(str, sorted({one.step for one in every})))
            raise TasklawsError(f"{self.rung} has no checkpoint of step {min(self.at)}: its steps are {known}")
        return found

    def asked(self, setting: str) -> Any:
        """How it was asked, by one setting of core.settings.Asking; None where no record tells."""
        written = self.ground.chain.written(self.responses_file)
        params = written[0].params if written else {}
        own = params.get(f"models.rungs.{self.rung}", {}).get("asking", {})
        return own.get(setting, params.get(f"models.{setting}"))

    @cached_property
    def n_shots(self) -> int | None:
        """How many solved examples stood before each prompt."""
        shots: int | None = self.asked("num_fewshot")
        return shots

    @cached_property
    def prompts(self) -> Prompts:
        return "plain" if self.asked("prompts") == "plain" else "terse"

    def prompt(self, item: AnyItem, elicitation: Elicitation) -> str:
        """What was read before the answer, examples aside."""
        question = item.question
        if self.prompts == "plain":
            if item.family not in self._plain:
                rows = read_family_items([f"{item.family}.plain"], self.paths.items)
                self._plain[item.family] = {one.id: one.question for one in rows}
            question = self._plain[item.family][item.id]
        return prompt(question, elicitation, self.prompts)

    @cached_property
    def scores(self) -> "pd.DataFrame":
        """The scores of these checkpoints, their rows' numbers in the file (2 is the first) as `line`."""
        from tasklaws.tables import SCORES

        table = SCORES.read(self.paths.scores(self.role) / f"{self.rung}.csv")
        table = table.assign(line=range(2, len(table) + 2))
        return table[[pair in self.shown for pair in zip(table["seed"], table["step"], strict=True)]]

    @cached_property
    def said(self) -> list[tuple[Response, Line]]:
        """What they said."""
        path = self.paths.responses(self.rung)
        rows = zip(read_responses(path, self.rung), _lines(path), strict=True)
        return [(one, line) for one, line in rows if (one.seed, one.step) in self.shown]

    def items(self, family: str) -> dict[str, tuple[AnyItem, Line]]:
        rows = zip(
            read_asked_items([family], self.paths.root), _lines(items_file(family, self.paths.root)), strict=True
        )
        return {item.id: (item, line) for item, line in rows}

    def items_name(self, family: str) -> str:
        """The file of a family's items, as outputs are named."""
        return self._name(items_file(family, self.paths.root))


def _lines(path: Path) -> Iterator[Line]:
    for number, text in enumerate(filter(None, read_text(path).split("\n")), 1):
        yield Line(number, hashlib.sha256(f"{text}\n".encode()).hexdigest())


def point(place: Place, family: str, elicitation: str, metric: str) -> Node:
    """A task at a rung under a metric: its value, every item with what was said, and the whole chain behind both."""
    name = f"{metric}:{family}_{elicitation}@{place.rung}"
    facts: Facts = {"point": name, "ladder": place.ladder, "role": place.role}
    facts |= {"metric": metric, "family": family, "elicitation": elicitation, "rung": place.rung}
    observed = _observations(place, family, elicitation, metric)
    facts |= {"observations": observed, "value": sum(each["value"] for each in observed) / len(observed)}
    line = f"{name} = {facts['value']:.6g}, the mean of {len(observed)} seed{'s' if len(observed) > 1 else ''}"
    if forecast := _forecast(place, family, elicitation, metric):
        facts["forecast"] = forecast
        line += f"; forecast {forecast['predicted']:.6g} [{forecast['lower']:.6g}, {forecast['upper']:.6g}]"
    node = Node(line, facts)
    if (family, elicitation) != CORPUS:
        node.children.append(answers_node(place, family, [elicitation], metric=metric))
    node.children += _behind(place, bool(forecast))
    return node


def one_item(place: Place, item: str, family: str) -> Node:
    """An item at a rung: question, answer, what each checkpoint said in every way, and the chain behind it."""
    elicitations = sorted(set(place.scores.loc[place.scores["item"] == item, "elicitation"]))
    if not elicitations:
        raise TasklawsError(f"{place.scores_file} has no score of {item}: run `dvc repro score@{place.rung}`")
    node = answers_node(place, family, elicitations, item)
    node.children += _behind(place, False)
    return node


def _behind(place: Place, forecast: bool) -> list[Node]:
    """The models, and the chain behind the scores of a rung (and its forecast): from it all else follows."""
    walk, made_by = Walk(place.ground), place.made_by
    nodes = [models_node(place.ground, f"models/{place.rung}", made_by.card, place.shown)]
    nodes += [Node(f"sandbox: {made_by.sandbox}", {"sandbox": made_by.sandbox}), walk.output(place.scores_file)]
    # They hold other rungs too, which have no part in this point.
    nodes.append(walk.output(place._name(place.paths.observations(place.role)), deep=False))
    return [*nodes, walk.output(place._name(place.paths.forecasts))] if forecast else nodes


def _observations(place: Place, family: str, elicitation: str, metric: str) -> list[Facts]:
    """The rows of the observations that the point is drawn from, with the mean of the scores below each."""
    from tasklaws.tables import read_checkpoints

    path = place.paths.observations(place.role)
    table = read_checkpoints(path)
    table = table.assign(line=range(2, len(table) + 2))
    shown = [pair in place.shown for pair in zip(table["seed"], table["step"], strict=True)]
    at_rung = table[shown]
    at_rung = at_rung[at_rung["rung"] == place.rung]
    own = at_rung[(at_rung["family"] == family) & (at_rung["elicitation"] == elicitation)]
    rows = own[own["metric"] == metric]
    if rows.empty:
        raise TasklawsError(
            f"{place._name(path)} has no {metric} of {family}_{elicitation} at {place.rung}: its metrics are "
            f"{', '.join(sorted(set(own['metric']))) or 'none'}"
        )
    scores = place.scores
    same = scores[(scores["family"] == family) & (scores["elicitation"] == elicitation)]
    found = []
    for row in rows.to_dict("records"):
        fact = {"file": place._name(path), "line": row["line"], "seed": row["seed"], "step": row["step"]}
        fact |= {"value": row["value"], "n_items": row["n_items"] if row["n_items"] == row["n_items"] else None}
        if metric in same:
            fact["mean_of_scores"] = float(same.loc[same["seed"] == row["seed"], metric].mean())
        found.append(fact)
    return found


def _forecast(place: Place, family: str, elicitation: str, metric: str) -> Facts | None:
    from tasklaws.tables import FORECASTS

    if place.role != "holdout" or place.at or not place.paths.forecasts.is_file():
        return None
    table = FORECASTS.read(place.paths.forecasts)
    own = (table["family"] == family) & (table["elicitation"] == elicitation) & (table["metric"] == metric)
    for line, row in enumerate(table.to_dict("records"), 2):
        if row["rung"] == place.rung and own.iloc[line - 2]:
            kept = {name: row[name] for name in ("predicted", "lower", "upper", "verdict")}
            return {"file": place._name(place.paths.forecasts), "line": line, **kept}
    return None


def answers_node(
    place: Place, family: str, elicitations: Iterable[str], only: str | None = None, metric: str = "exact_match"
) -> Node:
    """The items of a family (or one of them) with what each checkpoint said, its score, and its program run anew.

    No outcome is taken from a store: every program runs in the sandbox now.
    """
    ways = set(elicitations)
    items = place.items(family)
    said = [
        (one, line)
        for one, line in place.said
        if one.family == family and one.elicitation in ways and only in (None, one.item)
    ]
    programs = [(one, items[one.item][0]) for one, _ in said if one.elicitation == "python"]
    ran = _run_anew([(one, item.fuel) for one, item in programs if isinstance(item, Item)])
    scores = {(row["item"], row["elicitation"], row["seed"]): row for row in _rows(place, family)}
    by_item: dict[str, list[Node]] = {}
    for one, line in said:
        row = scores.get((one.item, one.elicitation, one.seed))
        if row is None:
            raise TasklawsError(f"{place.scores_file} has no score of {one.item}: run `dvc repro score@{place.rung}`")
        item = items[one.item][0]
        outcome = ran.get((one.response or "", item.fuel)) if isinstance(item, Item) else None
        by_item.setdefault(one.item, []).append(_answer(place, one, line, row, item, outcome, bool(only)))
    nodes = [_item(place, family, *items[name], by_item[name], metric) for name in sorted(by_item)]
    if only is not None:
        return nodes[0]
    file = place.items_name(family)
    sha, sha_said = place.ground.sha256(file), place.ground.sha256(place.responses_file)
    responses = {"path": place.responses_file, "sha256": sha_said}
    told = f"{len(nodes)} items of {file} ({brief(sha)}), said in {place.responses_file} ({brief(sha_said)})"
    return Node(told, {"items": {"path": file, "sha256": sha}, "responses": responses}, nodes)


def _rows(place: Place, family: str) -> list[Facts]:
    """The scores of a family, without the cells that are empty."""
    import pandas as pd

    own = place.scores[place.scores["family"] == family].convert_dtypes()
    return [{str(key): value for key, value in row.items() if pd.notna(value)} for row in own.to_dict("records")]


def _item(place: Place, family: str, item: AnyItem, line: Line, found: list[Node], metric: str) -> Node:
    path = place.items_name(family)
    facts = {"item": item.id, "file": path, "line": line.number, "sha256": line.sha256}
    facts |= {"question": item.question, "answer": item.answer}
    values = [each.facts["score"][metric] for each in found if metric in each.facts["score"]]
    mean = f"{metric} {sum(values) / len(values):.3g}" if values else ""
    text = f"{item.id} ({path}:{line.number}, {brief(line.sha256)})  {item.question} -> {item.answer}  {mean}"
    return Node(" ".join(text.split()) if "\n" in text else text, facts, found)


def _answer(
    place: Place, one: Response, line: Line, row: Facts, item: AnyItem, outcome: "Outcome | None", whole: bool
) -> Node:
    told = {"seed": one.seed, "step": one.step, "elicitation": one.elicitation, "shots_before_prompt": place.n_shots}
    facts: Facts = {**told, "file": place.responses_file, "line": line.number, "sha256": line.sha256}
    if one.elicitation == BENCHMARK:  # lm-eval adds a description, examples and a template to it
        facts |= {"question": item.question}
    else:
        facts |= {"prompt": place.prompt(item, one.elicitation)}
    facts |= {name: value for name in _SAID if (value := getattr(one, name)) is not None}
    names = [*_SCORED, *(name for name in row if name not in _SCORED and name not in _ABOUT)]
    facts["score"] = {name: row[name] for name in names if name in row} | {
        "file": place.scores_file,
        "line": row["line"],
    }
    said = one.response if one.response is not None else one.answers or one.log_likelihoods
    text = json.dumps(said, ensure_ascii=False)
    text = text if whole else _shortened(text)
    scored = ", ".join(f"{name} {facts['score'][name]}" for name in names if name in facts["score"])
    text = f"seed {one.seed} {one.elicitation} ({place.responses_file}:{line.number}) said {text}: {scored}"
    node = Node(text, facts)
    if outcome is not None:
        same = (outcome.status, outcome.fuel) == (row.get("status"), row.get("fuel"))
        facts["run_anew"] = outcome.to_dict() | {"as_scored": same}
        printed = json.dumps(outcome.stdout, ensure_ascii=False)
        printed = printed if whole else _shortened(printed)
        verdict = "as scored" if same else "OTHERWISE than scored"
        node.line += f"\nrun anew, {verdict}: {outcome.status}, fuel {outcome.fuel}, printed {printed} {outcome.error}"
    return node


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}…"


_SAID = ("response", "log_likelihood", "log_likelihoods", "answers")
_SCORED = ("exact_match", "partial_credit", "target_bits_per_byte", "brier", "status", "fuel")
_ABOUT = ("rung", "seed", "step", "family", "elicitation", "item", "chance", "response", "line")


def _run_anew(programs: list[tuple[Response, int]]) -> "dict[tuple[str, int], Outcome]":
    """The outcome of every program that was said, by (response, fuel), each run once."""
    if not programs:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    from tasklaws.harness.metrics import program_of
    from tasklaws.sandbox import run

    asked = sorted({(one.response or "", fuel) for one, fuel in programs})
    with ThreadPoolExecutor() as pool:
        outcomes = pool.map(lambda each: run(program_of(each[0]), each[1]), asked)
        return dict(zip(asked, outcomes, strict=True))
