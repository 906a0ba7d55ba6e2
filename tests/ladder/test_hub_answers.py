"""A hub that lies, or is none: a line each, and no file outside its own cache."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_hub import REPO, refuses

from hub_server import Fault, Hub, Revision, sha256

pytestmark = pytest.mark.network

ESCAPES = ["../../../../escaped", "/tmp/escaped", "a" * 39, "A" * 40, "a" * 63, "abc-5", "..", "a" * 40 + "\x85"]


def files_outside(tmp_path: Path) -> list[Path]:
    """What a fetch left anywhere but in the hub's cache and in its work."""
    own = ("hub-cache", "work")
    return [path for path in tmp_path.rglob("*") if path.is_file() and path.relative_to(tmp_path).parts[0] not in own]


@pytest.mark.parametrize("header", ["ETag", "X-Linked-Etag", "X-Repo-Commit"])
@pytest.mark.parametrize("value", ESCAPES)
def test_a_hash_that_is_none_is_refused_before_it_names_a_file(
    header: str, value: str, hub: Hub, tmp_path: Path
) -> None:
    hub.headers[header] = value if header == "X-Repo-Commit" else f'"{value}"'
    said = refuses(tmp_path, "ETag|commit")
    assert "correct HF_ENDPOINT" in said
    assert "escaped" not in said or value[:80] in said
    assert not files_outside(tmp_path)
    assert not any("GET" in asked and "resolve" in asked for asked in hub.asked), "nothing was downloaded"
    assert not list(Path("/tmp").glob("escaped*"))


def changed(key: str, value: Any) -> Callable[[Any], Any]:
    """Another value under a key of each entry of a list, or none at all."""
    return lambda answer: [
        {name: each for name, each in {**entry, key: value}.items() if each != "gone"} for entry in answer
    ]


NESTED: Any = []
for _ in range(500):
    NESTED = [NESTED]
TREES: dict[str, Callable[[Any], Any]] = {
    "no oid": changed("oid", "gone"),
    "an oid that is a path": changed("oid", "../../x"),
    "an oid that is a number": changed("oid", 3),
    "no size": changed("size", "gone"),
    "a size that is text": changed("size", "big"),
    "a size below zero": changed("size", -1),
    "no path": changed("path", "gone"),
    "a path that is a list": changed("path", []),
    "lfs that is text": changed("lfs", "large"),
    "lfs without anything": changed("lfs", {}),
    "lfs with a path": changed("lfs", {"oid": "../x", "size": 1, "pointerSize": 1}),
    "lfs without a pointer": changed("lfs", {"oid": "0" * 64, "size": 1}),
    "another type": changed("type", "link"),
    "no list": lambda answer: {"entries": answer},
    "a number": lambda answer: 3,
    "null": lambda answer: None,
    "lists in lists": lambda answer: NESTED,
    "text in a list": lambda answer: ["config.json"],
}


@pytest.mark.parametrize("kind", TREES)
def test_a_list_of_files_of_another_form_is_one_line(kind: str, hub: Hub, tmp_path: Path) -> None:
    hub.altered = lambda path, answer: TREES[kind](answer) if "/tree/" in path else answer
    refuses(tmp_path, "list of files|another form|holds no")


INFOS: dict[str, Callable[[Any], Any]] = {
    "no sha": lambda answer: {**answer, "sha": None},
    "a sha that is a number": lambda answer: {**answer, "sha": 7},
    "a sha that is a path": lambda answer: {**answer, "sha": "../../../x"},
    "siblings that are numbers": lambda answer: {**answer, "siblings": [1]},
    "siblings without names": lambda answer: {**answer, "siblings": [{}]},
    "a date that is none": lambda answer: {**answer, "lastModified": "yesterday"},
    "a list": lambda answer: [answer],
    "text": lambda answer: "hello",
}


@pytest.mark.parametrize("kind", INFOS)
def test_an_account_of_a_revision_of_another_form_is_one_line(kind: str, hub: Hub, tmp_path: Path) -> None:
    hub.altered = lambda path, answer: INFOS[kind](answer) if "/revision/" in path else answer
    refuses(tmp_path, "the commit|another form")
    assert not files_outside(tmp_path)


@pytest.mark.parametrize("answer", ["[" * 100_000, '{"sha": ' + "9" * 5000 + "}"])
def test_json_that_python_cannot_read_is_one_line(
    answer: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub_server.json.dumps", lambda _: answer)
    refuses(tmp_path, "correct HF_ENDPOINT")


@pytest.mark.parametrize("endless", [False, True])
def test_a_list_of_files_that_does_not_end_is_one_line(endless: bool, hub: Hub, tmp_path: Path) -> None:
    def altered(path: str, answer: Any) -> Any:
        if "/tree/" in path:
            page = f"{hub.endpoint}{path.partition('?')[0]}?cursor={len(hub.asked) if endless else 'same'}"
            hub.headers["Link"] = f'<{page}>; rel="next"'
        return answer

    hub.altered = altered
    refuses(tmp_path, "does not end")


def test_weights_are_those_of_the_list_of_files_whatever_the_etag_says(hub: Hub, tmp_path: Path) -> None:
    """Also where the ETag is the hash of the other weights that come."""

    def altered(path: str, answer: Any) -> Any:
        for entry in answer if "/tree/" in path else []:
            if "lfs" in entry:
                entry["lfs"]["oid"] = sha256(b"the weights that were uploaded")
        return answer

    hub.altered = altered
    refuses(tmp_path, f"model.safetensors of .* came damaged .*{sha256(b'the weights that were uploaded')}")


@pytest.mark.parametrize("token", ["hf_\u00e9", "hf_ a", "hf_\x07", "hf_\u202e"])
def test_a_token_that_no_header_takes_is_one_line(
    token: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    assert token not in refuses(tmp_path, "HF_TOKEN has a character")


@pytest.mark.parametrize("user", ["me:secret", "me:se@cret", "me:se/cret", "secret"])
def test_a_password_in_the_endpoint_is_not_printed(
    user: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint.replace("//", f"//{user}@"))
    hub.faults.append(Fault(f"/api/models/{REPO}", "503"))
    said = refuses(tmp_path, "cannot fetch")
    assert "cret" not in said + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_hidden_layers", 100_000), ("n_layer", 10**30), ("num_local_experts", 10**6), ("num_labels", 10**9)],
)
def test_a_model_of_endless_layers_is_not_built(name: str, value: int, hub: Hub, tmp_path: Path) -> None:
    files = hub.repos[REPO]["step1000"].files
    for config in ({name: value}, {"text_config": {name: value}}):
        content = json.dumps({**json.loads(files["config.json"]), **config}).encode()
        commit = re.sub(".", "e" if "text_config" in config else "f", hub.repos[REPO]["step1000"].commit)
        hub.repos[REPO]["step1000"] = Revision(commit, {**files, "config.json": content})
        refuses(tmp_path, f"config.json of {REPO} says {name} {value}, more than 1000")
