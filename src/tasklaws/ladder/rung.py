"""A trained rung: all its seeds, two at a time, gathered into one directory with one card."""

import hashlib
import json
import shutil
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tasklaws.core.files import sha256_file
from tasklaws.core.schema import read_documents, train_flops
from tasklaws.core.settings import TrainSource
from tasklaws.core.workers import run_each
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card

_WORK = Path(".work/train")


class Trained(NamedTuple):
    """What a process that trained a seed tells: sizes, without embeddings and with, and the checkpoints it kept."""

    n_params: int
    n_params_total: int
    checkpoints: list[Checkpoint]


def train_rung(rung: str, source: TrainSource, corpus: Path, out: Path, workers: int) -> None:
    """Train every seed of a rung and write `out`: the first seed's final weights, seed<S>-step<T>/ and card.json.

    Each seed trains in a one-thread process of its own, `workers` at a time; results do not depend on how many. Work in
    progress lives in .work/train/<rung>, keyed by all that determines the weights, until `out` stands.
    """
    work = _WORK / rung / training_key(source, corpus)
    work.mkdir(parents=True, exist_ok=True)
    print(f"{rung}: work in progress in {work}", file=sys.stderr, flush=True)
    seeds = run_each(_train_seed, [(rung, source, seed, corpus, work) for seed in source.seeds], workers)
    partial = work / "assembled"
    shutil.rmtree(partial, ignore_errors=True)
    _gather(rung, seeds, corpus, work, partial)
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(out)
    # With the work of its other configurations: whoever goes back to one trains anew.
    shutil.rmtree(_WORK / rung)


def training_key(source: TrainSource, corpus: Path) -> str:
    """A digest of all that determines the weights: recipe, corpus, torch and the code that trains."""
    parts = [
        json.dumps(asdict(source), sort_keys=True),
        version("torch"),
        *(sha256_file(corpus / name) for name in ("train.npy", "tokenizer/tokenizer.json")),
        *(sha256_file(Path(__file__).with_name(name)) for name in ("batches.py", "decoder.py", "train.py")),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _train_seed(rung: str, source: TrainSource, seed: int, corpus: Path, work: Path) -> Trained:
    # Seconds of imports, which the process that only hands out jobs does without.
    import torch

    from tasklaws.ladder import batches, train
    from tasklaws.ladder.heldout import count_config_params, heldout_loss
    from tasklaws.ladder.tokenizer import load_tokenizer

    documents = batches.read_encoded(corpus / "train.npy")
    tokenizer = load_tokenizer(corpus / "tokenizer")
    heldout = [document.to_dict() for document in read_documents(corpus / "heldout.jsonl")]
    train.train(rung, source, seed, documents, tokenizer, work)
    n_params, n_params_total = count_config_params(work / f"seed{seed}-step{source.n_steps}")
    checkpoints = []
    for step in source.kept_steps:
        name = f"seed{seed}-step{step}"
        loss = heldout_loss(work / name, heldout, batch_size=64, dtype=torch.float64)
        n_tokens = step * source.step_tokens
        checkpoints.append(
            Checkpoint(
                path=name,
                seed=seed,
                step=step,
                is_final=step == source.n_steps,
                n_tokens=n_tokens,
                train_flops=train_flops(n_params, n_tokens),
                loss_nats=round(loss.loss_nats, 6),
                bits_per_byte=round(loss.bits_per_byte, 6),
                files=hash_files(work / name),
            )
        )
    return Trained(n_params, n_params_total, checkpoints)


def _gather(rung: str, seeds: list[Trained], corpus: Path, work: Path, out: Path) -> None:
    placed = []
    for place, trained in enumerate(seeds):
        for checkpoint in trained.checkpoints:
            path = "." if place == 0 and checkpoint.is_final else checkpoint.path
            shutil.copytree(work / checkpoint.path, out / path, dirs_exist_ok=True)
            placed.append(replace(checkpoint, path=path))
    card = Card(
        rung=rung,
        source_kind="train",
        n_params=seeds[0].n_params,
        n_params_total=seeds[0].n_params_total,
        corpus_sha256=sha256_file(corpus / "train.jsonl"),
        tokenizer_sha256=sha256_file(out / "tokenizer.json"),
        checkpoints=tuple(placed),
    )
    write_card(out, card)
