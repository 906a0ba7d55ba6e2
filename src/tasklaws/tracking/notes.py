"""What the pages of MLflow's runs say in words: the question, the numbers, the figures, and how to trace them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasklaws.ladder.card import MadeBy

NOTE = "mlflow.note.content"
RESPONSES = "responses.json"
TABLE = {"mlflow.loggedArtifacts": json.dumps([{"path": RESPONSES, "type": "table"}])}
LADDER_RUN = "LADDER_RUN"  # stands for the id of the ladder's run, which is known once it is written
_TABLE_HEAD = ["task", "score", "forecast", "90% interval", "error", "verdict"]
_MOST_TASKS = 24  # tasks shown: MLflow takes 8000 characters


def figure(row: Mapping[str, Any], metric: str) -> str:
    """The name of a task's figure: score against size."""
    return f"{row['family']}-{row['elicitation']}-{metric}.svg"


def of_ladder(
    largest: str, rungs: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], figures: Sequence[Path]
) -> str:
    """The ladder's page: the question, what was forecast and seen of the largest holdout, and every task's figure."""
    known = sum(entry["role"] == "fit" for entry in rungs.values())
    parts = [
        f"**What does {largest} score on each task, forecast from {known} smaller models before it was scored?**",
        "Score: the share of items solved.",
        _table(rows),
        _trace(largest, rows),
        _pictures(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def of_rung(rung: str, made_by: MadeBy, rows: Sequence[Mapping[str, Any]], figures: Sequence[Path]) -> str:
    """A rung's page: what it is, of a holdout what was forecast of it, and where it lies in every task's figure."""
    card = made_by.card
    tokens = "tokens unknown" if card.final.n_tokens is None else f"{card.final.n_tokens:,} tokens"
    size = f"{rung}: {card.n_params:,} non-embedding parameters, {tokens}, {card.origin}."
    parts = (f"**{size}**", _table(rows), _trace(rung, rows), _pictures(figures))
    return "\n\n".join(part for part in parts if part)


def of_seed(rung: str, seed: int) -> str:
    """A seed's page: where to find what it said."""
    return f"**{rung}, trained with seed {seed}.** What it said to each item: {RESPONSES} under Artifacts."


def _trace(rung: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The command that leads from a number to what it rests on."""
    task = rows[0]["task"] if rows else "TASK"
    return f"From a score to its items, responses, weights, params and code: `tasklaws trace {task}@{rung}`"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        [
            row["task"],
            f"{row['observed']:.3f}",
            f"{row['predicted']:.3f}",
            f"{row['lower']:.3f} to {row['upper']:.3f}",
            f"{row['error']:+.3f}",
            row["verdict"],
        ]
        for row in rows[:_MOST_TASKS]
    ]
    if not lines:
        return ""
    # The page leaves no room between columns.
    text = [f"| {'&emsp; | '.join(line)} |" for line in [_TABLE_HEAD, *lines]]
    return "\n".join([text[0], "|---" * len(_TABLE_HEAD) + "|", *text[1:]])


def _pictures(figures: Sequence[Path]) -> str:
    """Score against size: the figures, which the page fetches from the ladder's run."""
    source = f"get-artifact?run_uuid={LADDER_RUN}&path=figures/"
    return " ".join(f"![{path.stem}]({source}{path.name})" for path in figures[:_MOST_TASKS])
