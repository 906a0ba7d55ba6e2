"""Writing a ladder's run as an RO-Crate, to a directory or a zip file, the same bytes from the same tree."""

import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import refuse_file, replacing
from tasklaws.core.git import git
from tasklaws.core.settings import PARAMS, load
from tasklaws.export.crate import About, Crate
from tasklaws.export.run import ThisMachine, Times, stages_of
from tasklaws.paths import Paths
from tasklaws.provenance.chain import read_chain, read_yaml
from tasklaws.provenance.git import Commit
from tasklaws.provenance.notes import Notes
from tasklaws.provenance.record import digests, read_records
from tasklaws.provenance.requirements import REQUIREMENTS, pinned

_ZIP = ".zip"
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold
_BESIDE = ("dvc.lock", "requirements.lock", "CITATION.cff", "LICENSE")


@dataclass(frozen=True)
class Exported:
    """A crate that was written: of which ladder, with how many stages, files in it, and files named by their hashes."""

    path: str
    ladder: str
    n_stages: int
    n_files: int
    n_named: int
    n_timed: int
    published: str

    def to_dict(self) -> dict[str, object]:
        """As JSON."""
        return asdict(self)

    def summary(self) -> str:
        """The same in a line for a person."""
        return (
            f"{self.path}: RO-Crate of {self.ladder}: {self.n_stages} stages ({self.n_timed} with the time of their "
            f"run), {self.n_files} files in it, {self.n_named} named by their hashes; published {self.published}"
        )


def export_crate(
    root: Path,
    out: Path,
    checked: Callable[[], str],
    ladder: str | None = None,
    *,
    with_data: bool = False,
    agent: str | None = None,
    published: str | None = None,
) -> Exported:
    """Write the run of a ladder (default: that of params.yaml) to `out`, a new directory or a file that ends in .zip.

    `checked` looks at the tree, raises TasklawsError where something differs (verify.vouch), and gives a sentence on it
    for the crate. `published` is a date in ISO 8601, by default that of the commit; `agent` who ran it, if that is to
    be said. An `out` in which something is already, an unknown date or ladder, and with `with_data` data that are not
    here raise TasklawsError too, all before anything is written.
    """
    _refuse_out(out)
    present = load(root / PARAMS).models.name
    wanted = ladder or present
    chain = read_chain(root)
    stages = stages_of(chain, wanted)
    commit, day = Commit.of(root), _published(root, published)
    said = checked()
    notes = Notes(root)
    times = {stage.name: found for stage in stages if (found := Times.of(notes.of(stage))) is not None}
    about = About(
        ladder=wanted,
        published=day,
        license=str(read_yaml(root / "CITATION.cff")["license"]),
        commit=None if commit is None else commit.name,
        agent=agent,
        checked=said,
        packages=_packages(root, wanted),
    )
    crate = Crate(ThisMachine(root, with_data), about, digests(chain))
    crate.run(stages, times)
    for name in (*_BESIDE, *([str(PARAMS)] if wanted == present else [])):
        if (root / name).is_file():
            crate.add_file(name)
    _write(crate, out)
    return Exported(str(out), wanted, len(stages), crate.n_carried, crate.n_named, len(times), day)


def _refuse_out(out: Path) -> None:
    if out.suffix == _ZIP:
        refuse_file(out.parent)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TasklawsError(f"{out} is there already: give a new directory, or a name that ends in {_ZIP}")
    else:
        refuse_file(out)


def _published(root: Path, given: str | None) -> str:
    if given is None:
        said = git(root, "show", "-s", "--format=%cs", "HEAD")
        if said is None:
            raise TasklawsError(
                "the date of publication is unknown, as there is no commit here: give --published 2026-11-29"
            )
        return said.decode().strip()
    try:
        return date.fromisoformat(given).isoformat()
    except ValueError as error:
        raise TasklawsError(f"--published {given} is no date: give one as 2026-11-29") from error


def _packages(root: Path, ladder: str) -> dict[str, str]:
    """The versions by which the report was made, and DVC's that the repository pins."""
    made: Mapping[str, Any] = next(iter(read_records(Paths(ladder, root).records).values()))
    if "dvc" not in (known := pinned(root)):
        raise TasklawsError(f"{REQUIREMENTS} has no version of dvc, which ran the stages: pin it there")
    return {**made["packages"], "dvc": known["dvc"]}


def _write(crate: Crate, out: Path) -> None:
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tasklaws.", dir=out.absolute().parent) as name:
        folder = Path(name) / "crate"
        crate.crate.write(folder)
        if out.suffix != _ZIP:
            if out.exists():
                out.rmdir()  # it is empty
            folder.rename(out)
            return
        with replacing(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _NO_TIME)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, path.read_bytes())
