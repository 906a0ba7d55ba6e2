"""`tasklaws export --ro-crate`: it says what dvc.lock and sha256sum say, and its profile finds no fault."""

import gzip
import json
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from clone import ROOT, Clone
from tasklaws.core.errors import TasklawsError
from tasklaws.export.write import export_crate
from tasklaws.provenance.chain import read_chain, read_yaml
from tasklaws.trace.targets import trace
from tasklaws.verify.verify import vouch

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]

METADATA = "ro-crate-metadata.json"
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "provenance-run-crate"  # which has in it those of a workflow, its run, a process and a crate


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
    files = {unquote(name.removeprefix("#")): each for name, each in graph.items() if "sha256" in each}
    said = subprocess.run(["sha256sum", *files], cwd=finished_clone.path, capture_output=True, text=True, check=True)
    assert {line[66:]: line[:64] for line in said.stdout.splitlines()} == {
        name: each["sha256"] for name, each in files.items()
    }
    for name, each in files.items():
        assert int(each["contentSize"]) == (finished_clone.path / name).stat().st_size, name
    own = read_yaml(finished_clone.path / "dvc.lock")["stages"]  # as DVC reads it: `no` is a word
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
    (engine,) = ids(graph["#organize/nano_mini"], "instrument")
    pins = (finished_clone.path / "requirements.lock").read_text()
    assert f"dvc=={graph[engine]['softwareVersion']}\n" in pins
    assert not any(each["host"] in json.dumps(list(graph.values())) for each in notes if len(each["host"]) > 3)


def test_records_are_those_that_trace_finds(finished_clone: Clone, graph: dict[str, dict[str, Any]]) -> None:
    for name in ("results/nano_mini/forecasts.csv", "results/nano_mini/figures/ladder.svg"):
        (record,) = ids(graph[name], "identifier")
        found = trace(graph[record]["value"], finished_clone.path)
        assert graph[record]["value"] in json.dumps(found.to_dict())


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The validator's cache of pages with the one that it needs."""
    pytest.importorskip("rocrate_validator", reason="requirements-validator.lock is not installed: make does that")
    from requests_cache import CachedSession

    class Kept(BaseAdapter):
        """Answers with the context of RO-Crate 1.1."""

        def send(self, request: Any, **_: Any) -> requests.Response:
            assert request.url == CONTEXT
            body = gzip.decompress((ROOT / "tests/data/ro_crate/context-1.1.jsonld.gz").read_bytes())
            kind = {"Content-Type": "application/ld+json"}
            return HTTPAdapter().build_response(
                request, urllib3.HTTPResponse(BytesIO(body), kind, 200, preload_content=False)
            )

        def close(self) -> None: ...

    path = tmp_path_factory.mktemp("pages") / "pages"
    session = CachedSession(str(path), backend="sqlite", expire_after=-1)
    session.mount("https://", Kept())
    session.get(CONTEXT)
    session.close()
    return path


def faults(crate: Path, pages: Path) -> set[str]:
    """What the profile requires and a crate lacks, without a network."""
    from rocrate_validator import services

    settings = services.ValidationSettings(
        rocrate_uri=str(crate), profile_identifier=PROFILE, offline=True, cache_path=pages
    )
    return {str(each.message) for each in services.validate(settings).get_issues()}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, which the validator calls
def test_the_profile_requires_nothing_that_it_lacks(crate: Path, pages: Path) -> None:
    assert faults(crate, pages) == set()


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_profile_would_find_a_fault(crate: Path, pages: Path, tmp_path: Path) -> None:
    entities = json.loads((crate / METADATA).read_text())
    for each in entities["@graph"]:
        if each["@id"] == "#step/model":
            del each["workExample"]
        if each["@id"] == "#dvc-yaml":
            each["@type"] = "Thing"
    shutil.copytree(crate, tmp_path / "crate")
    (tmp_path / "crate" / METADATA).write_text(json.dumps(entities))
    found = faults(tmp_path / "crate", pages)
    assert any("HowToStep must refer to its corresponding tool" in each for each in found)
    assert any("must refer to its language via programmingLanguage" in each for each in found)


def test_one_tree_gives_the_same_bytes_wherever_it_lies_in_a_directory_or_a_file(
    clone: Clone, crate: Path, graph: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    checked = graph["./"]["description"].partition("were scored. ")[2]
    names = (tmp_path / "a.zip", tmp_path / "b.zip")
    made = [export_crate(clone.path, name, lambda: checked, agent="A Name <b>") for name in names]
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        held = sorted(archive.namelist())
        assert held == sorted(path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file())
        assert all(archive.read(name) == (crate / name).read_bytes() for name in held)
    own = [name for name in read_chain(clone.path).stages if "pythia" not in name]
    assert made[0].n_timed == made[0].n_stages == len(own)


def test_what_cannot_be_exported_is_refused_and_nothing_is_written(clone: Clone, tmp_path: Path) -> None:
    out, checked = tmp_path / "crate.zip", partial(vouch, clone.path)
    with pytest.raises(TasklawsError, match="there already: give a new directory"):
        export_crate(clone.path, clone.path / "results", checked)
    with pytest.raises(TasklawsError, match="no report of ladder nano_ladder"):
        export_crate(clone.path, out, checked, "nano_ladder")
    with pytest.raises(TasklawsError, match="--published soon is no date"):
        export_crate(clone.path, out, checked, published="soon")
    with (clone.path / "results/nano_mini/forecasts.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(TasklawsError, match=r"^results/nano_mini/forecasts.csv: is not what forecast@nano_mini wrote"):
        export_crate(clone.path, out, checked)
    assert list(tmp_path.glob("*.zip")) == []


def test_with_data_all_files_are_in_it(clone: Clone, tmp_path: Path) -> None:
    made = export_crate(clone.path, tmp_path / "crate", str, with_data=True)
    assert made.n_named == 0
    assert (tmp_path / "crate/models/mini-1k/card.json").is_file()
    (clone.path / "data/items/addition.jsonl").unlink()
    with pytest.raises(TasklawsError, match="data/items is not here as a stage read or wrote it: run `dvc pull`"):
        export_crate(clone.path, tmp_path / "other", str, with_data=True)
    left = export_crate(clone.path, tmp_path / "other", str)
    assert left.n_files < made.n_files
    entities = json.loads((tmp_path / "other" / METADATA).read_text())["@graph"]
    (items,) = [each for each in entities if each.get("name") == "data/items"]
    assert "sha256" not in items
    assert items["md5"] == clone.outputs()["data/items"]
