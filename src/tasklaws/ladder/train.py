"""Train one tiny GPT-NeoX decoder from scratch, so that a killed run resumes and ends in the same weights."""

import io
import math
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedTokenizerFast

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import replacing
from tasklaws.core.settings import TrainSource
from tasklaws.ladder.packing import IGNORED, Encoded, PackedBatch, batches

WARMUP = 0.02
SAVE_EVERY = 200


def build_model(source: TrainSource, tokenizer: PreTrainedTokenizerFast, seed: int) -> Any:
    """A freshly drawn model of the source's shape; rotary positions on whole heads, no dropout."""
    torch.manual_seed(seed)
    end = tokenizer.eos_token_id
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer),
        hidden_size=source.width,
        num_hidden_layers=source.layers,
        num_attention_heads=source.heads,
        intermediate_size=4 * source.width,
        max_position_embeddings=tokenizer.model_max_length,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0},
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    build: Any = AutoModelForCausalLM.from_config
    return build(config, attn_implementation="eager")


class Training:
    """A model with its optimisers at one step of its schedule."""

    def __init__(self, source: TrainSource, model: Any) -> None:
        matrices: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            (matrices if parameter.ndim == 2 and ".layers." in name else others).append(parameter)
        adam_lr = min(source.adam_lr, source.adam_lr_width / source.width)
        self.source = source
        self.model = model
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=source.muon_lr, weight_decay=0.0),
            torch.optim.AdamW(others, lr=adam_lr, weight_decay=0.0),
        ]
        self.peaks = (source.muon_lr, adam_lr)
        self.step = 0

    def advance(self, batch: PackedBatch) -> float:
        """One optimiser step on one batch; returns the mean loss in nats per learned token."""
        self._schedule()
        hidden = self.model.gpt_neox(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            attention_mask=torch.zeros(batch.mask.shape).masked_fill(~batch.mask, torch.finfo(torch.float32).min),
            use_cache=False,
        ).last_hidden_state
        labels = batch.labels[:, 1:]
        learned = labels != IGNORED
        logits = self.model.get_output_embeddings()(hidden[:, :-1][learned])
        loss: Any = torch.nn.functional.cross_entropy(logits, labels[learned])
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        value: float = loss.item()
        return value

    def _schedule(self) -> None:
        share = self.step / self.source.n_steps
        factor = min(1.0, (share + 1 / self.source.n_steps) / WARMUP) * 0.5 * (1 + math.cos(math.pi * share))
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * factor

    def save(self, path: Path) -> None:
        """Write weights, optimiser states and step atomically."""
        state = {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        # By way of memory: torch hides a full disk behind a RuntimeError of its own.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        with replacing(path) as file:
            file.write(buffer.getbuffer())

    def load(self, path: Path) -> None:
        """Take up the state that `save` wrote."""
        try:
            state = torch.load(path, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TasklawsError(f"{path} is damaged: remove it and run it again") from error
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]


def train(
    rung: str, source: TrainSource, seed: int, documents: list[Encoded], tokenizer: PreTrainedTokenizerFast, work: Path
) -> None:
    """Train one seed of a rung on one thread, keeping each checkpoint as `work`/seed<S>-step<T>.

    Progress goes to `work`/seed<S>.state every 200 steps; a later call in the same directory resumes there, and ends in
    the same weights as a run that was never interrupted.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    training = Training(source, build_model(source, tokenizer, seed))
    state = work / f"seed{seed}.state"
    if state.exists():
        training.load(state)
        print(f"{rung} seed {seed}: resuming at step {training.step}", file=sys.stderr, flush=True)
    kept = source.kept_steps
    stream = batches(documents, source.rows, source.length, seed, training.step, source.n_steps)
    for batch in stream:
        loss = training.advance(batch)
        if training.step in kept:
            export(training.model, tokenizer, work / f"seed{seed}-step{training.step}")
            print(
                f"{rung} seed {seed}: step {training.step}/{source.n_steps} loss {loss:.3f}",
                file=sys.stderr,
                flush=True,
            )
        if training.step % SAVE_EVERY == 0 or training.step in kept:
            training.save(state)


def export(model: Any, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write a Hugging Face directory whole or not at all; TasklawsError where its weights cannot be written."""
    partial = directory.with_name(f".{directory.name}")
    for leftover in (partial, directory):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        model.save_pretrained(partial)
    except SafetensorError as error:
        raise TasklawsError(f"cannot write {partial}: {error}: free some space and run it again") from error
    tokenizer.save_pretrained(partial)
    partial.rename(directory)
