"""The nouns of the experiment as frozen types, and the columns of every table."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Role = Literal["fit", "holdout"]
Elicitation = Literal["direct", "python", "choice"]


@dataclass(frozen=True)
class Item:
    """One question of a family.

    `answer` is the exact text that solves it. `programs` are Python programs that print the answer: the reference
    first, then shorter ones that skip the optional steps. `n_required` and `n_optional` count its steps; the optional
    ones can be skipped without changing the answer. `order_matters` says whether some reordering of the steps gives
    another answer. `human_seconds` is what the family's stated model says a person needs who knows no shortcut.
    `fuel` is the sandbox budget of a program for it. `chance` is the score of a guess. `choices` is empty unless the
    item is multiple choice, and then holds `answer`.
    """

    id: str
    family: str
    question: str
    answer: str
    skills: tuple[str, ...]
    n_required: int
    n_optional: int
    order_matters: bool
    human_seconds: float
    fuel: int
    chance: float
    programs: tuple[str, ...]
    choices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Item":
        tuples = {key: tuple(row[key]) for key in ("skills", "programs", "choices")}
        return cls(**{**row, **tuples})


# ladder.csv: what is known of every rung before any is trained or asked.
LADDER_COLUMNS = ["ladder", "rung", "role", "n_params", "n_tokens", "train_flops"]
LADDER_KEYS = ["ladder", "rung"]

# scores/<role>/<rung>.csv: one row an item, checkpoint and elicitation. Empty where the metric does not apply.
SCORE_KEYS = ["rung", "seed", "step", "family", "elicitation", "item"]
METRICS = ["exact_match", "partial_credit", "target_bits_per_byte", "brier"]

# What the laws take a metric for. One that is in neither list is an accuracy where all its values lie in [0, 1].
ACCURACIES = frozenset(
    {"exact_match", "partial_credit", "acc", "acc_norm", "rc_acc", "rc_soft", "multiple_choice_grade"}
)
LOSSES = frozenset(
    {"target_bits_per_byte", "rc_bpb", "bits_per_byte", "bpb", "loss", "loss_nats", "ce", "ppl", "perplexity", "brier"}
)
SCORE_COLUMNS = [*SCORE_KEYS, "chance", *METRICS, "status", "fuel", "response"]

# observations.csv: one row a rung, seed, checkpoint, family, elicitation and metric.
OBSERVATION_KEYS = ["ladder", "rung", "seed", "step", "family", "elicitation", "metric"]
OBSERVATION_COLUMNS = [
    "ladder",
    "rung",
    "role",
    "seed",
    "step",
    "is_final",
    "n_params",
    "n_params_total",
    "n_tokens",
    "train_flops",
    "family",
    "elicitation",
    "metric",
    "value",
    "stderr",
    "n_items",
    "chance",
]

# A table of points: one row a ladder, model, checkpoint, task and metric. Only model, task, metric, value and a size
# (n_params or train_flops) need be known.
POINT_KEYS = ["ladder", "model", "step", "seed", "task", "metric"]  # `seed` where the table has it
POINT_COLUMNS = [
    "ladder",
    "model",
    "n_params",
    "n_tokens",
    "train_flops",
    "step",
    "is_final",
    "task",
    "metric",
    "value",
    "stderr",
    "n_items",
    "chance",
]

LOSSES = {
    "target_bits_per_byte",
    "rc_bpb",
    "bits_per_byte",
    "loss",
    "loss_nats",
    "ce",
    "ppl",
    "perplexity",
    "word_perplexity",
    "byte_perplexity",
    "brier",
    "brier_score",
}


def is_loss(metric: str) -> bool:
    """Whether a metric is a loss (at least 0, less is better) and not a score in [0, 1], as any unknown name is."""
    return metric in LOSSES
