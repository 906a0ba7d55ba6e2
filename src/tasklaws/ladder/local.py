"""A rung that lies on this machine: a directory as Hugging Face's tools write it, or a GGUF file."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import replacing, sha256_file
from tasklaws.core.schema import train_flops
from tasklaws.core.settings import LocalSource
from tasklaws.ladder.card import Card, Checkpoint, hash_files, write_card
from tasklaws.ladder.heldout import measured
from tasklaws.ladder.model_files import chosen, move_into_place, refuse_damaged, tokenizer_sha256
from tasklaws.ladder.model_sizes import other_than_stated, read_sizes

_LOCAL_WORK = Path(".work/local")


def found(source: LocalSource) -> Path:
    """Where a rung lies; TasklawsError where nothing is there, or a file where a directory should be."""
    path = Path(source.path).expanduser()
    if not path.exists():
        raise TasklawsError(f"{source.path} does not exist: correct `path` in conf/models")
    if path.is_file() != source.is_gguf:
        what = "a directory" if source.is_gguf else "no directory and no .gguf file"
        raise TasklawsError(f"{source.path} is {what}: give a model's directory, or a GGUF file")
    return path


def take(
    rung: str, source: LocalSource, documents: Sequence[Mapping[str, str]], out: Path, work: Path = _LOCAL_WORK
) -> Card:
    """Copy or link a model's files into `out` and write its card, with the loss on `documents`.

    Only what a rung needs is taken: configuration, tokenizer, weights. A link is a symbolic one: of a hard one DVC
    would take the write permission off the file that it came from. A file that lacks, is cut off or does not load,
    weights of another hash and sizes other than stated raise TasklawsError, and `out` stays as it was.
    """
    path = found(source)
    staging = work / rung
    staged = staging / "rung"
    shutil.rmtree(staging, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        made = _stage(rung, source, path, staged, documents)
        write_card(staged, made)
        move_into_place(staged, out, staging / "replaced")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return made


def _stage(rung: str, source: LocalSource, path: Path, staged: Path, documents: Sequence[Mapping[str, str]]) -> Card:
    remedy = f"correct {source.path}, or `path` in conf/models"
    gguf = sha256_file(path) if source.is_gguf else None
    if gguf is not None:
        _refuse_other_hash(source, gguf)
        from tasklaws.ladder.gguf import convert

        convert(path, staged)
    else:
        for name in chosen(sorted(file.name for file in path.iterdir() if file.is_file()), source, source.path, remedy):
            _place(
                path / name, staged / name, link=source.weights == "link" and name.endswith((".safetensors", ".bin"))
            )
    refuse_damaged(staged, remedy)
    files = hash_files(staged)
    sizes = read_sizes(staged, source.path, source.trust_remote_code)
    if other := other_than_stated(source, sizes):
        raise TasklawsError(f"{source.path} has {other}: correct what its source states, or leave it out")
    checkpoint = Checkpoint(
        path=".",
        seed=source.seeds[0],
        step=source.step,
        is_final=True,
        n_tokens=source.n_tokens,
        train_flops=train_flops(sizes.n_params, source.n_tokens),
        files=files,
        **measured(staged, source, documents),
    )
    if gguf is None:
        _refuse_other_hash(source, checkpoint.weights_sha256)
    return Card(
        rung=rung,
        source_kind="local",
        n_params=sizes.n_params,
        n_params_total=sizes.n_params_total,
        tokenizer_sha256=tokenizer_sha256(files),
        checkpoints=(checkpoint,),
        path=path.absolute().name,
        gguf_sha256=gguf,
        trust_remote_code=source.trust_remote_code or None,
    )


def _refuse_other_hash(source: LocalSource, here: str | None) -> None:
    if source.sha256 not in (None, here):
        raise TasklawsError(
            f"weights of {source.path} have SHA-256 {here}, not {source.sha256}: they are another model's or damaged: "
            "get them again, or correct `sha256` in conf/models"
        )


def _place(source: Path, target: Path, link: bool) -> None:
    """A file of the model in the rung's directory: a link to where it lies in the end, or a copy."""
    if link:
        target.symlink_to(os.path.realpath(source))
        return
    with source.open("rb") as reader, replacing(target) as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
