"""One of two ladders that are set side by side: what its results hold, how it was asked, and how two of them differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasklaws.core.checked import read
from tasklaws.core.files import read_json
from tasklaws.core.marks import SHOWN
from tasklaws.core.settings import Models
from tasklaws.forecast.headline import headline
from tasklaws.paths import Paths
from tasklaws.plotting import short
from tasklaws.provenance.dotted import Leaves, flatten
from tasklaws.provenance.record import Record, read_records
from tasklaws.report.load import CORPUS, Task
from tasklaws.tables import VALIDATION, read_checkpoints

_ASKED = ("prompts", "num_fewshot", "shots", "chat_template")
# Settings that stand among the rungs, or bear on nothing here.
_SAID_APART = ("models.name", "models.rungs", "models.sharded", "models.planned", "experiment")
_FEW = 4  # rungs that are named rather than counted


@dataclass(frozen=True, eq=False)
class Side:
    """One of two ladders, from what lies in results/L: `made` is what its provenance records have in common.

    `observations` are those of final checkpoints; `headline` holds the numbers of results/headline.json over all its
    own forecasts.
    """

    ladder: str
    models: Models
    made: Record
    observations: pd.DataFrame
    validation: pd.DataFrame
    headline: Mapping[str, float]

    @property
    def tasks(self) -> list[Task]:
        """All that it was scored on, the held-out loss last."""
        pairs = self.observations[["family", "elicitation"]].drop_duplicates().itertuples(index=False, name=None)
        return sorted(((str(family), str(way)) for family, way in pairs), key=lambda task: task == CORPUS)

    @property
    def sizes(self) -> "pd.Series[float]":
        """Each rung's n_params, from the smallest up."""
        return self.observations.groupby("rung")["n_params"].first().sort_values(kind="stable")

    def params(self) -> Leaves:
        """Its settings by dotted keys, and the versions of packages."""
        return flatten(self.made["params"]) | flatten(self.made["packages"], "packages")


class Row(NamedTuple):
    """What one ladder and the other have under one name; None or a dash where one has none."""

    name: str
    one: str
    other: str


def read_side(root: Path, ladder: str) -> Side:
    paths = Paths(ladder, root)
    made = next(iter(read_records(paths.records).values()))
    observations = pd.concat([read_checkpoints(paths.observations(role)) for role in ("fit", "holdout")])
    remedy = "run `dvc repro report`"
    return Side(
        ladder=ladder,
        models=read(Models, made["params"]["models"], str(paths.records), remedy),
        made=made,
        observations=observations[observations["is_final"]],
        validation=VALIDATION.read(paths.validation),
        headline=headline(read_json(paths.metrics)),
    )


def asked(side: Side) -> str:
    """How the rungs of a ladder are asked, in words."""
    ways = {tuple(getattr(side.models.asking(rung), name) for name in _ASKED) for rung in side.models.rungs}
    words = [
        f"{prompts} with {count} shots{f' ({shots})' if count else ''}{', in a chat template' if chat else ''}"
        for prompts, count, shots, chat in sorted(ways, key=str)
    ]
    return " or ".join(words)


def corpora(side: Side) -> str | None:
    """The corpora and tokenizers behind a held-out loss, by the first digits of their digests; None where one of them
    is unknown, as of models that learned elsewhere."""
    models = [(each.get("corpus_sha256"), each.get("tokenizer_sha256")) for each in side.made["models"].values()]
    if any(None in pair for pair in models):
        return None
    return ", ".join(sorted({f"{corpus[:SHOWN]} (tokenizer {tokens[:SHOWN]})" for corpus, tokens in models}))


def ladder_rows(one: Side, other: Side) -> Iterator[Row]:
    """What the two ladders are: their rungs, sizes, tokens and seeds, and the parts of the recipes that differ."""
    described = [_described(side) for side in (one, other)]
    for name in described[0]:
        yield Row(name, described[0][name], described[1][name])
    recipes = [_recipe(side) for side in (one, other)]
    for name in sorted(recipes[0].keys() | recipes[1].keys()):
        values = [recipe.get(name, "–") for recipe in recipes]
        if values[0] != values[1]:
            yield Row(f"source.{name}", *values)


def _described(side: Side) -> dict[str, str]:
    sizes, final = side.sizes, side.observations
    fit = sizes[[rung for rung in sizes.index if rung in side.models.rungs_of("fit")]]
    held = sizes[[rung for rung in sizes.index if rung in side.models.rungs_of("holdout")]]
    tokens = final["n_tokens"].dropna()
    return {
        "rungs to fit": f"{len(fit)}, from {_ends(fit)} parameters",
        "held-out rungs": ", ".join(
            f"{rung} ({size / fit.max():.3g} times the largest fit rung)" for rung, size in held.items()
        ),
        "training tokens": _ends(tokens) if len(tokens) else "–",
        "seeds": _listed(final["seed"].unique()),
        "models counting seeds": str(len(final[["rung", "seed"]].drop_duplicates())),
    }


def _ends(values: "pd.Series[float]") -> str:
    ends = dict.fromkeys(short(float(value)) for value in (values.min(), values.max()))
    return " to ".join(ends)


def _recipe(side: Side) -> dict[str, str]:
    """The values that each setting of a source has over the rungs of a ladder."""
    found: dict[str, dict[str, None]] = {}
    for entry in side.made["params"]["models"]["rungs"].values():
        for name, value in flatten(entry["source"]).items():
            found.setdefault(name, {})[_listed(value)] = None
    return {
        name: "; ".join(sorted(values, key=lambda each: (len(each), each)))
        for name, values in found.items()
        if name != "seeds"
    }


def setting_rows(one: Side, other: Side) -> Iterator[Row]:
    """Every other setting, and version of a package, that differs."""
    has, had = one.params(), other.params()
    for key in sorted(has.keys() | had.keys()):
        left_out = any(key == name or key.startswith(f"{name}.") for name in _SAID_APART)
        if not left_out and has.get(key) != had.get(key):
            yield Row(key, *(_listed(values[key]) if key in values else "–" for values in (has, had)))


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple | np.ndarray) else str(value)


def cautions(one: Side, other: Side) -> Iterator[str]:
    """What a reader should know before believing a difference."""
    reach = [_described(side)["held-out rungs"] for side in (one, other)]
    if reach[0] != reach[1]:
        yield (
            f"the held-out rungs are others, and a forecast further away is harder: {one.ladder} has {reach[0]}, "
            f"{other.ladder} {reach[1]}"
        )
    seeds = [_listed(side.observations["seed"].unique()) for side in (one, other)]
    if seeds[0] != seeds[1]:
        yield f"the seeds are others: {one.ladder} has {seeds[0]}, {other.ladder} {seeds[1]}"
    common = sorted(one.made["models"].keys() & other.made["models"].keys())
    same = {rung: one.made["models"][rung] == other.made["models"][rung] for rung in common}
    for is_same, what in ((True, "the same weights"), (False, "other weights")):
        if rungs := [rung for rung in common if same[rung] == is_same]:
            named = ", ".join(rungs) if len(rungs) <= _FEW else f"{len(rungs)}"
            yield f"{named} of the rungs that both have {'is' if len(rungs) == 1 else 'are'} of {what}"
    if one.made["code"] != other.made["code"]:
        yield "the two reports were made by other code"
