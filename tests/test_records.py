"""Provenance records: the digest of an output changes with whatever lies behind it, and with nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.provenance.chain import Chain, parse_chain, read_chain
from tasklaws.provenance.record import digests, record_of, record_sha256

ROOT = Path(__file__).parents[1]
FITS = "results/nano_ladder/fits.json"


def locked() -> dict[str, Any]:
    stages: dict[str, Any] = yaml.load((ROOT / "dvc.lock").read_text(), Loader=yaml.CSafeLoader)["stages"]
    return stages


def chain_of(stages: dict[str, Any]) -> Chain:
    return parse_chain(yaml.dump({"stages": stages}, Dumper=yaml.CSafeDumper), "dvc.lock")


def of_lock(stages: dict[str, Any], path: str = FITS) -> str:
    return record_sha256(record_of(chain_of(stages), path))


def test_a_digest_covers_the_whole_chain() -> None:
    stages = locked()
    before = of_lock(stages)
    for stage, part, place in (
        ("items", "deps", 0),
        ("model@nano-3k", "deps", 1),
        ("respond@nano-3k", "deps", 2),
        ("score@nano-3k", "deps", 5),
        ("fit@nano_ladder", "deps", 3),
    ):
        held = stages[stage][part][place]["md5"]
        stages[stage][part][place]["md5"] = "0" * 32
        assert of_lock(stages) != before, stage
        stages[stage][part][place]["md5"] = held
    source = stages["model@nano-3k"]["params"]["params.yaml"]["models.rungs.nano-3k.source"]
    source["n_tokens"] += 1
    assert of_lock(stages) != before
    source["n_tokens"] -= 1
    # What has no part in it, and another order of the same, change nothing.
    del stages["track@nano_ladder"]
    stages["report@nano_ladder"]["cmd"] = "other"
    assert of_lock(dict(reversed(stages.items()))) == before


def test_an_input_made_anew_since_is_not_behind() -> None:
    stages = locked()
    stages["observe@nano_ladder-fit"]["outs"][0]["md5"] = "0" * 32
    chain = chain_of(stages)
    assert "results/nano_ladder/observations_fit.csv" not in record_of(chain, FITS)["behind"]
    assert "results/nano_ladder/observations_fit.csv" in record_of(read_chain(ROOT), FITS)["behind"]


def test_every_output_has_a_digest_of_its_own() -> None:
    chain = read_chain(ROOT)
    paths = [entry.path for stage in chain.stages.values() for entry in stage.outputs]
    assert len(set(digests(chain).values())) == len(paths)
    assert all(digests(chain)[path] == record_sha256(record_of(chain, path)) for path in paths[::20])
    with pytest.raises(TasklawsError, match=r"no stage in dvc\.lock wrote src: give one of its outputs"):
        record_of(chain, "src")


def test_numbers_as_keys_are_keys_as_text() -> None:
    assert record_sha256({"a": {1: 0, 10: 0, 2: 0}}) == record_sha256({"a": {"10": 0, "1": 0, "2": 0}})
