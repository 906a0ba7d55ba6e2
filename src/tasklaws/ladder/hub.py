"""A rung fetched from a Hugging Face hub: pinned to the commits that it got, usable offline.

Files come through the hub's own cache, so what has been downloaded once is never asked for again. The rung
is put together in `work` and moved to its place whole.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub._tree_cache import read_tree_cache  # get_cached_repo_tree leaves out the SHA-256
from huggingface_hub.errors import CachedRepoTreeNotFoundError

from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, replacing, write_json
from tasklaws.core.schema import train_flops
from tasklaws.core.sealed import is_sealed, seal
from tasklaws.core.settings import HubSource
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card
from tasklaws.ladder.heldout import measured
from tasklaws.ladder.hub_answers import checked_answers, endpoint, one_line, refuse_odd_token, without_user
from tasklaws.ladder.model_files import chosen, move_into_place, refuse_damaged, small_files, tokenizer_sha256
from tasklaws.ladder.model_sizes import other_than_stated, read_sizes, refuse_endless

_HUB_WORK = Path(".work/hub")


@dataclass(frozen=True)
class Snapshot:
    """One revision of a repository in the hub's cache: the step that it is, its commit, its files with their hashes.

    A hash is that of the hub's list of files: SHA-256 of a large one, git's SHA-1 of a small one.
    """

    step: int
    revision: str
    commit: str
    files: dict[Path, str]


def fetch(
    rung: str, source: HubSource, documents: Sequence[Mapping[str, str]], out: Path, work: Path = _HUB_WORK
) -> Card:
    """Fetch every checkpoint that `source` lists into `out` and write its card, with the loss on `documents`.

    The last checkpoint goes into `out` itself. The endpoint is HF_ENDPOINT or the public hub. Call it again after a
    kill: what was done is kept. No network (and not all in the cache), an unknown repository or revision, a refusal, a
    truncated or damaged file raise TasklawsError, and `out` stays as it was. Weights of another size than the ladder
    states are kept, with a warning, and their own count goes into the card as n_params_loaded.
    """
    snapshots = [_download(source, step, revision) for step, revision in source.revisions.items()]
    _refuse_shared_commits(source.repo, snapshots)
    staging = work / f"{rung}-{_key(source, snapshots, documents)}"
    staged = staging / "rung"
    sizes = read_sizes(_configuration(staging, source, snapshots[-1]), source.repo, source.trust_remote_code)
    n_params = source.n_params or sizes.n_params
    checkpoints = tuple(
        _stage(staging, source, n_params, snapshot, documents, snapshots[-1].step) for snapshot in snapshots
    )
    found = Card(
        rung=rung,
        source_kind="hub",
        n_params=n_params,
        n_params_total=source.n_params_total or sizes.n_params_total,
        tokenizer_sha256=tokenizer_sha256(checkpoints[-1].files),
        checkpoints=checkpoints,
        repo=source.repo,
        revision=source.revision,
        commit=snapshots[-1].commit,
        n_params_loaded=sizes.n_params,
        trust_remote_code=source.trust_remote_code or None,
    )
    if other := other_than_stated(source, sizes):
        print(f"warning: {source.repo} has {other}: the card keeps the ladder's sizes", file=sys.stderr)
    write_card(staged, found)
    move_into_place(staged, out, staging / "replaced")
    shutil.rmtree(staging)
    return found


def config_of(source: HubSource) -> Path:
    """The folder in the hub's cache that has the config.json of a rung's final checkpoint; errors are those of
    `fetch`."""
    folder = _listed(source.repo, source.revision, small_files(source))[0]
    if not (folder / "config.json").is_file():
        raise TasklawsError(f"{_place(source.repo, source.revision)} holds no config.json: choose another repository")
    return folder


def commit_of(repo: str, revision: str) -> str:
    """The commit that a revision of a repository stands for."""
    return _listed(repo, revision, ["config.json"])[0].name


def _place(repo: str, revision: str) -> str:
    return without_user(f"{repo} at {revision} ({endpoint()})")


def _listed(repo: str, revision: str, patterns: list[str]) -> tuple[Path, dict[str, str]]:
    """Bring the files of these names into the hub's cache: their folder there, and the hash of every file there is."""
    with one_line(repo, revision, endpoint()), checked_answers():
        refuse_odd_token()
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=patterns, endpoint=endpoint()))
        listed = read_tree_cache(str(folder.parents[1]), folder.name)
        if listed is None:
            raise CachedRepoTreeNotFoundError(f"no list of the files of {folder.name}")
    return folder, {name: entry.lfs_sha256 or entry.blob_id for name, entry in listed.items()}


