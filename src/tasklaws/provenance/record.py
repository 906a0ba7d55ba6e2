"""What an output was made from, as a record of content alone, and the digest by which it is found again.

A record holds no time, host or commit: two runs of the same files, parameters and code have the same record. That of
a stage's output is read from dvc.lock. dvc.lock has no entry of a stage that still runs, so the stage report writes the
records of its figures and tables into results/<ladder>/provenance.json.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypedDict, cast

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, sha256_file, write_json
from tasklaws.core.runs import packages
from tasklaws.provenance.chain import Chain, load_yaml, md5
from tasklaws.provenance.dotted import Leaves, flatten, value_at

SOURCE = Path(__file__).parents[3]
"""The repository whose code runs."""
Record = dict[str, Any]


def record_sha256(record: Mapping[str, Any]) -> str:
    """The SHA-256 of a record's canonical JSON: keys sorted as text, no spaces, UTF-8."""
    plain = json.loads(json.dumps(record))  # keys that are numbers become text before they are sorted
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def record_of(chain: Chain, path: str, known: dict[str, str] | None = None) -> Record:
    """The record of the output in which `path` lies, from dvc.lock; a path that no stage wrote raises TasklawsError.

    Hashes are DVC's MD5s. `behind` has the digests of the records of the inputs, so that a digest covers the whole
    chain: items, weights and their revision, the sandbox and all code. Of an input that has been made anew since it was
    read, and of one that no stage wrote, there is none. `known` digests are taken as they are, and it is added to.
    """
    known = {} if known is None else known
    written = chain.written(path)
    if written is None:
        raise TasklawsError(f"no stage in dvc.lock wrote {path}: give one of its outputs")
    stage, entry = written
    behind: dict[str, str] = {}
    for read in stage.data:
        for made in chain.sources(read) or []:
            if made.path not in known:
                known[made.path] = record_sha256(record_of(chain, made.path, known))
            behind[made.path] = known[made.path]
    return {
        "output": {"path": entry.path, "md5": entry.md5},
        "stage": stage.name,
        "command": stage.command,
        "inputs": {each.path: each.md5 for each in stage.data},
        "behind": behind,
        "code": {each.path: each.md5 for each in stage.code},
        "params": dict(stage.params),
        "seeds": _seeds(stage.params),
    }


def digests(chain: Chain) -> dict[str, str]:
    """The digest of the record of every output in dvc.lock, by its path."""
    known: dict[str, str] = {}
    for _, entry in chain.outputs():
        if entry.path not in known:
            known[entry.path] = record_sha256(record_of(chain, entry.path, known))
    return known


def _seeds(params: Mapping[str, Any]) -> Leaves:
    """The parameters called seed or seeds, by their dotted name."""
    return {name: value for name, value in flatten(params).items() if name.rpartition(".")[2] in ("seed", "seeds")}


class Records:
    """The records of the parts of a report, its figures and tables, gathered while it is made.

    They share what bears on all of them: stage, command, code, parameters, seeds, models, guest and package versions.
    A part adds its name and the files that it shows, by their SHA-256.
    """

    def __init__(self, root: Path, stage: str, instance: str, params: Mapping[str, Any], made_by: Mapping[str, Any]):
        """`stage` as dvc.yaml has it, run for `instance` with `params`; `made_by`: models and guests behind it all."""
        definition = _definition(stage)
        used = {name: value_at(params, name) for name in definition["params"]}
        code = [each for each in definition["deps"] if each.startswith(("src/", "stages/"))]
        self._root = root
        self._shared = {
            "stage": f"{stage}@{instance}",
            "command": definition["cmd"],
            "code": {path: md5(SOURCE / path) for path in code},
            "params": used,
            "seeds": _seeds(used),
            "packages": packages(),
            **made_by,
        }
        self._parts: dict[str, Record] = {}
        self._sha256 = cache(sha256_file)

    def add(self, name: str, inputs: Sequence[Path]) -> str:
        """Add the part `name` (a figure's file, or a table of the page), made from these files; its digest."""
        hashes = {path.relative_to(self._root).as_posix(): self._sha256(path) for path in sorted(set(inputs))}
        part = {"name": name, "inputs": hashes}
        self._parts[name] = {**part, "digest": record_sha256(self._shared | part)}
        return str(self._parts[name]["digest"])

    def write(self, path: Path, pages: Path) -> None:
        """Write all parts, whole or not at all, and the MD5 of each page below the folder `pages`, which nothing else
        keeps: DVC has the folder's alone."""
        hashes = {page.relative_to(pages).as_posix(): md5(page) for page in sorted(pages.rglob("*.html"))}
        write_json(path, {"shared": self._shared, "parts": self._parts, "pages": hashes})


def read_records(path: Path) -> dict[str, Record]:
    """The records that a report wrote, by name; one that does not have its digest raises TasklawsError."""
    found: dict[str, Record] = {}
    try:
        held = read_json(path)
        for name, part in held["parts"].items():
            found[name] = held["shared"] | {"name": part["name"], "inputs": part["inputs"]}
            if record_sha256(found[name]) != part["digest"]:
                raise TasklawsError(f"{path}: the record of {name} does not have its digest: run `dvc repro report`")
    except (AttributeError, KeyError, TypeError) as error:
        raise TasklawsError(f"{path} is damaged: run `dvc repro report`") from error
    return found


class _Definition(TypedDict):
    cmd: str
    deps: list[str]
    params: list[str]


def _definition(stage: str) -> _Definition:
    """A stage of dvc.yaml."""
    found = load_yaml((SOURCE / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    return cast(_Definition, found.get("do", found))
