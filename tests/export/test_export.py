"""`tasklaws export --ro-crate`: it says what dvc.lock and sha256sum say, and its profile finds no fault."""

import gzip
import json
import subprocess
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests
import urllib3
import yaml
from requests.adapters import BaseAdapter

from clone import ROOT, Clone
from tasklaws.core.errors import TasklawsError
from tasklaws.export.write import export_crate
from tasklaws.provenance.chain import read_chain
from tasklaws.trace.targets import trace

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]

METADATA = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILES = ("process-run-crate", "workflow-run-crate", "provenance-run-crate")


@pytest.fixture(scope="module")
def crate(finished_clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "crate"
    said = finished_clone.run("tasklaws", "export", "--ro-crate", str(folder), "--agent", "A Name <b>")
    assert said.startswith(f"{folder}: RO-Crate of nano_mini: ")
    return folder


@pytest.fixture(scope="module")
def graph(crate: Path) -> dict[str, dict[str, Any]]:
    entities = json.loads((crate / METADATA).read_text())["@graph"]
    assert len({each["@id"] for each in entities}) == len(entities)
    return {each["@id"]: each for each in entities}


def ids(entity: Mapping[str, Any], key: str) -> list[str]:
    found = entity.get(key, [])
    return [each["@id"] for each in (found if isinstance(found, list) else [found])]


def test_every_reference_leads_somewhere_and_every_file_is_there(crate: Path, graph: dict[str, dict[str, Any]]) -> None:
    outside = {"https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"}
    named = {one for each in graph.values() for key in each if key[0] != "@" for one in _ids_in(each[key])}
    assert named <= set(graph) | outside
    held = {each for each in ids(graph["./"], "hasPart") if not each.endswith("/")}
    assert held | {METADATA} == {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
    text = (crate / METADATA).read_text()
    assert str(crate.parent) not in text
    assert "reports/nano_mini/index.html" in held
    assert not any(each.startswith(("data/", "models/", "responses/", "scores/")) for each in held)


def _ids_in(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each["@id"] for each in values if isinstance(each, dict)]


def test_hashes_and_sizes_are_those_of_dvc_lock_and_of_sha256sum(
    finished_clone: Clone, graph: dict[str, dict[str, Any]]
) -> None:
    files = {each["name"]: each for each in graph.values() if "sha256" in each}
    said = subprocess.run(["sha256sum", *files], cwd=finished_clone.path, capture_output=True, text=True, check=True)
    assert {line[66:]: line[:64] for line in said.stdout.splitlines()} == {
        name: each["sha256"] for name, each in files.items()
    }
    for name, each in files.items():
        assert int(each["contentSize"]) == (finished_clone.path / name).stat().st_size, name
    own = finished_clone.locked()
    for name, stage in own.items():
        if (action := graph.get(f"#stage/{name}")) is None:
            assert not any("nano_mini" in out["path"] for out in stage["outs"]), name
            continue
        code = ("src/", "stages/", "custom_tasks")
        for key, entries in (("object", stage["deps"]), ("result", stage["outs"])):
            wanted = {(one["path"], one["md5"]) for one in entries if not one["path"].startswith(code)}
            found = [graph[one] for one in ids(action, key)]
            assert {(one["name"], one["md5"]) for one in found if one["@type"] != "PropertyValue"} == wanted, name
        params = {key: value for part in stage.get("params", {}).values() for key, value in part.items()}
        told = {one["name"]: one["value"] for one in (graph[each] for each in ids(action, "object")) if "value" in one}
        assert {
            key: value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
            for key, value in params.items()
        } == told
    assert sum(each.startswith("#stage/") for each in graph) > 20


def test_runs_have_times_agent_step_and_tool(finished_clone: Clone, graph: dict[str, dict[str, Any]]) -> None:
    notes = [json.loads(path.read_text()) for path in (finished_clone.path / ".work/runs").glob("*.json")]
    fit = graph["#stage/fit@nano_mini"]
    (note,) = [each for each in notes if each["stage"] == "fit@nano_mini"]
    assert fit["startTime"] == note["started"].replace("Z", "+00:00")
    assert fit["startTime"] <= fit["endTime"]
    assert graph["#agent"]["name"] == "A Name <b>"
    assert ids(fit, "instrument") == ["stages/fit.py"]
    control = graph["#control/model@mini-1k"]
    assert ids(control, "instrument") == ["#step/model"]
    assert ids(control, "object") == ["#stage/model@mini-1k"]
    steps = [graph[each] for each in ids(graph["dvc.yaml"], "step")]
    place = {each["name"]: int(each["position"]) for each in steps}
    assert place["items"] < place["model"] < place["respond"] < place["score"] < place["fit"] < place["report"]
    assert graph["#dvc"]["softwareVersion"] == yaml.safe_load("3.67.1")
    assert not any(each["host"] in json.dumps(list(graph.values())) for each in notes if len(each["host"]) > 3)


def test_records_are_those_that_trace_finds(finished_clone: Clone, graph: dict[str, dict[str, Any]]) -> None:
    for name in ("results/nano_mini/forecasts.csv", "results/nano_mini/figures/ladder.svg"):
        (record,) = ids(graph[name], "identifier")
        found = trace(graph[record]["value"], finished_clone.path)
        assert graph[record]["value"] in json.dumps(found.to_dict())


def test_the_profiles_require_nothing_that_it_lacks(crate: Path, tmp_path: Path) -> None:
    from requests_cache import CachedSession
    from rocrate_validator import services

    class Kept(BaseAdapter):
        """Answers with the context of RO-Crate 1.1."""

        def send(self, request: Any, **_: Any) -> requests.Response:
            assert request.url == CONTEXT
            body = gzip.decompress((ROOT / "tests/data/ro_crate/context-1.1.jsonld.gz").read_bytes())
            raw = urllib3.HTTPResponse(
                BytesIO(body), {"Content-Type": "application/ld+json"}, 200, preload_content=False
            )
            return requests.adapters.HTTPAdapter().build_response(request, raw)

        def close(self) -> None: ...

    session = CachedSession(str(tmp_path / "pages"), backend="sqlite", expire_after=-1)
    session.mount("https://", Kept())
    session.get(CONTEXT)
    session.close()
    for profile in PROFILES:
        settings = services.ValidationSettings(
            rocrate_uri=str(crate), profile_identifier=profile, offline=True, cache_path=tmp_path / "pages"
        )
        found = services.validate(settings)
        assert [str(each) for each in found.get_issues()] == [], profile


def test_one_tree_gives_the_same_bytes_and_a_changed_one_nothing(clone: Clone, tmp_path: Path) -> None:
    made = [export_crate(clone.path, tmp_path / name) for name in ("a.zip", "b.zip")]
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (
        made[0].n_timed == made[0].n_stages == sum(1 for name in read_chain(clone.path).stages if "pythia" not in name)
    )
    with pytest.raises(TasklawsError, match="there already: give a new directory"):
        export_crate(clone.path, clone.path / "results")
    with pytest.raises(TasklawsError, match="no report of ladder nano_ladder"):
        export_crate(clone.path, tmp_path / "c.zip", "nano_ladder")
    with pytest.raises(TasklawsError, match="--published soon is no date"):
        export_crate(clone.path, tmp_path / "c.zip", published="soon")
    with (clone.path / "results/nano_mini/forecasts.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(TasklawsError, match=r"^results/nano_mini/forecasts.csv: is not what forecast@nano_mini wrote"):
        export_crate(clone.path, tmp_path / "c.zip")
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == ["a.zip", "b.zip"]


def test_with_data_all_files_are_in_it(clone: Clone, tmp_path: Path) -> None:
    with mock.patch("tasklaws.export.write._verified", return_value=""):  # as in the test before
        made = export_crate(clone.path, tmp_path / "crate", with_data=True)
        assert made.n_named == 0
        assert (tmp_path / "crate/models/mini-1k/card.json").is_file()
        (clone.path / "data/items/addition.jsonl").unlink()
        with pytest.raises(TasklawsError, match="data/items is not here as a stage read or wrote it: run `dvc pull`"):
            export_crate(clone.path, tmp_path / "other", with_data=True)
        left = export_crate(clone.path, tmp_path / "other")
    assert left.n_files < made.n_files
    entities = json.loads((tmp_path / "other" / METADATA).read_text())["@graph"]
    (items,) = [each for each in entities if each.get("name") == "data/items"]
    assert "sha256" not in items
    assert items["md5"] == clone.outputs()["data/items"]