def _download(source: HubSource, step: int, revision: str) -> Snapshot:
    """Bring one revision into the hub's cache: the small files, then the weights of the same commit."""
    folder, hashes = _listed(source.repo, revision, small_files(source))
    files = chosen(list(hashes), source, _place(source.repo, revision), "choose another repository or step")
    _listed(source.repo, folder.name, files)
    return Snapshot(step, revision, folder.name, {folder / name: hashes[name] for name in files})


def _refuse_shared_commits(repo: str, snapshots: Sequence[Snapshot]) -> None:
    revisions: dict[str, str] = {}
    for snapshot in snapshots:
        other = revisions.setdefault(snapshot.commit, snapshot.revision)
        if other != snapshot.revision:
            raise TasklawsError(f"{repo}: {snapshot.revision} is {other} too ({snapshot.commit}): drop one")


def _key(source: HubSource, snapshots: Sequence[Snapshot], documents: Sequence[Mapping[str, str]]) -> str:
    """A hash of all that the rung follows from, so that work of another configuration is never taken up."""
    facts = [asdict(source), [snapshot.commit for snapshot in snapshots], [dict(row) for row in documents]]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _configuration(staging: Path, source: HubSource, snapshot: Snapshot) -> Path:
    """A folder with what the sizes are read from, as the hub has it."""
    folder = staging / "configuration"
    for file, expected in snapshot.files.items():
        if file.name == "config.json" or file.suffix == ".py":
            _copy_checked(file, folder / file.name, expected, source.repo, snapshot.revision)
    return folder


def _stage(
    staging: Path,
    source: HubSource,
    n_params: int,
    snapshot: Snapshot,
    documents: Sequence[Mapping[str, str]],
    last_step: int,
) -> Checkpoint:
    """Copy a snapshot into the staged rung and measure its loss, unless an earlier run has and all is as it left it."""
    seed, is_final = source.seeds[0], snapshot.step == last_step
    path = "." if is_final else f"seed{seed}-step{snapshot.step}"
    staged, done = staging / "rung" / path, staging / f"step{snapshot.step}.json"
    for stray in staged.glob("*"):  # half-written by a run that was killed, or put there
        if not stray.is_dir() and stray.name not in {file.name for file in snapshot.files}:
            stray.unlink()
    if is_sealed(done):
        kept = read(Checkpoint, read_json(done), str(done), f"remove {staging} and run it again")
        if staged.is_dir() and hash_files(staged) == kept.files:
            return kept
    for file, expected in snapshot.files.items():
        _copy_checked(file, staged / file.name, expected, source.repo, snapshot.revision)
    refuse_endless(read_json(staged / "config.json"), source.repo)
    refuse_damaged(staged, f"choose another step of {source.repo}")
    n_tokens = source.tokens_at(snapshot.step)
    checkpoint = Checkpoint(
        path=path,
        seed=seed,
        step=snapshot.step,
        is_final=is_final,
        n_tokens=n_tokens,
        train_flops=train_flops(n_params, n_tokens),
        **measured(staged, source, documents),
        files=hash_files(staged),
        commit=snapshot.commit,
    )
    write_json(done, {name: value for name, value in asdict(checkpoint).items() if value is not None})
    seal(done)
    return checkpoint


def _copy_checked(source: Path, target: Path, expected: str, repo: str, revision: str) -> None:
    """Copy a cached file; if its content is not what the hub's list of files says, drop it there and raise.

    The client itself checks sizes only.
    """
    git = hashlib.sha1(b"blob %d\0" % source.stat().st_size, usedforsecurity=False)
    hasher = hashlib.sha256() if len(expected) == 64 else git
    with source.open("rb") as reader, replacing(target) as writer:
        while chunk := reader.read(1 << 20):
            writer.write(chunk)
            hasher.update(chunk)
        if hasher.hexdigest() != expected:
            source.resolve().unlink()
            source.unlink(missing_ok=True)
            raise TasklawsError(
                f"{source.name} of {repo} at {revision} came damaged"
                f" (hash {hasher.hexdigest()}, the hub says {expected}): it is dropped, run it again"
            )
