"""Hutter's question: small runs on corpora that differ in nothing but the Zipf exponent of their skills."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from tasklaws.families import build
from tasklaws.files import write_jsonl
from tasklaws.ladder import card
from tasklaws.ladder.corpus import documents
from tasklaws.ladder.packing import write_encoded
from tasklaws.ladder.rung import train_rung
from tasklaws.ladder.tokenizer import encode, train_tokenizer
from tasklaws.overlap.runs import RUN_COLUMNS
from tasklaws.settings import TrainSource
from tasklaws.typed import DISTINCT, NOT_EMPTY, Count, typed

WORK = Path(".work/zipf")


@dataclass(frozen=True)
class ZipfSettings:
    """`experiment.zipf` of params.yaml: the corpora, and a run of `source` for each of `n_tokens`."""

    n_documents: Count
    n_heldout: Count
    vocab_size: Count
    n_tokens: Annotated[tuple[Count, ...], NOT_EMPTY, DISTINCT]
    chain: dict[str, Any]
    source: dict[str, Any]

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "ZipfSettings":
        """Read them; a value that cannot be raises TasklawsError."""
        remedy = "correct it in conf/experiment"
        found = typed(cls, params["experiment"].get("zipf"), "params.yaml: experiment.zipf", remedy)
        for n_tokens in found.n_tokens:
            typed(TrainSource, {**found.source, "n_tokens": n_tokens}, "params.yaml: experiment.zipf.source", remedy)
        return found


def train_runs(exponent: float, settings: ZipfSettings, seed: int, workers: int) -> pd.DataFrame:
    """The held-out loss of every run on the corpus of one exponent (RUN_COLUMNS).

    Each number of tokens is a run of its own, annealed to its end: checkpoints of one run would not be. Finished runs
    are kept below .work/zipf, keyed by corpus and recipe, so that a killed stage goes on where it was.
    """
    key = sha256(json.dumps([exponent, vars(settings), seed], sort_keys=True).encode()).hexdigest()[:16]
    work = WORK / f"{exponent:g}-{key}"
    corpus = work / "corpus"
    if not (corpus / "train.npy").exists():
        write_corpus(corpus, exponent, settings, seed)
    rows = []
    for n_tokens in settings.n_tokens:
        run = f"zipf{exponent:g}-{n_tokens}"
        out = work / run
        if not (out / card.CARD).exists():
            train_rung(run, {**settings.source, "n_tokens": n_tokens}, corpus, out, workers)
        made = card.read(out)
        for one in made.checkpoints:
            if one.is_final:
                rows.append([exponent, n_tokens, one.seed, made.n_params, one.loss_nats])
    return pd.DataFrame(rows, columns=RUN_COLUMNS)


def write_corpus(out: Path, exponent: float, settings: ZipfSettings, seed: int) -> None:
    """Train and held-out documents, tokenizer and, last, the encoded documents."""
    families = build({"chain": {**settings.chain, "zipf": exponent}})
    learned: frozenset[str] = frozenset()
    for name, count in (("train", settings.n_documents), ("heldout", settings.n_heldout)):
        drawn = list(documents(families, {"chain_direct": 1.0}, count, seed, name, unlike=learned))
        write_jsonl(out / f"{name}.jsonl", [document.to_dict() for document in drawn])
        if name == "train":
            learned = frozenset(document.prompt for document in drawn)
            train = drawn
    tokenizer = train_tokenizer(train, settings.vocab_size)
    tokenizer.save_pretrained(out / "tokenizer")
    write_encoded(out / "train.npy", encode(train, tokenizer))
