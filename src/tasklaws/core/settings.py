"""What params.yaml may hold; what `laws`, `experiment`, a family and the people configure checks them further."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from tasklaws.core.errors import TasklawsError
from tasklaws.core.typed import DISTINCT, NOT_EMPTY, Count, Natural, Positive, Rule, Share, typed

Role = Literal["fit", "holdout"]
Elicitation = Literal["direct", "python", "choice"]
# DVC looks for `models.rungs.nano-1.5k.source` below the rung `nano-1`; and names become files.
Name = Annotated[str, Rule("of letters, digits, - and _", re.compile(r"[\w-]+").fullmatch)]


@dataclass(frozen=True)
class TrainSource:
    """A rung that is trained here; tasklaws.ladder.train.Recipe says what the fields mean."""

    kind: Literal["train"]
    layers: Count
    width: Count
    heads: Count
    seeds: Annotated[tuple[Natural, ...], NOT_EMPTY, DISTINCT]
    n_tokens: Count
    rows: Count
    length: Count
    muon_lr: Positive
    adam_lr: Positive
    adam_lr_width: Positive
    checkpoints: tuple[Share, ...]

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise TasklawsError(f"width is {self.width}, not an even number for each of {self.heads} heads")
        if self.n_tokens < self.rows * self.length:
            raise TasklawsError(f"n_tokens is {self.n_tokens}, less than one step: {self.rows * self.length}")


@dataclass(frozen=True)
class HubSource:
    """A rung that is fetched; conf/models/pythia_ladder.yaml says what the fields mean."""

    kind: Literal["hub"]
    repo: str
    revision: str
    seeds: Annotated[tuple[Natural, ...], Rule("one seed", lambda seeds: len(seeds) == 1)]
    steps: Annotated[tuple[Natural, ...], NOT_EMPTY, DISTINCT]
    tokens_per_step: Count
    layers: Count
    width: Count
    heads: Count
    n_params: Count
    n_params_total: Count


@dataclass(frozen=True)
class Rung:
    role: Role
    source: TrainSource | HubSource


@dataclass(frozen=True)
class Models:
    """A ladder: its rungs, and how they are asked."""

    name: Name
    dtype: Literal["float16", "bfloat16", "float32", "float64"]
    num_fewshot: Natural
    rungs: dict[Name, Rung]

    def __post_init__(self) -> None:
        for role in ("fit", "holdout"):
            if not any(rung.role == role for rung in self.rungs.values()):
                raise TasklawsError(f"ladder {self.name} has no rung of role {role}")


@dataclass(frozen=True)
class Families:
    split: Literal["test", "dev"]
    sets: Annotated[dict[Name, dict[str, Any]], NOT_EMPTY]


@dataclass(frozen=True)
class Corpus:
    n_documents: Count
    n_heldout: Count
    vocab_size: Count
    mixture: Annotated[dict[str, Positive], NOT_EMPTY]


@dataclass(frozen=True)
class Asked:
    """The key `elicitation`."""

    ask: Annotated[dict[str, Annotated[tuple[Elicitation, ...], NOT_EMPTY, DISTINCT]], NOT_EMPTY]
    num_fewshot: Natural
    n_shots_kept: Count

    def __post_init__(self) -> None:
        if self.num_fewshot > self.n_shots_kept:
            raise TasklawsError(f"num_fewshot is {self.num_fewshot}, more than n_shots_kept {self.n_shots_kept}")


@dataclass(frozen=True)
class Humans:
    attempts: str
    families: Annotated[tuple[str, ...], NOT_EMPTY, DISTINCT]
    interval: Share
    target: dict[str, Any]
    population: dict[str, Any]


@dataclass(frozen=True)
class Execution:
    workers: Count
    batch_size: Count


@dataclass(frozen=True)
class Settings:
    models: Models
    families: Families
    corpus: Corpus
    elicitation: Asked
    laws: dict[str, Any]
    humans: Humans
    execution: Execution
    experiment: dict[str, Any]
    seed: Natural

    def __post_init__(self) -> None:
        strangers = [family for family in self.elicitation.ask if family not in self.families.sets]
        if strangers:
            raise TasklawsError(f"elicitation.ask has {strangers[0]!r}, which families.sets lacks")
        strangers = [family for family in self.humans.families if family not in self.families.sets]
        if strangers:
            raise TasklawsError(f"humans.families has {strangers[0]!r}, which families.sets lacks")

    def gaps(self) -> list[str]:
        """What each family goes without, a line each: nobody asks it, no document is of it, nobody attempts it."""
        learned = {task.rpartition("_")[0] for task in self.corpus.mixture}
        lacks = {
            "is not asked (elicitation.ask)": self.elicitation.ask,
            "is not in the corpus (corpus.mixture)": learned,
            "has no people (humans.families)": self.humans.families,
        }
        return [
            f"{family} {what}" for family in self.families.sets for what, there in lacks.items() if family not in there
        ]


def refuse_malformed(params: Any, where: str) -> Settings:
    """The settings; the first value of `params` that no stage could work with raises TasklawsError, which names it."""
    return typed(Settings, params, where, "correct it in conf/ or give another to `tasklaws compose`")
