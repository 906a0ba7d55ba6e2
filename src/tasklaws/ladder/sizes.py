"""What is known of a rung before it exists: its size, its budget, its cost."""

from typing import Any

from tasklaws.ladder.card import train_flops
from tasklaws.schema import LADDER_COLUMNS


def gpt_neox_n_params(layers: int, width: int) -> int:
    """Non-embedding parameters of a GPT-NeoX decoder with a 4x MLP: layers (12 w^2 + 13 w) + 2 w, biases and norms in.

    Counts as the Pythia suite publishes them (Biderman et al. 2023, table 1): 6 layers of width 512 have 18,915,328.
    """
    return layers * (12 * width**2 + 13 * width) + 2 * width


def rung_size(source: dict[str, Any]) -> tuple[int, int]:
    """Non-embedding parameters and training tokens that a rung's configuration promises."""
    if source["kind"] == "train":
        return gpt_neox_n_params(source["layers"], source["width"]), source["n_tokens"]
    return source["n_params"], max(source["steps"]) * source["tokens_per_step"]


def ladder_rows(models: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of the ladder table (LADDER_COLUMNS)."""
    rows = []
    for rung, settings in models["rungs"].items():
        n_params, n_tokens = rung_size(settings["source"])
        values = [models["name"], rung, settings["role"], n_params, n_tokens, train_flops(n_params, n_tokens)]
        rows.append(dict(zip(LADDER_COLUMNS, values, strict=True)))
    return rows
