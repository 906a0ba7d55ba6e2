"""The arithmetic of a GPT-NeoX decoder over the parameters of Hugging Face's, at a third of its time for tiny ones."""

from typing import Any

import torch
from torch.nn import functional

from tasklaws.ladder.batches import Batch

_LAYER = "gpt_neox.layers.{}."
_ATTENTION = {"qkv": "attention.query_key_value", "out": "attention.dense"}
_MLP = {"up": "mlp.dense_h_to_4h", "down": "mlp.dense_4h_to_h"}
_NORMS = {"attention_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}
_ALONE = {
    "embedding": "gpt_neox.embed_in.weight",
    "unembedding": "lm_head.weight",
    "final_weight": "gpt_neox.final_layer_norm.weight",
    "final_bias": "gpt_neox.final_layer_norm.bias",
}
_ROPE_BASE = 10000.0


class Decoder:
    """A model's parameters, those of all layers stacked, and its loss on a batch.

    `matrices` are the layers' weights (layers, out, in), `others` all else: embeddings, norms, biases. Attention and
    MLP both read a layer's input (GPT-NeoX's parallel residual, Black et al. 2022, arXiv 2204.06745, section 2.1), so
    one product serves both, into which the affine parts of their norms are folded. Rotary positions (Su et al. 2021,
    arXiv 2104.09864) turn pairs of channels, which here lie side by side: a row of queries and keys is a row of complex
    numbers. The numbers are those of `transformers` up to rounding.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        self.layers, self.width = config.num_hidden_layers, config.hidden_size
        self.heads = config.num_attention_heads
        head = self.width // self.heads
        source = {name: parameter.detach() for name, parameter in model.named_parameters()}
        self._qkv_order = self._pairs_beside_each_other(head)
        self.matrices = {name: self._stack(source, name, "weight") for name in _ATTENTION | _MLP}
        self.others = {
            **{name: source[path].clone() for name, path in _ALONE.items()},
            **{f"{name}_bias": self._stack(source, name, "bias") for name in _ATTENTION | _MLP},
            **{f"{name}_{part}": self._stack(source, name, part) for name in _NORMS for part in ("weight", "bias")},
        }
        for parameter in self.parameters().values():
            parameter.requires_grad_(True)
        angles = torch.arange(config.max_position_embeddings)[:, None] / _ROPE_BASE ** (torch.arange(0, head, 2) / head)
        # Queries and keys share the scale 1 / sqrt(head) between them.
        self._turns = torch.polar(torch.full_like(angles, head**-0.25), angles).repeat(1, 2 * self.heads)

    def parameters(self) -> dict[str, torch.Tensor]:
        return self.matrices | self.others

    def loss(self, batch: Batch) -> torch.Tensor:
        """The summed negative log-likelihood of the batch's targets, in nats."""
        p = self.parameters()
        read = torch.cat((p["qkv"] * p["attention_norm_weight"][:, None], p["up"] * p["mlp_norm_weight"][:, None]), 1)
        read_bias = torch.cat(
            (
                p["qkv_bias"] + (p["qkv"] @ p["attention_norm_bias"][:, :, None])[:, :, 0],
                p["up_bias"] + (p["up"] @ p["mlp_norm_bias"][:, :, None])[:, :, 0],
            ),
            1,
        )
        written_bias = p["out_bias"] + p["down_bias"]
        turns = self._turns.index_select(0, batch.positions)
        x = functional.embedding(batch.input_ids, p["embedding"])
        for weight, bias, out, down, after in zip(
            read.unbind(), read_bias.unbind(), p["out"].unbind(), p["down"].unbind(), written_bias.unbind(), strict=True
        ):
            normed = functional.layer_norm(x, (self.width,))
            sizes = [2 * self.width, self.width, 4 * self.width]
            queries_keys, values, hidden = functional.linear(normed, weight, bias).split_with_sizes(sizes, 1)
            turned = torch.view_as_real(torch.view_as_complex(queries_keys.reshape(*turns.shape, 2)) * turns)
            attended = self._attend(torch.cat((turned.flatten(1), values), 1), batch)
            x = torch.addmm(x + after, attended, out.t())
            x = torch.addmm(x, functional.gelu(hidden), down.t())
        last = x.index_select(0, batch.predictors)
        last = functional.layer_norm(last, (self.width,), p["final_weight"], p["final_bias"])
        return functional.cross_entropy(last @ p["unembedding"].t(), batch.targets, reduction="sum")

    def _attend(self, qkv: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Causal attention within each document; `qkv` and the answer are (n_tokens, 3 width) and (n_tokens, width)."""
        attended = []
        n_tokens = [len(group.places) for group in batch.groups]
        for group, own in zip(batch.groups, qkv.split_with_sizes(n_tokens), strict=True):
            shape = (group.n_documents, group.width, 3, self.heads, self.width // self.heads)
            by_head = own.index_select(0, group.rows).view(shape).permute(2, 0, 3, 1, 4)
            queries, keys, values = by_head.reshape(3, -1, group.width, shape[-1]).unbind()
            unseen = torch.full((group.width, group.width), -torch.inf).triu(1)
            weights = torch.baddbmm(unseen, queries, keys.transpose(1, 2)).softmax(-1)
            mixed = (weights @ values).view(group.n_documents, self.heads, group.width, shape[-1])
            attended.append(mixed.transpose(1, 2).reshape(-1, self.width).index_select(0, group.places))
        return torch.cat(attended)

    @torch.no_grad()
    def write_to(self, model: Any) -> None:
        """Copy the parameters back into the Hugging Face model that they were taken from, or one of its shape."""
        target = dict(model.named_parameters())
        for name, path in (_ATTENTION | _MLP | _NORMS).items():
            for part in ("weight", "bias"):
                stacked = (
                    self.matrices[name] if part == "weight" and name in self.matrices else self.others[f"{name}_{part}"]
                )
                for layer, values in enumerate(stacked):
                    own = target[f"{_LAYER.format(layer)}{path}.{part}"]
                    own[self._qkv_order if name == "qkv" else slice(None)] = values
        for name, path in _ALONE.items():
            target[path].copy_(self.others[name])

    def _stack(self, source: dict[str, torch.Tensor], name: str, part: str) -> torch.Tensor:
        path = (_ATTENTION | _MLP | _NORMS)[name]
        stacked = torch.stack([source[f"{_LAYER.format(layer)}{path}.{part}"] for layer in range(self.layers)])
        return stacked[:, self._qkv_order] if name == "qkv" else stacked

    def _pairs_beside_each_other(self, head: int) -> torch.Tensor:
        """Which row of a fused query-key-value matrix stands where here: queries, keys, values of all heads; in the
        first two the channels i and i + head / 2 of a head, which turn together, side by side."""
        rows = torch.arange(3 * self.width).view(self.heads, 3, 2, head // 2)
        turned = rows[:, :2].permute(1, 0, 3, 2).reshape(-1)
        return torch.cat((turned, rows[:, 2].reshape(-1)))
