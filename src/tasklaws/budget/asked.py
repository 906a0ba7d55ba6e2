"""What is put to one checkpoint of a rung: the requests that lm-eval makes of the items, in tokens."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Asking, Settings
from tasklaws.families import build
from tasklaws.families.draws import write_items

_MOST_WRITTEN = 256  # lm-eval's own, of a task that does not say
CHARACTERS = 3.0  # of a token, where no tokenizer is at hand: between prose, some 4, and digits or code, some 2


@dataclass(frozen=True)
class Text:
    """A text that is read once: what of it is asked to be judged, and how many tokens each answer after it may have."""

    read: str
    judged: tuple[str, ...]
    writes: tuple[int, ...]


@dataclass(frozen=True)
class AskedTokens:
    """What one checkpoint reads and at most writes, in tokens; `longest` of a row, with what is written or judged.

    `n_rows` answers are stored.
    """

    n_tasks: int
    n_items: int
    n_requests: int
    n_rows: int
    n_read: int
    n_written: int
    longest: int
    longest_judged: int


@dataclass(frozen=True)
class Requests:
    """All that is put to a rung, by lm-eval's own making; `n_rows` answers are stored of each checkpoint."""

    n_tasks: int
    n_items: int
    n_requests: int
    n_rows: int
    texts: tuple[Text, ...]

    def in_tokens(self, count: Callable[[Sequence[str]], list[int]]) -> AskedTokens:
        """The same in the tokens of a tokenizer, which `count` gives of each of some texts.

        A text is read once, whatever is asked about it, as `harness.answers` does.
        """
        texts = [part for text in self.texts for part in (text.read, *text.judged)]
        lengths = iter(count(texts))
        read = written = longest = longest_judged = 0
        for text in self.texts:
            own, judged = next(lengths), [next(lengths) for _ in text.judged]
            read, written = read + own + sum(judged), written + sum(text.writes)
            longest = max(longest, own + max([*text.writes, *judged], default=0))
            longest_judged = max([longest_judged, *judged])
        return AskedTokens(
            self.n_tasks, self.n_items, self.n_requests, self.n_rows, read, written, longest, longest_judged
        )


def requests_of(
    settings: Settings, asking: Asking, likelihoods: bool = True, benchmarks: Sequence[Any] = ()
) -> Requests:
    """What `respond` would put to each checkpoint of a rung so asked, but for a chat template's own words.

    The families' items are made anew, and nothing is kept. `benchmarks` are those of `benchmarks_of`.
    """
    made = _of_families(settings, asking, likelihoods)
    made += [one for asked in benchmarks for one in _of_benchmark(asked)]
    found: dict[str, tuple[list[str], list[int]]] = {}
    for _, _, _, one in made:
        judged, writes = found.setdefault(one.args[0], ([], []))
        if one.request_type == "generate_until":
            writes += [int(one.args[1].get("max_gen_toks", _MOST_WRITTEN))] * (one.repeats or 1)
        elif one.request_type == "loglikelihood":
            judged.append(one.args[1])
    texts = tuple(Text(read, tuple(judged), tuple(writes)) for read, (judged, writes) in found.items())
    rows = {(task, name) for task, _, name, _ in made}
    items = {(family, name) for _, family, name, _ in made}
    return Requests(len({task for task, _ in rows}), len(items), len(made), len(rows), texts)


def benchmarks_of(settings: Settings) -> list[Any]:
    """The benchmarks of the settings, where data/benchmarks has their documents; else none.

    A name that is no task or group of lm-eval's or of benchmark_folder raises TasklawsError.
    """
    if not settings.benchmarks:
        return []
    from tasklaws.harness.benchmarks.items import read_benchmarks
    from tasklaws.harness.benchmarks.tasks import refuse_unknown_benchmarks

    try:
        with _quiet():
            return [asked for asked, _ in read_benchmarks(settings)]
    except TasklawsError:
        with _quiet():
            refuse_unknown_benchmarks(list(settings.benchmarks), Path(settings.benchmark_folder))
        return []


def _of_families(settings: Settings, asking: Asking, likelihoods: bool) -> list[tuple[str, str, str, Any]]:
    """Task, family, item and request of all that the families are asked."""
    from lm_eval.api.model import LM

    from tasklaws.harness import respond

    with tempfile.TemporaryDirectory() as folder, _quiet():
        families, kept = build(settings.families.sets), settings.elicitation.n_shots_kept
        for family in families:
            write_items(family, families, settings.seed, settings.families.split, kept, Path(folder))
        tasks = respond.tasks_of(settings.elicitation.ask, asking.prompts, likelihoods)
        # Without a template no model is needed to make them.
        made = respond.lm_eval_requests(replace(asking, chat_template=False), tasks, Path(folder), LM)
    return [(one.task_name.removesuffix(respond.LIKELIHOOD), one.doc["family"], one.doc["id"], one) for one in made]


def _of_benchmark(asked: Any) -> list[tuple[str, str, str, Any]]:
    """The same of a benchmark."""
    found = []
    for name, task in asked.tasks.items():
        with _quiet():
            task.build_all_requests(limit=asked.how.limit)
        found += [(asked.family, asked.family, f"{name}-{one.doc_id}", one) for one in task.instances]
    return found


def by_characters(texts: Sequence[str]) -> list[int]:
    """A rough count of tokens, where no tokenizer is at hand."""
    return [round(len(text) / CHARACTERS) + 1 for text in texts]


def by_tokenizer(path: Path) -> Callable[[Sequence[str]], list[int]]:
    """The counter of a tokenizer.json."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    return lambda texts: [len(one.ids) for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


@contextmanager
def _quiet() -> Iterator[None]:
    """lm-eval's bars and warnings go nowhere."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        yield
