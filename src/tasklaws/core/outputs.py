"""What stages write over: nothing that a person keeps may lie there, as DVC and the stages remove it first."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from tasklaws.core.errors import TasklawsError

# Where stages alone write. Not `models`: folders of a person's own may stand beside the rungs there.
OUTPUT_FOLDERS = ("data", "responses", "scores", "results", "reports")


def refuse_outputs(read: Mapping[str, str], rungs: Iterable[str]) -> None:
    """Raise TasklawsError where what a setting reads is, contains or lies in what the stages of these rungs write.

    `read` has the path by what names it in the message. Links are followed: a rung's folder may be one.
    """
    outputs = [Path("models", rung) for rung in rungs] + [Path(name) for name in (*OUTPUT_FOLDERS, ".work")]
    for what, path in read.items():
        here = Path(os.path.realpath(Path(path).expanduser()))
        for output in outputs:
            there = Path(os.path.realpath(output))
            if here == there or there in here.parents or here in there.parents:
                how = "is" if here == there else "lies in" if there in here.parents else "contains"
                other = ", or give the rung another name" if here == there and output.parts[0] == "models" else ""
                raise TasklawsError(
                    f"{what} {path} {how} {output}, which the pipeline removes and writes anew: copy it to a place "
                    f"outside, such as ../{here.name}, and name that{other}"
                )


def refuse_foreign(out: Path) -> None:
    """Raise TasklawsError where `out` is there and no rung that a stage made, which would have a card.json."""
    if os.path.lexists(out) and not (out / "card.json").is_file():
        raise TasklawsError(
            f"{out} is there and was not made by the pipeline (it has no card.json), and the rung {out.name} would "
            f"replace it: move it elsewhere, or give the rung another name"
        )
