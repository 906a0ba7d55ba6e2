"""MLflow's store made to hold what the outputs say."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from tasklaws.core.errors import TasklawsError
from tasklaws.core.progress import progress
from tasklaws.provenance.chain import Chain, read_chain
from tasklaws.tracking import store
from tasklaws.tracking.compare import certain, differing_runs, expected, sha256_of_each, why_left_out
from tasklaws.tracking.made import RECORD
from tasklaws.tracking.run import KIND_TAG, Key, Run, hash_json
from tasklaws.tracking.runs import collect, ladders
from tasklaws.tracking.store import StoredExperiment, StoredRun
from tasklaws.tracking.view import view


class Account(TypedDict):
    """What results/<ladder>/tracking.json holds: the kind, name and content_sha256 of every run."""

    experiment: str
    runs: list[dict[str, str]]


def rebuild_all(root: Path) -> tuple[dict[str, int], list[str]]:
    """`rebuild` for every ladder with results: how many runs it wrote, by ladder, and a line for each ladder that
    cannot be computed here. Where none can, TasklawsError."""
    chain = read_chain(root)
    written: dict[str, int] = {}
    left_out = []
    for ladder in ladders(root, chain):
        try:
            if (reason := why_left_out(root, chain, ladder)) is None:
                written[ladder] = rebuild(root, chain, ladder)[1]
        except TasklawsError as error:  # one ladder's damaged output keeps no other from being shown
            reason = str(error)
        if reason is not None:
            left_out.append(f"MLflow keeps what it has of {ladder}: {reason}")
    if not written:
        raise TasklawsError(left_out[0] if left_out else "no ladder has results here: run `dvc repro`")
    return written, left_out


def rebuild(root: Path, chain: Chain, ladder: str) -> tuple[Account, int]:
    """Make a ladder's experiment hold exactly the runs of the outputs under `root`; runs of others in it stay.

    A run that differs in anything, half-written by a kill too, is written anew. Gives the byte-stable account (names
    and hashes) and the number of runs written. A locked, broken or full store raises TasklawsError.
    """
    root = root.resolve()
    runs = collect(root, chain, ladder)
    with store.exclusive(root):
        found = store.read_experiment(root, ladder) or StoredExperiment({}, [])
        wrong, strangers = differing_runs(runs, found.runs, root, ladder)
        shown = view(runs)
        if wrong or strangers or not shown.items() <= found.tags.items():
            _mend(root, ladder, runs, found.runs, wrong, strangers, shown)
    account = [{"kind": run.kind, "name": run.name, "content_sha256": content_sha256(run)} for run in runs]
    return {"experiment": ladder, "runs": account}, len(wrong)


def content_sha256(run: Run) -> str:
    """The hash of everything in a run but for what is known of its process, and for the digest of a record: that
    changes with code far behind it, for which DVC does not run this stage again where all bytes stay."""
    models = [vars(model) for model in run.models]
    tags = {key: value for key, value in run.tags.items() if key != RECORD}
    metrics = sorted(list(vars(metric).values()) for metric in run.metrics)
    parts = {
        "aside": None,
        "is_whole": True,
        "artifacts": sha256_of_each(run.artifacts),
        "models": models,
        "metrics": metrics,
        "tags": tags,
    }
    return hash_json({**vars(run), **parts})


def _mend(
    root: Path,
    ladder: str,
    runs: Sequence[Run],
    found: Sequence[StoredRun],
    wrong: Mapping[Key, Sequence[str]],
    strangers: Sequence[StoredRun],
    shown: Mapping[str, str],
) -> None:
    """Delete what should not be there, write what is missing or differs; tags, which can change, are set in place."""
    there = {(run.tags.get(KIND_TAG, ""), run.name): run for run in reversed(found)}
    ids: dict[Key, str] = {}
    with store.opened(root) as client, progress("track", len(wrong)) as advance:
        experiment = _experiment(client, ladder)
        for name, text in shown.items():
            client.set_experiment_tag(experiment, name, text)
        for stranger in strangers:
            _delete(client, root, ladder, stranger)
        for run in runs:
            own = there.get(run.key)
            if own is not None and set(wrong.get(run.key, [])) <= {"tags"}:
                ids[run.key] = own.identity
            else:
                if own is not None:
                    _delete(client, root, ladder, own)
                ids[run.key] = _write(client, root, ladder, experiment, run)
                own = None
            due = expected(run, ids).tags
            if own is None:
                _set_tags(client, ids[run.key], due)
            elif any(own.tags.get(key) != text for key, text in certain(run, due).items()):
                _set_tags(client, ids[run.key], certain(run, due))
            if run.key in wrong:
                advance()


def _experiment(client: Any, ladder: str) -> str:
    """The id of a ladder's experiment; one that keeps its artifacts elsewhere, as earlier ones did, makes room."""
    found = client.get_experiment_by_name(ladder)
    if found is not None and found.artifact_location != store.location(ladder):
        if found.lifecycle_stage != "active":
            client.restore_experiment(found.experiment_id)
        client.rename_experiment(found.experiment_id, f"{ladder} until {found.experiment_id}")
        client.delete_experiment(found.experiment_id)
        found = None
    if found is None:
        return str(client.create_experiment(ladder, artifact_location=store.location(ladder)))
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _delete(client: Any, root: Path, ladder: str, run: StoredRun) -> None:
    for model in run.models.values():
        client.delete_logged_model(model.identity)
    client.delete_run(run.identity)
    shutil.rmtree(store.artifacts(root, ladder, run.identity).parent, ignore_errors=True)


def _set_tags(client: Any, identity: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(identity, tags=[RunTag(name, text) for name, text in tags.items()])


def _write(client: Any, root: Path, ladder: str, experiment: str, run: Run) -> str:
    """Write one run but for its tags, in a few batches (MLflow takes 1000 metrics and 100 params in each); its id.

    Its start is that of the process that made it, or where nobody knows it, now, when it is logged; then it has no end.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param

    start = None if run.aside is None else run.aside.start
    created = client.create_run(experiment, start, {KIND_TAG: run.kind}, run.name)
    identity, now = created.info.run_id, created.info.start_time
    ids = {}
    for model in run.models:
        logged = client.create_logged_model(experiment, model.name, identity, model.tags, model.params, "checkpoint")
        ids[model.name] = client.finalize_logged_model(logged.model_id, "READY").model_id
    metrics = [Metric(each.name, each.value, now, each.step, ids.get(each.model)) for each in run.metrics]
    params = [Param(name, value) for name, value in run.params.items()]
    for first in range(0, len(metrics), 1000):
        client.log_batch(identity, metrics=metrics[first : first + 1000])
    for first in range(0, len(params), 100):
        client.log_batch(identity, params=params[first : first + 100])
    data = [
        DatasetInput(Dataset(name, digest, "local", f'{{"uri": "{name}"}}'), [InputTag("mlflow.data.context", name)])
        for name, digest in run.inputs.items()
    ]
    client.log_inputs(identity, data)
    client.log_outputs(identity, [LoggedModelOutput(model_id, 0) for model_id in ids.values()])
    for name, file in run.artifacts.items():
        place = store.artifacts(root, ladder, identity) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file if isinstance(file, bytes) else file.read_bytes())
    if run.aside is None:
        client.update_run(identity, "FINISHED")
    else:
        client.set_terminated(identity, end_time=run.aside.end)
    return str(identity)
