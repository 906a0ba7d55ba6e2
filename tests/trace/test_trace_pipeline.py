"""tasklaws trace after `make repro`: dvc.lock, the records of figures and the notes of runs are of one piece."""

import json

import pytest
from lock_tree import check

from clone import Clone
from tasklaws.core.marks import marked
from tasklaws.core.runs import read_notes
from tasklaws.provenance.chain import read_chain
from tasklaws.provenance.record import read_records, record_sha256

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]


def test_a_finished_ladder_is_traced(finished_clone: Clone) -> None:
    root, chain = finished_clone.path, read_chain(finished_clone.path)
    report = chain.stages["report@nano_mini"]
    records = read_records(root / "results/nano_mini/provenance.json")
    for name, record in records.items():
        assert record["stage"] == report.name
        assert record["command"] == report.command
        assert record["code"] == {entry.path: entry.md5 for entry in report.code}
        assert record["params"] == json.loads(json.dumps(dict(report.params))), name
    for figure in (root / "results/nano_mini/figures").glob("*.svg"):
        assert marked(figure.read_bytes()) == record_sha256(records[f"figure {figure.stem}"])
    noted = {note["stage"] for note in read_notes(root)[0]}
    assert noted == set(chain.stages)
    item = json.loads((root / "data/items/gauss_sum.jsonl").read_text().splitlines()[-1])["id"]
    for target in ("gauss_sum_python@mini-21k", f"{item}@mini-21k", "ladder", "results/nano_mini/validation.csv:2"):
        found = json.loads(finished_clone.run("tasklaws", "trace", target, "--json"))
        check(root, found)
        text = json.dumps(found)
        assert '"as_scored": false' not in text
        assert "DIFFERS" not in text
        assert '"host"' in text  # of the note of a run
