"""Whether the report's inputs are what the stages before it wrote."""

from pathlib import PurePosixPath

from tasklaws.core.errors import TasklawsError
from tasklaws.core.lock import LOCK
from tasklaws.core.schema import ITEMS
from tasklaws.paths import Paths
from tasklaws.provenance.chain import md5, read_chain

AFTER = ("report", "track")


def refuse_other_inputs(paths: Paths) -> str:
    """Compare what the report reads with dvc.lock, and say in a sentence for the page that it was done.

    A file that is not what its stage wrote raises TasklawsError. In a run of the pipeline the stages before have been
    recorded when this one runs; where there is no dvc.lock nothing is compared, and the sentence says so.
    """
    if not (paths.root / LOCK).exists():
        return f"There is no {LOCK} here: the inputs were not compared with it."
    read = [f"{folder}/{paths.ladder}" for folder in ("results", "scores", "responses")] + [str(ITEMS), "data/humans"]
    for stage, entry in read_chain(paths.root).outputs():
        ours = stage.name.split("@")[0] not in AFTER and any(map(PurePosixPath(entry.path).is_relative_to, read))
        if ours and (paths.root / entry.path).exists() and md5(paths.root / entry.path) != entry.md5:
            remedy = f"run `dvc repro {stage.name}`; `tasklaws verify` names all that differs"
            raise TasklawsError(f"{entry.path} is not what {stage.name} wrote ({LOCK}): {remedy}")
    return f"All inputs are what the stages before wrote, by {LOCK}."
