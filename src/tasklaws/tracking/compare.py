"""Where MLflow's store and the outputs differ. Nothing that a run says of itself counts: no hash in it, and no time."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tasklaws.core.files import sha256_file
from tasklaws.core.schema import ITEMS
from tasklaws.paths import Paths
from tasklaws.provenance.chain import Chain, md5
from tasklaws.tracking import notes, store
from tasklaws.tracking.made import DATA_TAGS, RECORD
from tasklaws.tracking.run import KIND_TAG, Key, Metric, Run
from tasklaws.tracking.runs import collect, ladders
from tasklaws.tracking.store import Points, StoredModel, StoredRun

PARENT_TAG = "mlflow.parentRunId"


def differences(root: Path, chain: Chain) -> list[str]:
    """A line for every run in the store that is not what the outputs under `root` say; it changes nothing.

    Of the ladders that can be computed here and that the store has: none where there is no store. A missing or damaged
    output and a broken store raise TasklawsError.
    """
    root, lines = root.resolve(), []
    for ladder in ladders(root, chain):
        found = store.read_experiment(root, ladder)
        if found is None or why_left_out(root, chain, ladder) is not None:
            continue
        wrong, strangers = differing_runs(collect(root, chain, ladder), found.runs, root, ladder)
        lines += [f"MLflow run {name} of {ladder}: other {', '.join(parts)}" for (_, name), parts in wrong.items()]
        lines += [f"MLflow run {run.name} of {ladder}: of no result, or a second one" for run in strangers]
    return lines


def why_left_out(root: Path, chain: Chain, ladder: str) -> str | None:
    """Why a ladder's runs cannot be computed here, if so: outputs that are not here, or items of other settings."""
    paths, validate = Paths(ladder, root), chain.stages[f"validate@{ladder}"]
    for rung, entry in validate.param("models.rungs").items():
        for path in (paths.scores(entry["role"]) / f"{rung}.csv", paths.responses(rung)):
            if not path.is_file():
                return f"{path.relative_to(root)} is not here: run `dvc pull`, or compose {ladder} and run `dvc repro`"
    if md5(paths.items) not in {entry.md5 for entry in validate.inputs}:
        return f"{ITEMS} holds other items than {ladder} was asked: compose it and run `dvc repro`"
    return None


def expected(run: Run, ids: Mapping[Key, str]) -> StoredRun:
    """A run as the store should have it; `ids` are those of the runs that its tags name."""
    ladder = next((identity for key, identity in ids.items() if key[0] == "ladder"), "")
    tags = {KIND_TAG: run.kind} | {key: text.replace(notes.LADDER_RUN, ladder) for key, text in run.tags.items()}
    if run.parent is not None:
        tags[PARENT_TAG] = ids.get(run.parent, "")
    times = None
    if run.aside is not None:
        times, tags = (run.aside.start, run.aside.end), tags | run.aside.tags
    last = {each.name: each.value for each in sorted(run.metrics, key=lambda metric: (metric.step, metric.value))}
    models = {
        model.name: StoredModel(params=model.params, tags=model.tags, metrics=_points(run.metrics, model.name))
        for model in run.models
    }
    points = _points(run.metrics)
    return StoredRun(run.name, "", "FINISHED", times, run.params, points, last, tags, dict(run.inputs), models)


def _points(metrics: Sequence[Metric], model: str | None = None) -> Points:
    return sorted({(each.name, each.value, each.step) for each in metrics if model in (None, each.model)})


def differing_runs(
    runs: Sequence[Run], found: Sequence[StoredRun], root: Path, ladder: str
) -> tuple[dict[Key, list[str]], list[StoredRun]]:
    """Which parts of which runs differ in the store, and our runs there that should not be: second ones, others'."""
    ours: dict[Key, StoredRun] = {}
    strangers = []
    for run in found:
        if KIND_TAG not in run.tags:
            continue
        if ours.setdefault(_key(run), run) is not run:
            strangers.append(run)
    ids = {key: run.identity for key, run in ours.items()}
    parts = {run.key: _differing(run, expected(run, ids), ours.pop(run.key, None), root, ladder) for run in runs}
    return {key: each for key, each in parts.items() if each}, [*strangers, *ours.values()]


def _key(run: StoredRun) -> Key:
    return run.tags[KIND_TAG], run.name


def _differing(run: Run, due: StoredRun, found: StoredRun | None, root: Path, ladder: str) -> list[str]:
    """The parts in which a run in the store differs; tags that a person added, and times that nobody knows, do not."""
    if found is None:
        return ["everything: it is missing"]
    times = found.times if due.times is None else due.times
    wanted = vars(replace(due, identity=found.identity, times=times))
    wanted["models"] = {name: vars(model) for name, model in due.models.items()}
    wanted["tags"] = certain(run, due.tags)
    if not run.is_whole:
        del wanted["inputs"]
    own = vars(replace(found, tags={key: text for key, text in found.tags.items() if key in wanted["tags"]}))
    own["models"] = {name: vars(replace(model, identity="")) for name, model in found.models.items()}
    parts = [part for part in wanted if own[part] != wanted[part]]
    folder = store.artifacts(root, ladder, found.identity)
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    return [*parts, "artifacts"] if sha256_of_each(run.artifacts) != sha256_of_each(there) else parts


def certain(run: Run, tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a run that must be as they are now."""
    return {key: text for key, text in tags.items() if run.is_whole or key not in (RECORD, *DATA_TAGS.values())}


def sha256_of_each(artifacts: Mapping[str, Path | bytes]) -> dict[str, str]:
    """The SHA-256 of every artifact."""
    return {
        name: hashlib.sha256(each).hexdigest() if isinstance(each, bytes) else sha256_file(each)
        for name, each in artifacts.items()
    }
