"""A hub on the loopback interface: the file API that huggingface_hub speaks, over tiny stand-in weights.

`python tests/hub_server.py` prints `HF_ENDPOINT=http://127.0.0.1:PORT` and serves every repository and step
of conf/models/pythia_ladder.yaml until it is interrupted. The stand-ins are GPT-NeoX models of 2 layers and
width 16 with a byte-level vocabulary; no two repositories or steps share their weights, and all of it
follows from their names.
"""

import hashlib
import json
import re
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

import torch
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

LADDER = Path(__file__).parents[1] / "conf" / "models" / "pythia_ladder.yaml"
END = "<|endoftext|>"
LARGE = (".safetensors", ".bin")  # what the hub keeps in large-file storage, under its SHA-256
# How each size stores its weights; the real repositories use more than one form too.
FORMS = {
    "pythia-1b4": "sharded bin",
    "pythia-2b8": "bin",
    "pythia-6b9": "sharded",
    "pythia-12b": "sharded",
}


@dataclass(frozen=True)
class Revision:
    """One commit of a repository and the bytes of its files."""

    commit: str
    files: dict[str, bytes]


@dataclass
class Fault:
    """What goes wrong with requests for a file whose path contains `name`, the first `times` times.

    `kind`: "cut" (the connection ends half-way), "short" (half the file, said to be whole), "flip" (one bit
    is other), "hang" (half the file, then nothing until `released`), or an HTTP status with an error code,
    such as "403 GatedRepo".
    """

    name: str
    kind: str
    times: int = 1_000_000
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class Hub(ThreadingHTTPServer):
    """Serves `repos` (repository, revision name, Revision); `asked` lists the requests as "METHOD path".

    `altered` makes another JSON answer of the one for a path, and `headers` go into every answer.
    """

    daemon_threads = True

    def __init__(self, repos: dict[str, dict[str, Revision]], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.repos = repos
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        self.altered: Callable[[str, Any], Any] = lambda path, answer: answer
        self.headers: dict[str, str] = {}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def find(self, repo: str, revision: str) -> Revision | None:
        """The revision of that branch or commit."""
        revisions = self.repos[repo]
        by_commit = {found.commit: found for found in revisions.values()}
        return revisions.get(revision) or by_commit.get(revision)

    def fault(self, path: str) -> Fault | None:
        """The fault that meets this request, if any is left."""
        for fault in self.faults:
            if fault.name in path and fault.times > 0:
                fault.times -= 1
                return fault
        return None


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # which lets each answer's body wait 40 ms for an acknowledgement of its head

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests are in `Hub.asked`."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # a client that was killed
            self.answer()

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        routes: list[tuple[str, Callable[..., None]]] = [
            (r"/api/models/([^/]+/[^/]+)/revision/(.+)", self.info),
            (r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", self.tree),
            (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.file),
        ]
        for pattern, route in routes:
            if match := re.fullmatch(pattern, path):
                repo, name, *rest = match.groups()
                if repo not in self.server.repos:
                    return self.fail(HTTPStatus.NOT_FOUND, "RepoNotFound", "Repository not found")
                revision = self.server.find(repo, name)
                if revision is None:
                    return self.fail(HTTPStatus.NOT_FOUND, "RevisionNotFound", f"Invalid rev id: {name}")
                return route(repo, revision, *rest)
        return self.fail(HTTPStatus.NOT_FOUND, "", "Not found")

    def info(self, repo: str, revision: Revision) -> None:
        if self.refused(f"/api/models/{repo}"):
            return
        siblings = [{"rfilename": name} for name in sorted(revision.files)]
        self.json({"id": repo, "modelId": repo, "sha": revision.commit, "private": False, "siblings": siblings})

    def tree(self, repo: str, revision: Revision) -> None:
        entries = []
        for name, content in sorted(revision.files.items()):
            entry: dict[str, Any] = {
                "type": "file",
                "path": name,
                "size": len(content),
                "oid": git_sha1(content),
            }
            if name.endswith(LARGE):
                pointer = (
                    f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(content)}\nsize {len(content)}\n"
                )
                entry["oid"] = git_sha1(pointer.encode())
                entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": len(pointer)}
            entries.append(entry)
        self.json(entries)

    def file(self, repo: str, revision: Revision, name: str) -> None:
        content = revision.files.get(name)
        if content is None:
            return self.fail(HTTPStatus.NOT_FOUND, "EntryNotFound", "Entry not found", revision.commit)
        path = f"/{repo}/resolve/{revision.commit}/{name}"
        if self.refused(path):
            return None
        large = name.endswith(LARGE)
        etag = f'"{sha256(content) if large else git_sha1(content)}"'
        headers = {"ETag": etag, "X-Repo-Commit": revision.commit, "Accept-Ranges": "bytes"}
        if large:
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(content))}
        if self.command == "HEAD":
            return self.reply(HTTPStatus.OK, headers, content)
        return self.send(path, content, headers)

    def send(self, path: str, content: bytes, headers: dict[str, str]) -> None:
        """The file, or the range of it that was asked for, or what a fault makes of it."""
        fault, size = self.server.fault(path), len(content)
        if fault and fault.kind == "flip":
            content = content[: size // 2] + bytes([content[size // 2] ^ 1]) + content[size // 2 + 1 :]
        if fault and fault.kind == "short":
            content = content[: size // 2]
        status, ranged = HTTPStatus.OK, re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if ranged:
            start, status = int(ranged[1]), HTTPStatus.PARTIAL_CONTENT
            headers |= {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
            content = content[start:]
        if fault and fault.kind in ("cut", "hang"):
            self.reply(status, headers, content, content[: len(content) // 2])
            self.close_connection = True
            if fault.kind == "hang":
                fault.reached.set()
                fault.released.wait(60)
            return
        self.reply(status, headers, content, content)

    def refused(self, path: str) -> bool:
        """Answer with the HTTP status of a fault that names this path, if there is one."""
        fault = next((fault for fault in self.server.faults if fault.kind[0].isdigit() and fault.name in path), None)
        if fault is None:
            return False
        status, _, code = fault.kind.partition(" ")
        self.fail(HTTPStatus(int(status)), code, "refused")
        return True

    def json(self, value: Any) -> None:
        body = json.dumps(self.server.altered(self.path, value)).encode()
        self.reply(HTTPStatus.OK, {"Content-Type": "application/json"}, body, body)

    def fail(self, status: HTTPStatus, code: str, message: str, commit: str = "") -> None:
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        body = json.dumps({"error": message}).encode()
        self.reply(status, headers | ({"X-Repo-Commit": commit} if commit else {}), body, body)

    def reply(self, status: HTTPStatus, headers: dict[str, str], content: bytes, sent: bytes = b"") -> None:
        """A head that announces `content`; the body, if any, is `sent`."""
        self.send_response(status)
        for name, value in (headers | self.server.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def byte_tokenizer() -> Any:
    """A token for every byte, and one for the end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate([END, *alphabet])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=tokenizer, bos_token=END, eos_token=END, unk_token=END)


def stand_in(repo: str, step: int, form: str) -> Revision:
    """The commit of a repository at a training step: a GPT-NeoX directory in one of the forms of FORMS."""
    name = f"{repo}@step{step}".encode()
    config = GPTNeoXConfig(
        vocab_size=257,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=2048,
        # Far from the usual 0.02, so that no two stand-ins answer alike.
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng(devices=[]), TemporaryDirectory() as folder:
        torch.manual_seed(int.from_bytes(hashlib.sha256(name).digest()[:4], "big"))
        model = GPTNeoXForCausalLM(config)
        byte_tokenizer().save_pretrained(folder)
        model.save_pretrained(folder, max_shard_size="20KB" if form == "sharded" else "1GB")
        files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
        if "bin" in form:
            del files["model.safetensors"]
        if form != "sharded":
            files |= torch_files(model.state_dict(), Path(folder), sharded=form == "sharded bin")
    files |= {"README.md": b"A stand-in for " + name, ".gitattributes": b"*.safetensors filter=lfs\n"}
    return Revision(hashlib.sha1(name).hexdigest(), files)


def torch_files(state: dict[str, torch.Tensor], folder: Path, sharded: bool) -> dict[str, bytes]:
    """The weights as older repositories have them."""
    names = sorted(state)
    parts = [names[::2], names[1::2]] if sharded else [names]
    files: dict[str, bytes] = {}
    places: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        file = f"pytorch_model-{number:05}-of-00002.bin" if sharded else "pytorch_model.bin"
        torch.save({name: state[name] for name in part}, folder / file)
        files[file] = (folder / file).read_bytes()
        places |= dict.fromkeys(part, file)
    if sharded:
        index = {"metadata": {"total_size": sum(map(len, files.values()))}, "weight_map": places}
        files["pytorch_model.bin.index.json"] = json.dumps(index).encode()
    return files


def pythia(ladder: Path = LADDER) -> dict[str, dict[str, Revision]]:
    """Stand-ins for every repository of a ladder, at every step that it lists."""
    repos: dict[str, dict[str, Revision]] = {}
    for rung, settings in yaml.safe_load(ladder.read_text())["rungs"].items():
        source = settings["source"]
        made = {step: stand_in(source["repo"], step, FORMS.get(rung, "both")) for step in sorted(source["steps"])}
        last = made[max(made)]
        repos[source["repo"]] = {f"step{step}": found for step, found in made.items()} | {source["revision"]: last}
    return repos


def main() -> None:
    parser = ArgumentParser(description="A loopback Hugging Face hub with stand-ins for the Pythia ladder.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    with Hub(pythia(), parser.parse_args().port) as hub, suppress(KeyboardInterrupt):
        print(f"HF_ENDPOINT={hub.endpoint}", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
