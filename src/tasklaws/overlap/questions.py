"""Where the questions of the overlap experiment lie, and whose lm-eval task puts them."""

from pathlib import Path

from tasklaws.schema import Elicitation

FAMILY = "step_chain"
ITEMS = Path("data/overlap/items")
ASK: dict[str, list[Elicitation]] = {FAMILY: ["direct"]}
