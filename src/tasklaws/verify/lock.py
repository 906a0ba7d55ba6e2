"""dvc.lock itself: stages that it lost, and what it says of a stage against dvc.yaml, params.yaml and git."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.lock import LOCK
from tasklaws.provenance.chain import Chain, Stage, parse_chain
from tasklaws.provenance.dotted import value_at
from tasklaws.provenance.git import Commit
from tasklaws.provenance.planned import PlannedStage
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked


def check_lock(tree: Tree, params: Mapping[str, Any]) -> Iterator[Finding]:
    """Name what dvc.lock lost, and each stage whose command, inputs, parameters or outputs are not those of now."""
    yield from _lost(tree)
    for name, stage in tree.planned.items():
        if name not in tree.chain.stages:
            yield Difference(name, f"{LOCK} has no such stage: it never ran, or the record of it was lost")
            continue
        yield from check_stage(tree.chain.stages[name], stage, params)
    yield from _torn(tree)
    if tree.commit is not None and (committed := _committed(tree.commit)) is not None:
        yield from _other_results(tree.chain, committed)


def _committed(commit: Commit) -> Chain | None:
    try:
        return parse_chain((commit.read(str(LOCK)) or b"").decode(), f"git's {LOCK}")
    except (TasklawsError, UnicodeDecodeError):
        return None  # nothing differs from what is no lock


def _lost(tree: Tree) -> Iterator[Difference]:
    """The stages that a copy of the lock, git's index or the commit has and the lock has not, or not whole; where it
    has all, why DVC cannot read it, if so."""
    lost = [*tree.mended.put_back, *tree.mended.left_out] if tree.mended else []
    for name in lost:
        yield Difference(str(LOCK), f"lost the stage {name}: run `tasklaws repair-lock`")
    if tree.pipeline.lock_problem and not lost:
        what = f"DVC cannot read it ({tree.pipeline.lock_problem})"
        yield Difference(str(LOCK), f"{what}: run `tasklaws repair-lock`, or `git checkout {LOCK}`")


def check_stage(ran: Stage, stage: PlannedStage, params: Mapping[str, Any]) -> Iterator[Difference]:
    """Name where dvc.lock's entry of a stage is not what dvc.yaml and params.yaml make of it."""
    if ran.command != stage.command:
        yield Difference(stage.name, f"{LOCK} has the command {ran.command!r}, dvc.yaml {stage.command!r}")
    sides = (
        ("input", {entry.path for entry in ran.inputs}, stage.inputs),
        ("parameter", set(ran.params), stage.params),
        ("output", {entry.path for entry in ran.outputs}, stage.outputs),
    )
    for what, locked, due in sides:
        if due - locked:
            yield Difference(stage.name, f"{LOCK} has no {_listed(what, due - locked)}, which dvc.yaml lists")
        if locked - due:
            yield Difference(stage.name, f"{LOCK} has the {_listed(what, locked - due)}, which dvc.yaml does not list")
    for key in sorted(stage.params & set(ran.params)):
        if (now := value_at(params, key)) != ran.params[key]:
            yield Difference("params.yaml", _difference(key, ran.params[key], now))


def _listed(what: str, paths: set[str] | frozenset[str]) -> str:
    """`input a`, or `input a and 31 more`: a stage that is older than its code lacks many."""
    first, *others = sorted(paths)
    return f"{what} {first}" + (f" and {len(others)} more" if others else "")


def _difference(key: str, had: Any, has: Any) -> str:
    """The first leaf below `key` in which two values differ: `laws.replicates was 50 when ..., and is 60`."""
    if isinstance(had, Mapping) and isinstance(has, Mapping):
        part = next(part for part in sorted(had.keys() | has.keys(), key=str) if had.get(part) != has.get(part))
        return _difference(f"{key}.{part}", had.get(part), has.get(part))
    return f"{key} was {had!r} when the stages ran, and is {has!r}"


def _torn(tree: Tree) -> Iterator[Difference]:
    """Where two entries of dvc.lock contradict each other: a stage read another file than the one that was written."""
    for _, name in tree.present():
        for entry in tree.chain.stages[name].inputs:
            found = tree.chain.written(entry.path)
            if found is not None and found[1].path == entry.path and found[1].md5 != entry.md5:
                writer = found[0].name
                yield Difference(name, f"{LOCK} says that it read another {entry.path} than {writer} wrote")


def _other_results(chain: Chain, committed: Chain) -> Iterator[Unchecked]:
    """Count the outputs that git's lock has otherwise for equal inputs: another machine's rounding, or a forgery."""
    other = 0
    for name, then in committed.stages.items():
        now = chain.stages.get(name)
        if now is not None and (now.command, now.inputs, now.params) == (then.command, then.inputs, then.params):
            hashes = {entry.path: entry.md5 for entry in then.outputs}
            other += sum(hashes.get(entry.path, entry.md5) != entry.md5 for entry in now.outputs)
    if other:
        what = (
            f"{other} outputs are others than git's {LOCK} has of the same inputs: made on another machine, or edited"
        )
        yield Unchecked(f"{what} (--deep makes them again)")
