"""Where items lie, and reading them."""

from pathlib import Path

from tasklaws.errors import TasklawsError
from tasklaws.files import read_jsonl
from tasklaws.schema import Item

ITEMS = Path("data/items")


def read_items(path: Path) -> list[Item]:
    """The items of a file; a malformed row or an id that stands twice raises TasklawsError."""
    items = [Item.from_dict(row, f"{path}:{number}") for number, row in enumerate(read_jsonl(path), 1)]
    if len({item.id for item in items}) < len(items):
        raise TasklawsError(f"{path}: an item id stands twice: run `dvc repro items`")
    if not items:
        raise TasklawsError(f"{path} holds no items: run `dvc repro items`")
    return items
