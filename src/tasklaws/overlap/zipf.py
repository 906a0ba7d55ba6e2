"""Hutter's question: small runs on corpora that differ in nothing but the Zipf exponent of their skills."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from tasklaws.families import build
from tasklaws.ladder import card
from tasklaws.ladder.corpus_files import TRAIN, write_corpus
from tasklaws.ladder.rung import train_rung
from tasklaws.overlap.runs import RUN_COLUMNS
from tasklaws.settings import Corpus, TrainSource
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
    if not (corpus / TRAIN).exists():
        families = build({"chain": {**settings.chain, "zipf": exponent}}, "conf/experiment")
        drawn = Corpus(settings.n_documents, settings.n_heldout, settings.vocab_size, {"chain_direct": 1.0})
        write_corpus(corpus, families, drawn, seed, frozenset())
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
