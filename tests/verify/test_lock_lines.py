"""What `tasklaws verify` says of a stage whose dvc.lock is older than its code: a line, not one for each file."""

from tasklaws.provenance.chain import Entry, Stage
from tasklaws.provenance.planned import PlannedStage
from tasklaws.verify.lock import check_stage


def test_many_missing_inputs_make_one_line():
    inputs = tuple(Entry(path, "0" * 32, 1) for path in ("a", "old"))
    ran = Stage("fit", "python stages/fit.py", inputs, {}, ())
    planned = PlannedStage(
        "fit", ran.command, frozenset(["a", *(f"src/{i:03}.py" for i in range(497))]), frozenset(), frozenset()
    )
    assert [str(line) for line in check_stage(ran, planned, {})] == [
        "fit: dvc.lock has no input src/000.py and 496 more, which dvc.yaml lists",
        "fit: dvc.lock has the input old, which dvc.yaml does not list",
    ]
