"""A few items asked of the weights again, against the responses that are stored."""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, redirect_stderr
from pathlib import Path
from typing import Any, TypeVar

from tasklaws.core.files import read_json, sha256_file
from tasklaws.core.lock import LOCK
from tasklaws.core.progress import progress
from tasklaws.core.schema import ITEMS, Response, read_family_items, read_responses
from tasklaws.core.settings import Settings
from tasklaws.harness.ask import OFFLINE, Means, loaded_models, means_of
from tasklaws.ladder.card import Checkpoint, read_card
from tasklaws.paths import Paths
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked

ITEMS_A_FAMILY = 2
CHECKPOINTS_A_RUNG = 2
_NATS = {"float64": 2e-6, "float32": 1e-2}  # stored to 1e-6; in float32 it shows what else is in a batch

Drawn = TypeVar("Drawn")
Row = Mapping[str, Any]


def check_asked(tree: Tree, settings: Settings, log: Path) -> Iterator[Finding]:
    """Ask some checkpoints of every rung some items of every family, and name the responses that are stored otherwise.

    Which are asked follows from dvc.lock, so that a change of it is another draw. What lm-eval prints goes to `log`.
    """
    paths, random_ = Paths(settings.models.name, tree.root), random.Random(sha256_file(tree.root / LOCK))
    asked = {
        item.id
        for family in settings.elicitation.ask
        for item in _draw(random_, read_family_items([family], tree.root / ITEMS), ITEMS_A_FAMILY)
    }
    yield Unchecked(f"{len(asked)} items were asked again, of {CHECKPOINTS_A_RUNG} checkpoints a rung")
    with progress("rungs asked again", len(settings.models.rungs)) as advance:
        for rung in settings.models.rungs:
            model, responses = tree.root / "models" / rung, paths.responses(rung)
            if not (model.is_dir() and responses.is_file()):
                yield Difference(rung, "has no model or no responses here to ask again: run `dvc pull` or `dvc repro`")
                continue
            checkpoints = _draw(random_, read_card(model).checkpoints, CHECKPOINTS_A_RUNG)
            means, asked_by = means_of(rung, settings), read_json(responses.with_suffix(".json"))
            if means.is_elsewhere or asked_by["device"] != means.record["device"]:
                yield Unchecked(f"{rung} was asked on another device ({asked_by['device']}), and not again")
                continue
            said = read_responses(responses, rung)
            with log.open("a") as lines, redirect_stderr(lines):
                answers = _answers(tree.root, model, means, checkpoints, settings, asked)
            for one, rows in zip(checkpoints, answers, strict=True):
                kept = {_key(vars(each)): each for each in said if (each.seed, each.step) == (one.seed, one.step)}
                other = [row for row in rows if not _is_same(row, kept.get(_key(row)), means.asking.dtype)]
                if other:
                    first = " ".join(_key(other[0]))
                    what = f"seed {one.seed} step {one.step} says otherwise to {len(other)} of {len(rows)}: {first}"
                    yield Difference(responses.relative_to(tree.root).as_posix(), what)
            advance()


def _draw(random_: random.Random, values: Sequence[Drawn], count: int) -> list[Drawn]:
    return random_.sample(list(values), min(count, len(values)))


def _answers(
    root: Path, model: Path, means: Means, checkpoints: Sequence[Checkpoint], settings: Settings, asked: set[str]
) -> list[list[dict[str, object]]]:
    os.environ.update(OFFLINE)
    import torch  # seconds, and it reads the environment

    from tasklaws.harness.respond import respond

    torch.set_num_threads(1)
    with chdir(root):  # where lm-eval finds custom_tasks/
        models = loaded_models([model.absolute() / one.path for one in checkpoints], means)
        ask, likelihoods = settings.elicitation.ask, means.likelihoods
        return list(respond(models, means.asking, means.batch_size, ask, ITEMS, asked, likelihoods))


def _key(row: Row) -> tuple[str, str, str]:
    return row["family"], row["elicitation"], row["item"]


def _is_same(row: Row, kept: Response | None, dtype: str) -> bool:
    if kept is None or row.get("response") != kept.response:
        return False
    names = ("log_likelihood", "log_likelihoods")
    pairs = [(row[name], getattr(kept, name)) for name in names if getattr(kept, name) is not None]
    return all(_is_near(now, then, _NATS.get(dtype, 0.1)) for now, then in pairs)


def _is_near(now: Any, then: Any, nats: float) -> bool:
    if isinstance(then, float):
        return bool(abs(now - then) <= nats)
    return len(now) == len(then) and all(_is_near(*pair, nats) for pair in zip(now, then, strict=True))
