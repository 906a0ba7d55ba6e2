"""The holdout's surprises as rows to show: each item, what was asked, what the model said, and how unlikely it was."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import records
from tasklaws.core.schema import Item, Response, read_responses
from tasklaws.forecast.surprises import EXPECTED, FAILED, SOLVED
from tasklaws.report.load import Evidence, Row
from tasklaws.report.tables import percent
from tasklaws.tables import SURPRISE_COUNTS, SURPRISES, SURPRISING_SKILLS

LONGEST = 160  # characters shown of what a model said
Asked = tuple[str, str, str]


@dataclass(frozen=True)
class Surprises:
    """The tables of surprises; `said` is what the seeds of a holdout said to an item, by (rung, elicitation, item)."""

    items: list[Row]
    counts: list[Row]
    skills: list[Row]
    said: dict[Asked, list[tuple[int, str]]]

    def of(self, rung: str, kind: str) -> list[Row]:
        """The items of a rung that were `kind`, the most surprising first."""
        return [row for row in self.items if row["rung"] == rung and row["surprise"] == kind]


def holdouts_of(evidence: Evidence) -> list[str]:
    return [rung for rung, role in evidence.rungs.items() if role == "holdout"]


def load_surprises(root: Path, evidence: Evidence) -> Surprises:
    """Read the tables of surprises and what was said; a malformed file, or an item without a response, raises
    TasklawsError."""
    results = root / "results" / evidence.ladder
    items = [row for row in records(SURPRISES.read(results / "surprises.csv")) if row["rung"] in evidence.rungs]
    strangers = [row["item"] for row in items if row["item"] not in evidence.items]
    if strangers:
        raise TasklawsError(f"item {strangers[0]} is a surprise and not in data/items: run `dvc repro validate`")
    said: dict[Asked, list[tuple[int, str]]] = {}
    for rung in holdouts_of(evidence):
        path = root / "responses" / evidence.ladder / f"{rung}.jsonl"
        said |= final_words(rung, read_responses(path, rung), evidence)
    for row in items:
        if row["surprise"] != EXPECTED and (row["rung"], row["elicitation"], row["item"]) not in said:
            raise TasklawsError(
                f"rung {row['rung']} has no {row['elicitation']} response to {row['item']}: "
                f"run `dvc repro respond@{row['rung']}`"
            )
    return Surprises(
        items=sorted(items, key=lambda row: row["rank"]),
        counts=records(SURPRISE_COUNTS.read(results / "surprise_counts.csv")),
        skills=records(SURPRISING_SKILLS.read(results / "surprising_skills.csv")),
        said=said,
    )


def final_words(rung: str, responses: list[Response], evidence: Evidence) -> dict[Asked, list[tuple[int, str]]]:
    """What the final checkpoints of a rung said, by item, seeds in order."""
    final = {(row["seed"], row["step"]) for row in evidence.observations if row["rung"] == rung and row["is_final"]}
    found: dict[Asked, list[tuple[int, str]]] = {}
    for response in sorted(responses, key=lambda response: response.seed):
        if (response.seed, response.step) in final and response.item in evidence.items:
            words = words_of(response, evidence.items[response.item])
            found.setdefault((rung, response.elicitation, response.item), []).append((response.seed, words))
    return found


def words_of(response: Response, item: Item) -> str:
    """What was said, or the likeliest choice; cut where it grows long."""
    if response.log_likelihoods is not None:
        if len(response.log_likelihoods) != len(item.choices):
            raise TasklawsError(
                f"{item.id} has {len(item.choices)} choices, not {len(response.log_likelihoods)}: "
                "run `dvc repro respond`"
            )
        likeliest = response.log_likelihoods.index(max(response.log_likelihoods))
        return item.choices[likeliest]
    text = (response.response or "").strip()
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def shown(evidence: Evidence, surprising: Surprises, row: Row) -> dict[str, Any]:
    """One item as the pages show it. Seeds that said the same stand together."""
    item = evidence.items[row["item"]]
    words = Counter(text for _, text in surprising.said.get((row["rung"], row["elicitation"], row["item"]), []))
    return {
        "pair": f"{row['family']} · {row['elicitation']}",
        "question": item.question,
        "answer": item.answer,
        "said": list(words.items()),
        "solved": f"{row['n_solved']:.0f} of {row['n_seeds']:.0f}",
        "probability": percent(row["probability"]),
        "expected": percent(row["expected"]),
        "bits": f"{row['evidence_bits']:.1f}",
        "forecast_bits": f"{row['forecast_bits']:.1f}",
        "skills": row.get("skills", ""),
    }


def summary(surprising: Surprises, rung: str) -> list[str]:
    """A sentence for each threshold: how many items were more surprising, and how many would be by chance."""
    sentences = []
    for row in (row for row in surprising.counts if row["rung"] == rung):
        lower, upper, found = row["lower"], row["upper"], row["found"]
        verdict = (
            "more than chance gives" if found > upper else "fewer than chance gives" if found < lower else "as chance"
        )
        sentences.append(
            f"{found:.0f} of {row['n_items']:.0f} items came out with more than {row['bits']:g} "
            f"bit{'' if row['bits'] == 1 else 's'} of surprise; were the item forecasts right, it would be "
            f"{row['expected']:.1f} (90%: {lower:.0f} to {upper:.0f}): {verdict}."
        )
    return sentences


def surprise_blocks(evidence: Evidence, surprising: Surprises, top: int | None = None) -> list[dict[str, Any]]:
    """For each holdout its summary, and what it solved and failed against expectation, the first `top` of each."""
    return [
        {
            "rung": rung,
            "summary": summary(surprising, rung),
            "kinds": [
                {
                    "title": kind.capitalize(),
                    "count": len(surprising.of(rung, kind)),
                    "rows": [shown(evidence, surprising, row) for row in surprising.of(rung, kind)[:top]],
                }
                for kind in (SOLVED, FAILED)
            ],
        }
        for rung in holdouts_of(evidence)
    ]
