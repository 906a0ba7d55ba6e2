"""Small runs on corpora that differ in nothing but the Zipf exponent of their skills."""

import json
import shutil
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pandas as pd

from tasklaws.core.sealed import is_sealed, seal
from tasklaws.core.settings import Corpus, ZipfRuns
from tasklaws.families import build
from tasklaws.ladder import card
from tasklaws.ladder.corpus import write_corpus
from tasklaws.ladder.rung import train_rung, training_key

_ZIPF_WORK = Path(".work/zipf")


def train_runs(exponent: float, settings: ZipfRuns, seed: int, workers: int) -> pd.DataFrame:
    """The held-out loss of every run on the corpus of one exponent (tables.ZIPF_RUNS).

    Each number of tokens is a run of its own, annealed to its end: checkpoints of one run would not be. Finished runs
    are kept below .work/zipf, keyed by corpus and recipe, so that a killed stage goes on where it was.
    """
    key = sha256(json.dumps([exponent, asdict(settings), seed], sort_keys=True).encode()).hexdigest()[:16]
    work = _ZIPF_WORK / f"{exponent:g}-{key}"
    corpus = work / "corpus"
    if not is_sealed(corpus):
        families = build({"chain": {**settings.chain, "zipf": exponent}}, "conf/experiment")
        drawn = Corpus(settings.n_documents, settings.n_heldout, settings.vocab_size, {"chain_direct": 1.0})
        shutil.rmtree(corpus, ignore_errors=True)
        write_corpus(corpus, families, drawn, seed, frozenset())
        seal(corpus)
    rows = []
    for n_tokens, source in settings.sources.items():
        run = f"zipf{exponent:g}-{n_tokens}-{training_key(source, corpus)}"
        if not is_sealed(work / run):
            train_rung(run, source, corpus, work / run, workers)
            seal(work / run)
        made = card.read_card(work / run)
        of_run: dict[str, float | None] = {"zipf": exponent, "n_tokens": n_tokens, "n_params": made.n_params}
        rows += [of_run | {"seed": one.seed, "loss_nats": one.loss_nats} for one in made.checkpoints if one.is_final]
    return pd.DataFrame(rows)
