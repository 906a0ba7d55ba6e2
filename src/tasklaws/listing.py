"""What there is to choose from, with a line each: what `tasklaws ls` prints."""

import inspect
import itertools
import re
from collections.abc import Callable
from pathlib import Path

from tasklaws.core.errors import TasklawsError

_LADDERS = Path("conf/models")
Listed = dict[str, str]


def _families() -> Listed:
    """Each family of tasks, and what its file says first."""
    from tasklaws.families import generators

    return {name: _sentence(inspect.getdoc(inspect.getmodule(kind))) for name, kind in generators().items()}


def _laws() -> Listed:
    """Each law, its formula and what it is of."""
    from tasklaws.laws.forms import LAWS

    return {name: f"{law.formula} (of {', '.join(law.inputs)}; gives {law.gives})" for name, law in LAWS.items()}


def _ladders() -> Listed:
    """Each ladder of conf/models and the comment that begins its file; without that folder TasklawsError is raised."""
    if not _LADDERS.is_dir():
        raise TasklawsError(f"{_LADDERS} does not exist: run this in the repository's root")
    found = {}
    for path in sorted(_LADDERS.glob("*.yaml")):
        comment = itertools.takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
        found[path.stem] = _sentence(" ".join(line.removeprefix("#") for line in comment))
    return found


def _methods() -> Listed:
    """Each way of forecasting that `backtest` compares, and each order of items that `difficulty` does."""
    from tasklaws.forecast.baselines import BASELINES, LOSS_BASELINES
    from tasklaws.forecast.methods import LOSS_METHODS, METHODS
    from tasklaws.items.methods import ITEM_METHODS

    found = {}
    for method in (*METHODS, *LOSS_METHODS):
        axis = method.axis.__name__.replace("_", " ")
        found[method.name] = f"a Gaussian process over {axis}, on the scale {method.link.name}"
    found |= {method.name: f"baseline: {_sentence(inspect.getdoc(method))}" for method in (*BASELINES, *LOSS_BASELINES)}
    for name, item_method in ITEM_METHODS.items():
        used = [*item_method.covariates, *item_method.groupings, *item_method.blocks]
        found[name] = f"items, by {', '.join(used) or 'nothing of the item'}"
    return found


def _metrics() -> Listed:
    """Each metric whose kind is known by its name; any other lies in [0, 1], more being better."""
    from tasklaws.tables import ACCURACIES, LOSSES

    score, loss = "a score in [0, 1], more is better", "a loss of 0 or more, less is better"
    return dict.fromkeys(sorted(ACCURACIES), score) | dict.fromkeys(sorted(LOSSES), loss)


def _tables() -> Listed:
    """Each kind of table, what a row of it holds, and its columns, those that may be empty in brackets."""
    from tasklaws import tables

    found = {}
    for name, table in vars(tables).items():
        if isinstance(table, tables.Table) and not name.startswith("_"):
            columns = ", ".join(f"[{each}]" if each in table.optional else each for each in table.columns)
            found[name.lower()] = f"{table.holds}: {columns}"
    return found


def _sentence(text: str | None) -> str:
    """The first sentence of a text's first paragraph, in one line."""
    paragraph = " ".join((text or "").split("\n\n")[0].split())
    return re.sub(r"(?<!\.)\.$", "", re.split(r"(?<!\bal)\.\s", paragraph)[0])


_LISTS = (_families, _laws, _ladders, _methods, _metrics, _tables)
TOPICS: dict[str, Callable[[], Listed]] = {each.__name__[1:]: each for each in _LISTS}


def counts() -> Listed:
    """How many there are of each topic; why not, where they cannot be listed here."""
    found = {}
    for name, listed in TOPICS.items():
        try:
            found[name] = f"{len(listed())} of them: tasklaws ls {name}"
        except TasklawsError as error:
            found[name] = str(error)
    return found
