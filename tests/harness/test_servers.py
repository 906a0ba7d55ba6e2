"""Models behind a server, as OpenAI's API has them: asked through lm-eval, over a real one on the loopback."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tenacity import wait_none

import tiny
from openai_server import KEY, OpenAIServer
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Asking
from tasklaws.harness import respond as responding
from tasklaws.harness.models import load_model
from tasklaws.harness.respond import respond

pytestmark = pytest.mark.network
ASKING = Asking("float64", num_fewshot=0, shots="same", prompts="terse", chat_template=False)
ASK = {"addition": ["direct"], "largest_of_four": ["choice"]}
TEXTS, CHOICES = {"addition": ["direct"]}, {"largest_of_four": ["choice"]}


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository's root, where custom_tasks/ lies, with a key that no file or line may show."""
    monkeypatch.chdir(tiny.ROOT)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("lm_eval.models.api_models.wait_exponential", lambda **_: wait_none())


def served(server: OpenAIServer, directory: Path, batch_size: int = 8, chat: bool = False, **more: object):
    """lm-eval's model for a server."""
    arguments = {"model": "tiny", "base_url": f"{server.base}/completions", "tokenizer": str(directory), "timeout": 1}
    if chat:
        arguments = {"model": "tiny", "base_url": f"{server.base}/chat/completions", "timeout": 1}
    kind = "local-chat-completions" if chat else "local-completions"
    return load_model(Path(), ASKING, batch_size=batch_size, kind=kind, arguments=arguments | more)


def said(model, items: Path, ask=ASK, **more):
    return next(respond([model], ASKING, "auto", ask, items, **more))


@pytest.fixture(scope="module")
def rows(model_dir, items_dir):
    """What the model says that is not behind a server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tiny.ROOT)
        return said(load_model(model_dir, ASKING), items_dir)


@pytest.mark.parametrize("num_concurrent", [1, 3])
def test_a_server_says_what_its_model_says(rows, model_dir, items_dir, num_concurrent):
    with OpenAIServer(model_dir, key=KEY) as server:
        assert said(served(server, model_dir, num_concurrent=num_concurrent), items_dir) == rows
    assert max(len(each["prompt"]) for each in server.requests) == 8, "prompts are put together"


def test_a_failed_request_is_put_again(rows, model_dir, items_dir):
    with OpenAIServer(model_dir, {0: 500, 2: 503, 3: "hang"}) as server:
        assert said(served(server, model_dir), items_dir) == rows


def test_a_chat_server_writes_and_is_not_asked_how_likely_a_text_is(model_dir, items_dir):
    asking = replace(ASKING, chat_template=True, num_fewshot=1)
    with OpenAIServer(model_dir) as server:
        (found,) = respond([served(server, model_dir, chat=True)], asking, "auto", ASK, items_dir, likelihoods=False)
    assert {row["family"] for row in found} == {"addition"}, "no choices"
    assert all(set(row) == {"family", "elicitation", "item", "response"} for row in found)
    assert [message["role"] for message in server.requests[0]["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("num_concurrent", [1, 2])
@pytest.mark.parametrize(
    ("faults", "named"),
    [
        ({-1: 500}, "answers 500 at each of 3 tries"),
        ({-1: 401}, "refuses the key (401): set OPENAI_API_KEY"),
        ({-1: "hang"}, "says nothing within 1 s: set a longer `timeout`"),
        ({-1: "die"}, "is not reached, or ends the connection: start it"),
        ({-1: "text"}, "answers nonsense: no JSON"),
        ({-1: "no logprobs"}, "answers nonsense: no log-likelihoods of the prompt"),
        ({-1: "one choice"}, "answers nonsense: 1 choices for 8 prompts"),
        ({-1: "two choices"}, "answers nonsense: 16 choices for 8 prompts"),
        ({-1: "nan"}, "answers nonsense: a log-likelihood of nan"),
    ],
)
def test_what_a_server_fails_at_is_one_line_without_the_key(
    model_dir, items_dir, faults, named, num_concurrent, capfd, caplog
):
    with OpenAIServer(model_dir, faults) as server, pytest.raises(TasklawsError) as caught:
        said(served(server, model_dir, num_concurrent=num_concurrent), items_dir, CHOICES)
    assert str(caught.value).startswith(f"{server.base}/completions {named}")
    for text in (str(caught.value), *capfd.readouterr(), caplog.text):
        assert KEY not in text


@pytest.mark.parametrize("num_concurrent", [1, 2])
@pytest.mark.parametrize("fault", ["one choice", "two choices"])
def test_texts_of_the_wrong_number_are_refused(model_dir, items_dir, fault, num_concurrent):
    with OpenAIServer(model_dir, {-1: fault}) as server, pytest.raises(TasklawsError, match=r"nonsense: .* choices"):
        said(served(server, model_dir, num_concurrent=num_concurrent), items_dir, TEXTS, likelihoods=False)


def test_a_server_that_reads_other_tokens_is_noticed(model_dir, items_dir):
    with OpenAIServer(model_dir) as server:
        known = server.tokens
        server.tokens = lambda text: [0, *known(text)]  # as one that begins every text with a token of its own
        with pytest.raises(TasklawsError, match="give it its own `tokenizer`"):
            said(served(server, model_dir, tokenized_requests=False), items_dir, CHOICES)


def test_what_a_server_said_before_it_died_is_not_asked_again(rows, model_dir, items_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(responding, "PART", 8)
    with (
        OpenAIServer(model_dir, {5: "die"}) as server,
        pytest.raises(TasklawsError, match="run the same command again"),
    ):
        said(served(server, model_dir), items_dir, folders=[tmp_path])
    kept = list(tmp_path.iterdir())
    assert len(kept) >= 3
    assert all(KEY not in path.read_text() for path in kept)
    with OpenAIServer(model_dir) as again:
        assert said(served(again, model_dir), items_dir, folders=[tmp_path]) == rows
        n_first, n_again = 5, len(again.requests)
        again.requests.clear()
        (tmp_path / "0.json").write_text(json.dumps(["planted"] * 8))
        assert said(served(again, model_dir), items_dir, folders=[tmp_path]) == rows, "what was planted is not believed"
    with OpenAIServer(model_dir) as whole:
        said(served(whole, model_dir), items_dir, folders=[tmp_path / "anew"])
    assert n_first + n_again == len(whole.requests)


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        ("local-completion", {}, "lm-eval has no model type 'local-completion'"),
        (
            "local-completions",
            {"base_url": "http://127.0.0.1:1/v1", "tokenizer": "/no"},
            "tokenizer /no of .* not exist",
        ),
        (
            "local-completions",
            {"base_url": "http://127.0.0.1:1/v1", "model": "me/m"},
            "no tokenizer: give tokenizer=DIR",
        ),
        ("vllm", {"pretrained": "x"}, "vllm"),
        ("hf", {"pretrained": "/no/such/place"}, "/no/such/place"),
    ],
)
def test_a_model_that_cannot_be_had_is_named(kind, arguments, named):
    with pytest.raises(TasklawsError, match=named) as caught:
        load_model(Path(), ASKING, kind=kind, arguments=arguments)
    assert "\n" not in str(caught.value)
