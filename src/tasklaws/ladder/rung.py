"""A trained rung: all its seeds, two at a time, gathered into one directory with one card."""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from tasklaws.files import sha256_file
from tasklaws.ladder import packing, train
from tasklaws.ladder.card import Card, Checkpoint, hash_weights, train_flops, write
from tasklaws.ladder.document import read_documents
from tasklaws.ladder.heldout import count_config_params, heldout_loss
from tasklaws.ladder.tokenizer import load_tokenizer
from tasklaws.ladder.train import Recipe
from tasklaws.processes import run_each

WORK = Path(".work/train")


def train_rung(rung: str, source: dict[str, Any], corpus: Path, out: Path, workers: int) -> None:
    """Train every seed of a rung and write `out`: the first seed's final weights, seed<S>-step<T>/ and card.json.

    Each seed trains in a one-thread process of its own, `workers` at a time; results do not depend on how many. Work in
    progress lives in .work/train/<rung>, keyed by all that determines the weights, until `out` stands.
    """
    recipe = Recipe.from_source(source)
    work = WORK / rung / _key(source, corpus)
    work.mkdir(parents=True, exist_ok=True)
    print(f"{rung}: work in progress in {work}", file=sys.stderr, flush=True)
    jobs = [(rung, recipe, seed, corpus, work) for seed in source["seeds"]]
    checkpoints = [checkpoint for kept in run_each(_train_seed, jobs, workers) for checkpoint in kept]
    partial = work / "assembled"
    shutil.rmtree(partial, ignore_errors=True)
    _gather(rung, recipe, source["seeds"][0], checkpoints, corpus, work, partial)
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(out)
    # With the work of its other configurations: whoever goes back to one trains anew.
    shutil.rmtree(WORK / rung)


def _key(source: dict[str, Any], corpus: Path) -> str:
    parts = [
        json.dumps(source, sort_keys=True),
        torch.__version__,
        *(sha256_file(corpus / name) for name in ("train.npy", "tokenizer/tokenizer.json")),
        *(sha256_file(Path(module.__file__ or "")) for module in (packing, train)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _train_seed(rung: str, recipe: Recipe, seed: int, corpus: Path, work: Path) -> list[Checkpoint]:
    documents = packing.read_encoded(corpus / "train.npy")
    tokenizer = load_tokenizer(corpus / "tokenizer")
    heldout = [document.to_dict() for document in read_documents(corpus / "heldout.jsonl")]
    train.train(rung, recipe, seed, documents, tokenizer, work)
    n_params, _ = count_config_params(work / f"seed{seed}-step{recipe.n_steps}")
    checkpoints = []
    for step in recipe.kept_steps:
        name = f"seed{seed}-step{step}"
        loss = heldout_loss(work / name, heldout, batch_size=64, dtype=torch.float64)
        n_tokens = step * recipe.rows * recipe.length
        checkpoints.append(
            Checkpoint(
                path=name,
                seed=seed,
                step=step,
                is_final=step == recipe.n_steps,
                n_tokens=n_tokens,
                train_flops=train_flops(n_params, n_tokens),
                loss_nats=round(loss.loss_nats, 6),
                bits_per_byte=round(loss.bits_per_byte, 6),
                weights_sha256=hash_weights(work / name),
            )
        )
    return checkpoints


def _gather(
    rung: str,
    recipe: Recipe,
    first_seed: int,
    checkpoints: list[Checkpoint],
    corpus: Path,
    work: Path,
    out: Path,
) -> None:
    placed = []
    for checkpoint in checkpoints:
        first = checkpoint.seed == first_seed and checkpoint.is_final
        path = "." if first else checkpoint.path
        shutil.copytree(work / checkpoint.path, out / path, dirs_exist_ok=True)
        placed.append(Checkpoint(**{**vars(checkpoint), "path": path}))
    n_params, n_params_total = count_config_params(out)
    card = Card(
        rung=rung,
        source_kind="train",
        n_params=n_params,
        n_params_total=n_params_total,
        corpus_sha256=sha256_file(corpus / "train.jsonl"),
        tokenizer_sha256=sha256_file(out / "tokenizer.json"),
        checkpoints=tuple(placed),
    )
    write(out, card)
