"""An OpenAI-compatible server on the loopback interface, over a small model, which fails where it is told to."""

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

KEY = "sk-loopback-0123456789abcdef"
_SECONDS = 2.0  # longer than any client of the tests waits


class OpenAIServer:
    """Completions, with the prompt's log-likelihoods where echo asks for them, and chat completions, which write alone.

    `faults` says what goes wrong with which request, by its number from 0: an HTTP status, "hang", "die" (no request is
    answered from then on), or what becomes of the answer: "text", "no logprobs", "one choice", "two choices", "nan".
    The one under -1 befalls all others. Every request is kept in `requests`.
    """

    def __init__(
        self, directory: Path, faults: Mapping[int, int | str] | None = None, key: str = "", port: int = 0
    ) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float64).eval()
        self.faults, self.key, self.requests = dict(faults or {}), key, list[dict[str, Any]]()
        self.is_dead, self._lock = False, threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.base = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "OpenAIServer":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                known = {"/v1/models": {"object": "list", "data": [{"id": "tiny", "owned_by": "tests", "created": 1}]}}
                self.send(200 if self.path in known else 404, known.get(self.path, {}))

            def do_POST(self) -> None:
                wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server._lock:
                    number = len(server.requests)
                    server.requests.append(wanted)
                fault = server.faults.get(number, server.faults.get(-1))
                server.is_dead |= fault == "die"
                if server.is_dead:
                    self.close_connection = True
                    return
                if fault == "hang":
                    time.sleep(_SECONDS)
                    return
                if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                    fault = 401
                if isinstance(fault, int):
                    shown = self.headers.get("Authorization")
                    self.send(fault, {"error": {"message": f"it is status {fault} for {shown}"}})
                    return
                self.send(200, server.spoiled(server.answer(self.path, wanted), fault))

            def send(self, status: int, answer: Any) -> None:
                content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # of one that has given up
                    self.wfile.write(content)

        return Handler

    def spoiled(self, answer: dict[str, Any], fault: int | str | None) -> Any:
        choices = answer["choices"]
        if fault == "text":
            return "<html>no such page</html>"
        if fault == "one choice":
            return answer | {"choices": choices[:1]}
        if fault == "two choices":
            return answer | {"choices": [*choices, *({**one, "index": one["index"] + len(choices)} for one in choices)]}
        for one in choices:
            if fault == "no logprobs":
                one["logprobs"] = None
            if fault == "nan":
                one["logprobs"]["token_logprobs"][-2] = float("nan")
        return answer

    def answer(self, path: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        if path.endswith("/chat/completions"):
            text = "\n".join(message["content"] for message in wanted["messages"])
            said = self.written(self.tokens(text), wanted)
            return {"choices": [{"index": 0, "message": {"role": "assistant", "content": said}}]}
        prompts = wanted["prompt"]
        if isinstance(prompts, str) or isinstance(prompts[0], int):
            prompts = [prompts]
        texts = [self.tokens(one) if isinstance(one, str) else one for one in prompts]
        if wanted.get("echo"):
            choices = [{"text": "", "logprobs": self.judged(one)} for one in texts]
        else:
            choices = [{"text": self.written(one, wanted)} for one in texts]
        return {"choices": [{"index": index} | one for index, one in enumerate(choices)]}

    def tokens(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def judged(self, tokens: list[int]) -> dict[str, Any]:
        import torch

        with torch.inference_mode(), self._lock:
            each = self.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        most, likeliest = each.max(-1)
        following = [*tokens[1:], int(likeliest[-1])]
        return {
            "token_logprobs": [None, *each.gather(1, torch.tensor(following)[:, None])[:, 0].tolist()],
            "top_logprobs": [None, *({str(int(n)): float(v)} for n, v in zip(likeliest, most, strict=True))],
        }

    def written(self, tokens: list[int], wanted: Mapping[str, Any]) -> str:
        import torch

        said: list[int] = []
        while len(said) < wanted["max_tokens"]:
            with torch.inference_mode(), self._lock:
                said.append(int(self.model(torch.tensor([[*tokens, *said]])).logits[0, -1].float().argmax()))
            text = self.tokenizer.decode(said, skip_special_tokens=True)
            stops = [stop for stop in wanted["stop"] if stop and stop in text]
            if stops or said[-1] == self.tokenizer.eos_token_id:
                return str(min((text.split(stop)[0] for stop in stops), key=len, default=text))
        return str(self.tokenizer.decode(said, skip_special_tokens=True))
