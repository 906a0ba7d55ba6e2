"""Train one tiny GPT-NeoX decoder from scratch, so that a killed run resumes and ends in the same weights."""

import io
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedTokenizerFast

from tasklaws.core.errors import TasklawsError
from tasklaws.core.sealed import is_sealed, read_sealed, seal, write_sealed
from tasklaws.core.settings import TrainSource
from tasklaws.ladder.batches import Batch, Encoded, batches
from tasklaws.ladder.decoder import Decoder

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
    return build(config)


class Muon(torch.optim.Optimizer):
    """Muon over stacks of matrices (stack, out, in), all of a stack at once; `torch.optim.Muon` takes them one by one.

    Each step moves a matrix by lr sqrt(max(1, out / in)) along its orthogonalised momentum: five Newton-Schulz rounds
    on momentum .95 with Nesterov's correction (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon).
    """

    MOMENTUM = 0.95
    ROUNDS = 5
    COEFFICIENTS = (3.4445, -4.775, 2.0315)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for matrices in group["params"]:
                momentum = self.state[matrices].setdefault("momentum", torch.zeros_like(matrices))
                momentum.lerp_(matrices.grad, 1 - self.MOMENTUM)
                n_out, n_in = matrices.shape[1:]
                update = self._orthogonal(matrices.grad.lerp(momentum, self.MOMENTUM))
                matrices.sub_(update, alpha=group["lr"] * math.sqrt(max(1, n_out / n_in)))

    def _orthogonal(self, matrices: torch.Tensor) -> torch.Tensor:
        tall = matrices.shape[1] > matrices.shape[2]
        x = matrices.transpose(1, 2) if tall else matrices
        x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
        linear, cubic, quintic = self.COEFFICIENTS
        for _ in range(self.ROUNDS):
            gram = x @ x.transpose(1, 2)
            x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=cubic, alpha=quintic), x, beta=linear)
        return x.transpose(1, 2) if tall else x


class Training:
    """A model with its optimisers at one step of its schedule."""

    def __init__(self, source: TrainSource, model: Any) -> None:
        adam_lr = min(source.adam_lr, source.adam_lr_width / source.width)
        self.source = source
        self.model = model
        self.decoder = Decoder(model)
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(self.decoder.matrices.values(), {"lr": source.muon_lr}),
            torch.optim.AdamW(self.decoder.others.values(), lr=adam_lr, weight_decay=0.0, fused=True),
        ]
        self.peaks = (source.muon_lr, adam_lr)
        self.step = 0

    def advance(self, shards: list[Batch]) -> float:
        """One optimiser step on the summed gradients of all shards; the mean loss in nats per learned token."""
        self._schedule()
        n_learned = sum(len(shard.targets) for shard in shards)
        value = 0.0
        for shard in shards:
            loss: Any = self.decoder.loss(shard) / n_learned
            loss.backward()
            value += loss.item()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return value

    def _schedule(self) -> None:
        share = self.step / self.source.n_steps
        factor = min(1.0, (share + 1 / self.source.n_steps) / WARMUP) * 0.5 * (1 + math.cos(math.pi * share))
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * factor

    def save(self, path: Path) -> None:
        """Write weights, optimiser states and step atomically, sealed."""
        state = {
            "step": self.step,
            "parameters": self.decoder.parameters(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        # By way of memory: torch hides a full disk behind a RuntimeError of its own.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_sealed(path, buffer.getvalue())

    def load(self, content: bytes) -> None:
        """Take up a state that `save` wrote."""
        state = torch.load(io.BytesIO(content), weights_only=True)
        for name, parameter in self.decoder.parameters().items():
            parameter.data.copy_(state["parameters"][name])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]


def train(
    rung: str, source: TrainSource, seed: int, documents: list[Encoded], tokenizer: PreTrainedTokenizerFast, work: Path
) -> None:
    """Train one seed of a rung on one thread, keeping each checkpoint as `work`/seed<S>-step<T>.

    Progress goes to `work`/seed<S>.state every 200 steps; a later call in the same directory resumes there, and ends in
    the same weights as a run that was never interrupted. What is there and not as this user's run left it is not taken
    up (`sealed`).
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # That setting also fills every new tensor with NaN, an eighth of a step; none is read before it is written.
    determinism: Any = torch.utils.deterministic
    determinism.fill_uninitialized_memory = False
    training = Training(source, build_model(source, tokenizer, seed))
    state = work / f"seed{seed}.state"
    kept = {step: work / f"seed{seed}-step{step}" for step in source.kept_steps}
    if (content := read_sealed(state)) is not None:
        training.load(content)
        if all(is_sealed(model) for step, model in kept.items() if step <= training.step):
            print(f"{rung} seed {seed}: resuming at step {training.step}", file=sys.stderr, flush=True)
        else:
            training = Training(source, build_model(source, tokenizer, seed))
    stream = batches(documents, source.step_tokens, source.n_shards, seed, training.step, source.n_steps)
    for shards in stream:
        loss = training.advance(shards)
        if training.step in kept:
            training.decoder.write_to(training.model)
            export(training.model, tokenizer, kept[training.step])
            seal(kept[training.step])
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
