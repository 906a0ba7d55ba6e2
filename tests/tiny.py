"""A miniature of what the pipeline makes: a few items of every family, a corpus, a model."""

import functools
from pathlib import Path

from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import Document, Item
from tasklaws.core.settings import TrainSource, load
from tasklaws.families import Family, build
from tasklaws.families.draws import item_files
from tasklaws.families.prompts import Prompts, task_name
from tasklaws.ladder.corpus import documents

ROOT = Path(__file__).parents[1]
SOURCE = TrainSource(
    kind="train",
    layers=2,
    width=8,
    heads=2,
    seeds=(0, 1),
    n_tokens=120 * 384,
    step_tokens=384,
    muon_lr=0.01,
    adam_lr=0.009,
    adam_lr_width=0.18,
    checkpoints=(0.25, 0.5),
)
SETTINGS = load(ROOT / "params.yaml")


@functools.cache
def families() -> tuple[Family, ...]:
    """Every family of params.yaml."""
    return tuple(build(SETTINGS.families.sets))


def tasks(prompts: Prompts = "terse") -> list[str]:
    """Every family in every way in which it can be asked."""
    return [task_name(family.name, way, prompts) for family in families() for way in family.elicitations]


@functools.cache
def items(family: str) -> tuple[Item, ...]:
    """All items of a family as the pipeline asks them, seed 0."""
    return tuple(next(each for each in families() if each.name == family).items(0, "test"))


@functools.cache
def corpus(count: int, purpose: str = "train") -> tuple[Document, ...]:
    """Documents of every task alike, seed 0."""
    return tuple(documents(list(families()), dict.fromkeys(tasks(), 1.0), count, 0, purpose))


def write_items(directory: Path, every: int) -> None:
    """What the items stage writes, but only each `every`-th item, the last one in."""
    for family in families():
        for name, every_one in item_files(family, list(families()), 0, "test", 5).items():
            asked = name in (family.name, f"{family.name}.plain")
            kept = every_one[::-every][::-1] if asked else every_one
            write_jsonl(directory / f"{name}.jsonl", [item.to_dict() for item in kept])


def write_corpus(directory: Path, count: int = 600) -> None:
    """What the corpus stage writes, smaller."""
    from tasklaws.ladder.batches import write_encoded
    from tasklaws.ladder.tokenizer import encode, train_tokenizer

    write_jsonl(directory / "train.jsonl", [document.to_dict() for document in corpus(count)])
    write_jsonl(directory / "heldout.jsonl", [document.to_dict() for document in corpus(20, "heldout")])
    tokenizer = train_tokenizer(corpus(count), 300)
    tokenizer.save_pretrained(directory / "tokenizer")
    write_encoded(directory / "train.npy", encode(corpus(count), tokenizer))


def write_model(directory: Path, corpus_dir: Path, seed: int = 0) -> None:
    """A model directory with freshly drawn weights of the shape in SOURCE."""
    from tasklaws.ladder.tokenizer import load_tokenizer
    from tasklaws.ladder.train import build_model, export

    tokenizer = load_tokenizer(corpus_dir / "tokenizer")
    export(build_model(SOURCE, tokenizer, seed), tokenizer, directory)
