"""A rung fetched from a Hugging Face hub: pinned to the commits that it got, usable offline.

Files come through the hub's own cache, so what has been downloaded once is never asked for again. The rung
is put together in `work` and moved to its place whole.
"""

import hashlib
import json
import re
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
from tasklaws.core.files import read_json, replacing, sha256_file, write_json
from tasklaws.core.schema import train_flops
from tasklaws.core.sealed import is_sealed, seal
from tasklaws.core.settings import HubSource
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card
from tasklaws.ladder.heldout import count_config_params, heldout_loss
from tasklaws.ladder.hub_answers import checked_answers, endpoint, one_line, refuse_odd_token, without_user

_HUB_WORK = Path(".work/hub")
# All that a GPT-NeoX, or another causal model with a fast tokenizer, may need beside its weights.
SMALL_FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
SMALL_FILES += ["special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"]
# The first of these forms that a revision has is fetched, and no other.
WEIGHTS = [
    ["model.safetensors"],
    ["model.safetensors.index.json", "model-*.safetensors"],
    ["pytorch_model.bin"],
    ["pytorch_model.bin.index.json", "pytorch_model-*.bin"],
]


# What a config may say of layers, experts and labels, each of which is a module or a name that is made.
MOST_IN_CONFIG = 1000
_COUNTED = re.compile("layer|expert|label|block")


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
    snapshots = [_download(source.repo, step, revision) for step, revision in source.revisions.items()]
    _refuse_shared_commits(source.repo, snapshots)
    staging = work / f"{rung}-{_key(source, snapshots, documents)}"
    staged = staging / "rung"
    checkpoints = tuple(_stage(staging, source, snapshot, documents, snapshots[-1].step) for snapshot in snapshots)
    found = Card(
        rung=rung,
        source_kind="hub",
        n_params=source.n_params,
        n_params_total=source.n_params_total,
        tokenizer_sha256=sha256_file(staged / "tokenizer.json"),
        checkpoints=checkpoints,
        repo=source.repo,
        revision=source.revision,
        commit=snapshots[-1].commit,
        n_params_loaded=count_config_params(staged)[0],
    )
    _warn_of_other_shape(staged, source, found)
    write_card(staged, found)
    _move(staged, out, staging / "replaced")
    shutil.rmtree(staging)
    return found


def _download(repo: str, step: int, revision: str) -> Snapshot:
    """Bring one revision into the hub's cache: the small files, then the weights of the same commit."""
    with one_line(repo, revision, endpoint()), checked_answers():
        refuse_odd_token()
        snapshot = Path(snapshot_download(repo, revision=revision, allow_patterns=SMALL_FILES, endpoint=endpoint()))
        commit = snapshot.name
        listed = read_tree_cache(str(snapshot.parents[1]), commit)
        if listed is None:
            raise CachedRepoTreeNotFoundError(f"no list of the files of {commit}")
        hashes = {name: entry.lfs_sha256 or entry.blob_id for name, entry in listed.items()}
        weights = next((names for form in WEIGHTS if (names := _matching(list(hashes), form))), None)
        place = without_user(f"{repo} at {revision} ({endpoint()})")
        if weights is None:
            raise TasklawsError(f"{place} holds no weights: choose another step")
        small = _matching(list(hashes), SMALL_FILES)
        for needed in ("config.json", "tokenizer.json"):
            if needed not in small:
                raise TasklawsError(f"{place} holds no {needed}: choose another repository")
        snapshot_download(repo, revision=commit, allow_patterns=small + weights, endpoint=endpoint())
    return Snapshot(step, revision, commit, {snapshot / name: hashes[name] for name in sorted(small + weights)})


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if "/" not in name and any(Path(name).match(pattern) for pattern in patterns)]


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


def _stage(
    staging: Path, source: HubSource, snapshot: Snapshot, documents: Sequence[Mapping[str, str]], last_step: int
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
    _refuse_endless_config(staged / "config.json", source.repo)
    loss = heldout_loss(staged, documents)
    n_tokens = snapshot.step * source.tokens_per_step
    checkpoint = Checkpoint(
        path=path,
        seed=seed,
        step=snapshot.step,
        is_final=is_final,
        n_tokens=n_tokens,
        train_flops=train_flops(source.n_params, n_tokens),
        loss_nats=round(loss.loss_nats, 6),
        bits_per_byte=round(loss.bits_per_byte, 6),
        files=hash_files(staged),
        commit=snapshot.commit,
    )
    write_json(done, asdict(checkpoint))
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


def _refuse_endless_config(path: Path, repo: str) -> None:
    """Raise TasklawsError where a model of this configuration would have more layers than any has."""
    pending = [read_json(path)]
    while pending:
        config = pending.pop()
        for name, value in config.items() if isinstance(config, dict) else ():
            pending += [value] if isinstance(value, dict) else []
            if isinstance(value, int) and value > MOST_IN_CONFIG and _COUNTED.search(name):
                raise TasklawsError(
                    f"config.json of {repo} says {name} {value}, more than {MOST_IN_CONFIG}: choose another repository"
                )


def _warn_of_other_shape(staged: Path, source: HubSource, found: Card) -> None:
    """Say on stderr where the fetched model is not of the shape that the ladder states."""
    config = read_json(staged / "config.json")
    names = {"width": "hidden_size", "layers": "num_hidden_layers", "heads": "num_attention_heads"}
    loaded = {ours: config.get(theirs) for ours, theirs in names.items()} | {"n_params": found.n_params_loaded}
    stated = {name: getattr(source, name) for name in loaded}
    other = [f"{name} {value}, not {stated[name]}" for name, value in loaded.items() if value != stated[name]]
    if other:
        print(f"warning: {found.repo} has {'; '.join(other)}: the card keeps the ladder's sizes", file=sys.stderr)


def _move(staged: Path, out: Path, aside: Path) -> None:
    """Put the finished rung in its place, with whatever stood there out of sight before."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        shutil.rmtree(aside, ignore_errors=True)
        out.rename(aside)
    staged.rename(out)
