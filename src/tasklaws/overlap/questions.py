"""Where the questions of the overlap experiment lie, and whose lm-eval task puts them."""

from pathlib import Path

FAMILY = "step_chain"
ITEMS = Path("data/overlap/items")
