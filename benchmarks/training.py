"""A step of training against the same step by Hugging Face's forward pass over packed rows, side by side in one run.

`python benchmarks/training.py [STEPS]` needs data/corpus (`dvc repro corpus`). For every width of the ladder of
November 2026 it takes steps of both kinds in turn on one thread, and prints the median CPU milliseconds of each, their
ratio, and the ratio for all rungs together. Then it trains two seeds of one small rung both ways on STEPS steps
(default 1,000) and prints their losses at the end: they should differ as seeds do.

The other way is what tasklaws did before: 8 rows of 128 tokens with a block-diagonal mask, eager attention,
torch.optim.Muon matrix by matrix, AdamW unfused, new tensors filled with NaN as `use_deterministic_algorithms` asks.
"""

import math
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from tasklaws.core.settings import TrainSource
from tasklaws.ladder.batches import Encoded, batches, read_encoded
from tasklaws.ladder.tokenizer import load_tokenizer
from tasklaws.ladder.train import WARMUP, Training, build_model

CORPUS = Path("data/corpus")
SHAPES = {6: 1, 8: 1, 12: 2, 16: 2, 24: 4, 32: 4, 48: 8, 64: 8}
ROWS, LENGTH = 8, 128
PAIRS = 40


def source(width: int, n_steps: int) -> TrainSource:
    return TrainSource(
        kind="train",
        layers=3,
        width=width,
        heads=SHAPES[width],
        seeds=(0, 1),
        n_tokens=n_steps * ROWS * LENGTH,
        step_tokens=ROWS * LENGTH,
        muon_lr=0.01,
        adam_lr=0.009,
        adam_lr_width=0.18,
        checkpoints=(),
    )


def packed(documents: list[Encoded], seed: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Endless batches of packed rows: ids, positions and labels (rows, length), mask (rows, 1, length, length)."""
    for epoch in range(2**31):
        row: list[Encoded] = []
        rows: list[list[Encoded]] = []
        for index in np.random.default_rng([seed, epoch]).permutation(len(documents)).tolist():
            if sum(len(document.ids) for document in row) + len(documents[index].ids) > LENGTH:
                rows.append(row)
                row = []
            row.append(documents[index])
            if len(rows) == ROWS:
                yield as_tensors(rows)
                rows = []


def as_tensors(rows: list[list[Encoded]]) -> tuple[torch.Tensor, ...]:
    ids, positions = (np.zeros((ROWS, LENGTH), dtype=np.int64) for _ in range(2))
    labels, segments = (np.full((ROWS, LENGTH), filling, dtype=np.int64) for filling in (-100, -1))
    for at, documents in enumerate(rows):
        start = 0
        for number, document in enumerate(documents):
            end = start + len(document.ids)
            ids[at, start:end] = document.ids
            positions[at, start:end] = np.arange(len(document.ids))
            labels[at, start + document.n_prompt : end] = document.ids[document.n_prompt :]
            segments[at, start:end] = number
            start = end
    seen = (segments[:, :, None] == segments[:, None, :]) & np.tri(LENGTH, dtype=bool)
    return tuple(torch.from_numpy(array) for array in (ids, positions, labels, seen[:, None]))


class Packed:
    """A model and its optimisers, trained as before."""

    def __init__(self, recipe: TrainSource, model: Any) -> None:
        build: Any = AutoModelForCausalLM.from_config
        self.model = build(model.config, attn_implementation="eager")
        self.model.load_state_dict(model.state_dict())
        named = list(self.model.named_parameters())
        matrices = [one for name, one in named if one.ndim == 2 and ".layers." in name]
        others = [one for name, one in named if one.ndim != 2 or ".layers." not in name]
        adam_lr = min(recipe.adam_lr, recipe.adam_lr_width / recipe.width)
        self.peaks = (recipe.muon_lr, adam_lr)
        self.optimizers = [
            torch.optim.Muon(matrices, lr=recipe.muon_lr, weight_decay=0.0),
            torch.optim.AdamW(others, lr=adam_lr, weight_decay=0.0),
        ]
        self.step, self.n_steps = 0, recipe.n_steps

    def advance(self, batch: tuple[torch.Tensor, ...]) -> float:
        share = self.step / self.n_steps
        factor = min(1.0, (share + 1 / self.n_steps) / WARMUP) * 0.5 * (1 + math.cos(math.pi * share))
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * factor
        ids, positions, labels, seen = batch
        mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
        read = self.model.gpt_neox(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False)
        learned = labels[:, 1:] != -100
        logits = self.model.get_output_embeddings()(read.last_hidden_state[:, :-1][learned])
        loss: Any = torch.nn.functional.cross_entropy(logits, labels[:, 1:][learned])
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return float(loss.item())


def timed(function: Any, argument: Any, fill: bool) -> float:
    determinism: Any = torch.utils.deterministic
    determinism.fill_uninitialized_memory = fill
    start = time.process_time()
    function(argument)
    return 1000 * (time.process_time() - start)


def main() -> None:
    n_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    documents, tokenizer = read_encoded(CORPUS / "train.npy"), load_tokenizer(CORPUS / "tokenizer")
    print("width  before ms  now ms  ratio")
    total = [0.0, 0.0]
    for width in SHAPES:
        recipe = source(width, 2000)
        model = build_model(recipe, tokenizer, 0)
        before, now = Packed(recipe, model), Training(recipe, model)
        pairs = zip(packed(documents, 0), batches(documents, recipe.step_tokens, 1, 0, 0, PAIRS), strict=False)
        times = [(timed(before.advance, one, True), timed(now.advance, other, False)) for one, other in pairs]
        medians = [median(column) for column in zip(*times[5:], strict=True)]
        total = [sum(pair) for pair in zip(total, medians, strict=True)]
        print(f"{width:5}  {medians[0]:9.1f}  {medians[1]:6.1f}  {medians[0] / medians[1]:5.2f}", flush=True)
    print(f"  all  {total[0]:9.1f}  {total[1]:6.1f}  {total[0] / total[1]:5.2f}")
    recipe = source(16, n_steps)
    for seed in recipe.seeds:
        model = build_model(recipe, tokenizer, seed)
        before, now = Packed(recipe, model), Training(recipe, model)
        old = [before.advance(batch) for batch in islice(packed(documents, seed), n_steps)]
        new = [now.advance(batch) for batch in batches(documents, recipe.step_tokens, 1, seed, 0, n_steps)]
        print(f"width 16, seed {seed}: mean loss of the last 50 of {n_steps} steps", end="")
        print(f" {mean(old[-50:]):.3f} before, {mean(new[-50:]):.3f} now", flush=True)


if __name__ == "__main__":
    main()
