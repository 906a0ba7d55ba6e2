"""Writing a ladder's file from a list of models."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_text
from tasklaws.core.outputs import refuse_outputs
from tasklaws.core.settings import HubSource, LocalSource
from tasklaws.ladder.model_sizes import Sizes
from tasklaws.ladder.sizes import sizes_of

_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_HEAD = """\
# {count} models, small to large by what their config.json says. From how many tokens they have learned is unknown until
# `n_tokens` says so, and forecasts go by size until then (docs/ladders.md).
defaults:
  - override /asking@_global_.asking: pretrained
  - override /execution@_global_.execution: auto
  - _self_
"""


def new_ladder(name: str, places: Sequence[str], holdout: Sequence[str], models: Path) -> Path:
    """Write `models`/NAME.yaml, a ladder of repositories (OWNER/NAME) and of folders or GGUF files on this machine.

    They are ordered by size, as their config.json has it; those of `holdout`, or else the largest, are held out.

    A name that is taken or cannot be one, fewer than two models, one that is neither there nor a repository's name, two
    whose rungs would have one name, a holdout that is none of them, or all of them, and what the hub refuses raise
    TasklawsError; nothing is written then.
    """
    path = models / f"{name}.yaml"
    if not models.is_dir():
        raise TasklawsError(f"{models} does not exist: run this in the repository's root")
    if not re.fullmatch(r"[\w-]+", name):
        raise TasklawsError(f"no ladder can be called {name!r}: give letters, digits, - and _")
    if path.exists():
        raise TasklawsError(f"{path} is there already: give another name, or edit it")
    if len(set(places)) < 2:
        raise TasklawsError(
            f"a ladder of {', '.join(places)} has less than two models: give one to fit, one to hold out"
        )
    for place in holdout:
        if place not in places:
            raise TasklawsError(f"--holdout {place} is none of the models: give one of {', '.join(places)}")
    found = [(place, source := _source(place), sizes_of(source)) for place in dict.fromkeys(places)]
    found.sort(key=lambda one: one[2].n_params)
    held = set(holdout) or {found[-1][0]}
    if len(held) == len(found):
        raise TasklawsError("--holdout names all models: leave one or more to fit")
    rungs: dict[str, object] = {}
    folders = {}
    for place, source, sizes in found:
        rung = re.sub(r"[^\w-]+", "_", Path(place).name.removesuffix(".gguf")).lower()
        if rung in rungs:
            raise TasklawsError(
                f"{place} would be rung {rung}, as another model is: write the file by hand (docs/ladders.md)"
            )
        if isinstance(source, LocalSource):
            folders[f"rung {rung} from"] = place
        rungs[rung] = {"role": "holdout" if place in held else "fit", "source": _entry(source, sizes)}
    refuse_outputs(folders, rungs)
    text = _HEAD.format(count=len(rungs))
    write_text(path, text + yaml.safe_dump({"name": name, "rungs": rungs}, sort_keys=False))
    return path


def _source(place: str) -> HubSource | LocalSource:
    if Path(place).exists():
        return LocalSource(kind="local", path=place)
    if not _REPO.fullmatch(place):
        raise TasklawsError(f"{place} is not there, nor a repository's name: give OWNER/NAME, a folder or a .gguf file")
    return HubSource(kind="hub", repo=place)


def _entry(source: HubSource | LocalSource, sizes: Sizes) -> dict[str, object]:
    stated = {"n_params": sizes.n_params, "n_params_total": sizes.n_params_total}
    if isinstance(source, LocalSource):
        return {"kind": "local", "path": source.path, **stated}
    return {"kind": "hub", "repo": source.repo, "revision": source.revision, **stated}
