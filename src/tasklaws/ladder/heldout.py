"""Held-out loss: how well a model directory predicts the answers of documents that it was not trained on."""

import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import REMAKE, opening
from tasklaws.core.settings import CopiedSource


class HeldoutLoss(NamedTuple):
    """Mean negative log-likelihood of a target token (nats) and of a byte of the targets (bits)."""

    loss_nats: float
    bits_per_byte: float


class EncodedDocument(NamedTuple):
    """A document's tokens, and how many of them come before the first that is scored."""

    ids: list[int]
    n_given: int


def measured(model_dir: Path, source: CopiedSource, documents: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    """The loss of a model that was made elsewhere, as its card has it; nothing where its source says to do without."""
    if not source.heldout:
        return {}
    loss = heldout_loss(model_dir, documents, source.heldout_batch, trusted=source.trust_remote_code)
    return {name: round(value, 6) for name, value in loss._asdict().items()}


def heldout_loss(
    model_dir: Path,
    documents: Sequence[Mapping[str, str]],
    batch_size: int = 16,
    dtype: torch.dtype = torch.float32,
    trusted: bool = False,
) -> HeldoutLoss:
    """Loss of the model in `model_dir` on each document's `target`, given its `prompt`, on the CPU.

    sum over target tokens of -ln p(token | everything before), divided by the number of target tokens (nats), and by
    ln 2 and the targets' UTF-8 bytes (bits). `batch_size` changes speed and memory only: rows are padded on the right
    of a causal model, and documents are summed exactly. Code of the model's own runs only where it is `trusted`. No
    document, an empty target, a document longer than the model's context, weights that are missing or do not load, and
    a loss that is not finite raise TasklawsError.
    """
    if not documents:
        raise TasklawsError(f"no held-out documents for {model_dir}: give at least one")
    tokenizer, model = load_directory(model_dir, dtype, trusted)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", math.inf)
    encoded = [_encode(tokenizer, document, context, model_dir) for document in documents]
    # Alike lengths share a batch, which saves padding; the order of the sum does not matter to fsum.
    encoded.sort(key=lambda document: len(document.ids))
    nats = []
    for start in range(0, len(encoded), batch_size):
        nats += _batch_nats(model, encoded[start : start + batch_size])
    total = math.fsum(nats)
    if not math.isfinite(total):
        raise TasklawsError(f"{model_dir}: held-out loss is {total}: its weights are damaged, remove it and rebuild it")
    n_tokens = sum(len(document.ids) - document.n_given for document in encoded)
    n_bytes = sum(len(document["target"].encode()) for document in documents)
    return HeldoutLoss(total / n_tokens, total / math.log(2) / n_bytes)


def load_directory(model_dir: Path, dtype: torch.dtype, trusted: bool = False) -> tuple[Any, Any]:
    """A directory's tokenizer and model, without touching the network; TasklawsError if it is not whole."""
    with opening(model_dir, REMAKE):
        tokenizer = AutoTokenizer.from_pretrained(model_dir, local_files_only=True, trust_remote_code=trusted)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            model_dir, local_files_only=True, dtype=dtype, output_loading_info=True, trust_remote_code=trusted
        )
        model, report = loaded
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])[0]
        raise TasklawsError(f"{model_dir} holds no weights for {missing}: {REMAKE}")
    return tokenizer, model.eval()


def count_params(model: Any) -> tuple[int, int]:
    """Non-embedding and all parameters of a model; the embeddings are its input and output token matrices."""
    total = sum(parameter.numel() for parameter in model.parameters())
    matrices = (model.get_input_embeddings(), model.get_output_embeddings())
    # By identity, so that a matrix that serves as both counts once.
    embeddings = {id(module.weight): module.weight.numel() for module in matrices if module is not None}
    return total - sum(embeddings.values()), total


def count_config_params(model_dir: Path) -> tuple[int, int]:
    """Non-embedding and all parameters of the model that config.json describes; weights stay unread."""
    with opening(model_dir, REMAKE):
        return count_config(AutoConfig.from_pretrained(model_dir, local_files_only=True))


def count_config(config: Any, trusted: bool = False) -> tuple[int, int]:
    """Non-embedding and all parameters of the model that a configuration describes."""
    build: Any = AutoModelForCausalLM.from_config
    with torch.device("meta"):
        return count_params(build(config, trust_remote_code=trusted))


def _encode(tokenizer: Any, document: Mapping[str, str], context: float, model_dir: Path) -> EncodedDocument:
    prompt, target = document["prompt"], document["target"]
    if not target:
        raise TasklawsError(f"held-out document {prompt!r} has an empty target: give the text to predict")
    given = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    ids = tokenizer(prompt + target, add_special_tokens=False)["input_ids"]
    # A token may straddle the seam of prompt and target; then it is scored, as what came before it is all
    # that is given.
    n_given = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(given, ids, strict=False))))
    if n_given == len(ids):
        raise TasklawsError(f"{model_dir}: the tokenizer finds nothing in the target {target!r}: give other text")
    if n_given == 0:
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        if start is None:
            raise TasklawsError(f"{model_dir}: no token to begin {target!r} with: give the document a prompt")
        ids, n_given = [start, *ids], 1
    if len(ids) > context:
        raise TasklawsError(
            f"held-out document {prompt!r} has {len(ids)} tokens, {model_dir} takes {context}: shorten it"
        )
    return EncodedDocument(ids, n_given)


@torch.inference_mode()
def _batch_nats(model: Any, batch: list[EncodedDocument]) -> list[float]:
    """The summed negative log-likelihood, in nats, of each document's target."""
    width = max(len(document.ids) for document in batch)
    ids = torch.tensor([document.ids + [0] * (width - len(document.ids)) for document in batch])
    mask = torch.tensor([[1] * len(document.ids) + [0] * (width - len(document.ids)) for document in batch])
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    nats = []
    for row, document in enumerate(batch):
        scored = torch.tensor(document.ids[document.n_given :])
        at = logits[row, document.n_given - 1 : len(document.ids) - 1].double()
        chosen = at.log_softmax(-1).gather(1, scored[:, None])
        nats.append(-math.fsum(chosen[:, 0].tolist()))
    return nats
