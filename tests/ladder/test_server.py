"""A rung that lm-eval reaches by itself: its card says who it is, as far as a loopback server tells."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub_server import Hub
from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import LmEvalSource
from tasklaws.ladder import card
from tasklaws.ladder.server import reach

pytestmark = pytest.mark.network


class Server(ThreadingHTTPServer):
    """An OpenAI-compatible server as far as GET /v1/models: `said` is a status and a body."""

    daemon_threads = True
    said: tuple[int, str] = (
        200,
        json.dumps({"data": [{"id": "m", "object": "model", "owned_by": "me", "created": 7}]}),
    )
    keys: list[str | None]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/completions"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.server.keys.append(self.headers["Authorization"])
        status, body = self.server.said if self.path == "/v1/models" else (404, "")
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Server(("127.0.0.1", 0), Handler) as made:
        made.keys = []
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield made
        made.shutdown()


def source(kind: str = "local-completions", /, **model_args: Any) -> LmEvalSource:
    own = {"tokenizer_backend": "remote"} if kind == "local-completions" else {}
    given = {"kind": "lm_eval", "model": kind, "n_params": 1000, "model_args": own | model_args}
    return read(LmEvalSource, given, "source", "correct it")


def refuses(tmp_path: Path, given: LmEvalSource, message: str) -> None:
    with pytest.raises(TasklawsError, match=message) as caught:
        reach("served", given, tmp_path / "models/served")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()


def test_the_card_alone_says_who_it_is(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    out = tmp_path / "models/served"
    arguments = {"model": "m", "base_url": server.base_url, "num_concurrent": 2}
    found = reach("served", source(**arguments), out)
    assert found == card.read_card(out)
    assert [path.name for path in out.iterdir()] == ["card.json"]
    assert found.identity == {"id": "m", "owned_by": "me", "created": "7"}
    assert (found.model, found.model_args) == ("local-completions", {"tokenizer_backend": "remote"} | arguments)
    assert (found.n_params, found.n_params_total, found.final.n_tokens, found.final.files) == (1000, None, None, {})
    assert server.keys == ["Bearer sesame"]
    assert "sesame" not in (out / "card.json").read_text()
    card.check_files(out, found)
    (out / "model.safetensors").write_text("planted")
    with pytest.raises(TasklawsError, match="is not on the card"):
        card.check_files(out, found)


@pytest.mark.parametrize(
    ("said", "identity"),
    [
        ((404, ""), {}),
        ((200, json.dumps({"data": []})), {}),
        ((200, json.dumps({"data": [{"id": "m", "created": 10**10}]})), {"id": "m"}),
        ((200, json.dumps({"data": [{"id": "n"}, {"id": "x", "root": "m", "max_model_len": 9}]})), None),
    ],
)
def test_what_a_server_does_not_tell_stays_out(
    said: tuple[int, str], identity: dict[str, str] | None, server: Server, tmp_path: Path
) -> None:
    server.said = said
    found = reach("served", source(model="m", base_url=server.base_url), tmp_path / "models/served")
    assert found.identity == (identity if identity is not None else {"id": "x", "root": "m", "max_model_len": "9"})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ((401, ""), "answers 401: set OPENAI_API_KEY"),
        ((500, ""), "answers 500: see to it"),
        ((200, "<html>"), "answers no list of models"),
        ((200, "[]"), "answers no list of models"),
        ((200, json.dumps({"data": {"id": "m"}})), "answers no list of models"),
        ((200, json.dumps({"data": [{"id": "a"}, {"id": "b"}]})), "has no model 'm': it has a, b"),
        ((200, json.dumps({"data": [{"id": "/models/other.gguf"}]})), "has no model 'm': it has /models/other.gguf"),
    ],
)
def test_a_server_that_refuses_or_answers_nonsense_is_one_line(
    said: tuple[int, str], message: str, server: Server, tmp_path: Path
) -> None:
    server.said = said
    refuses(tmp_path, source(model="m", base_url=server.base_url), message)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (source(tokenizer_backend="auto"), "local-completions has no tokenizer: give tokenizer=DIR"),
        (source(tokenizer="../no"), "tokenizer ../no of local-completions does not exist"),
        (source("local-completion"), "no model type 'local-completion': local-completions?"),
        (source(base_url="http://127.0.0.1:9/v1/completions", max_lenght=5), "has 'max_lenght'.*: max_length"),
        (source(base_url="http://127.0.0.1:9/v1/completions"), "127.0.0.1:9/v1/models is not reached"),
        (source(base_url="localhost:9"), "base_url .* is no address"),
    ],
)
def test_what_cannot_be_reached_is_one_line(given: LmEvalSource, message: str, tmp_path: Path) -> None:
    refuses(tmp_path, given, message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"auth_token": "s"}, "model_args has auth_token, which results would show"),
        ({"header": {"Authorization": "s"}}, "model_args.header has Authorization"),
        ({"base_url": "http://me:s@127.0.0.1/v1"}, "user or password in its address"),
    ],
)
def test_keys_are_refused_before_anything_is_written(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TasklawsError, match=message):
        source(**arguments)


def test_a_repository_is_pinned_to_its_commit(hub: Hub, tmp_path: Path) -> None:
    repo = "EleutherAI/pythia-70m"
    found = reach("hf", source("hf", pretrained=repo, peft="me/adapter"), tmp_path / "models/hf")
    commit = hub.repos[repo]["main"].commit
    assert (found.identity, (found.model_args or {})["revision"]) == ({"commit": commit}, commit)
    with pytest.raises(TasklawsError, match="no such repository"):
        reach("hf", source("hf", pretrained="nobody/none"), tmp_path / "models/hf")


def test_a_folder_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    identities = []
    for text in ("a", "b", "a"):
        (tmp_path / "m/model.safetensors").write_text(text)
        found = reach("hf", source("hf", pretrained=str(tmp_path / "m")), tmp_path / "models/hf")
        identities.append((found.identity or {})["files_sha256"])
    assert identities[0] == identities[2] != identities[1]
