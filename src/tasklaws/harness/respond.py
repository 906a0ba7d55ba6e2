"""Ask models all their tasks, as lm-eval puts them, and keep what they said."""

import json
import logging
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.openai_completions import LocalChatCompletion
from lm_eval.tasks import TaskManager

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import RawAnswer
from tasklaws.core.sealed import read_sealed, write_sealed
from tasklaws.core.settings import Ask, Asking
from tasklaws.families.prompts import TASKS, Prompts, task_name
from tasklaws.harness.answers import Question
from tasklaws.harness.models import answers_of, questions_of
from tasklaws.harness.servers import resumed_from
from tasklaws.ladder.card import CARD

PART = 100  # requests whose answers are kept together
SHOTS_SEED = 1234  # lm-eval's own: `lm_eval --num_fewshot` shows the same examples
_DIGITS = 6
LIKELIHOOD = "_likelihood"  # ends the name of the task that asks how likely what is right is, beside what is written
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".gguf", ".pt", ".pth", ".h5", ".msgpack", ".onnx")


def tasks_of(ask: Ask, prompts: Prompts = "terse", likelihoods: bool = True) -> list[str]:
    """The lm-eval tasks that put every family in every way: what it says, and how likely it finds what is right.

    Without `likelihoods` those alone in which a model writes.
    """
    pairs = [(family, way) for family, ways in ask.items() for way in ways]
    written = [task_name(family, way, prompts) for family, way in pairs if way != "choice"]
    if not likelihoods:
        return written
    return [task_name(*pair, prompts) for pair in pairs] + [f"{name}{LIKELIHOOD}" for name in written]


def respond(
    models: Iterable[LM],
    asking: Asking,
    batch_size: int | str,
    ask: Ask,
    items: Path,
    only: Container[str] | None = None,
    likelihoods: bool = True,
    folders: Sequence[Path] = (),
) -> Iterator[list[dict[str, object]]]:
    """For each model, what it says to every item in `items`: one row an item and elicitation, sorted.

    A row holds `response` (text) and `log_likelihood` of the right text, or `log_likelihoods` of the choices, in nats,
    rounded to 1e-6; without `likelihoods`, which chat servers do not give, it holds the text alone, and no choices are
    asked. lm-eval makes the requests, and in float64 on the CPU the rows are those of its own `HFLM`, one request at a
    time: they do not depend on the batch size or on what else is asked. `only` leaves some items, by their ids, whose
    examples are those that they have among all. `folders`, one a model, keep the answers to `PART` requests at a time,
    so that a run that was cut short asks the rest alone. A task that custom_tasks/ does not have, and a model that has
    no chat template where one is asked for, raise TasklawsError.
    """
    logging.getLogger("lm_eval").setLevel(logging.CRITICAL)
    tokenizing: dict[str, bytes] | None = None
    requests, questions = list[Instance](), list[Question | None]()
    for number, model in enumerate(models):
        told = _tokenizing(model)
        if told is None or told != tokenizing:
            tokenizing = told
            found = lm_eval_requests(asking, tasks_of(ask, asking.prompts, likelihoods), items, model)
            requests = [one for one in found if only is None or one.doc["id"] in only]
            questions = questions_of(model, requests)
        folder = folders[number] if folders else None
        yield _rows(requests, kept_answers(model, requests, batch_size, questions, folder))


def kept_answers(
    model: LM,
    requests: Sequence[Instance],
    batch_size: int | str,
    questions: Sequence[Question | None],
    folder: Path | None,
) -> list[RawAnswer]:
    """`answers_of`, asked `PART` by `PART` and kept in `folder`: what is there under its seal is not asked again.

    The folder belongs to these requests and this model; None keeps nothing and asks all at once.
    """
    if folder is None:
        return answers_of(model, requests, batch_size, questions)
    said: list[RawAnswer] = []
    for start in range(0, len(requests), PART):
        part, path = slice(start, start + PART), folder / f"{start}.json"
        kept = read_sealed(path)
        if kept is None:
            with resumed_from(folder):
                kept = json.dumps(answers_of(model, requests[part], batch_size, questions[part])).encode()
            write_sealed(path, kept)
        said += [(one[0], one[1]) if isinstance(one, list) else one for one in json.loads(kept)]
    return said


def _rows(requests: Sequence[Instance], said: Sequence[RawAnswer]) -> list[dict[str, object]]:
    rows: dict[tuple[str, str, str], dict[str, object]] = {}
    likely: dict[tuple[str, str, str], list[float]] = {}
    for request, answer in zip(requests, said, strict=True):
        way = request.doc["elicitation"]
        key = (request.doc["family"], way, request.doc["id"])
        row = rows.setdefault(key, dict(zip(("family", "elicitation", "item"), key, strict=True)))
        if isinstance(answer, str):
            row["response"] = answer
            continue
        nats = round(answer[0] if isinstance(answer, tuple) else answer, _DIGITS)
        if way == "choice":
            row["log_likelihoods"] = likely.setdefault(key, [])
            likely[key].append(nats)
        else:
            row["log_likelihood"] = nats
    return [rows[key] for key in sorted(rows)]


def _tokenizing(model: LM) -> dict[str, bytes] | None:
    """The files of a model's directory but for weights and card: where they are the same, a request has the same
    tokens. None of a model that has no directory."""
    directory = Path(str(getattr(model, "pretrained", "")))
    if not (directory / "config.json").is_file():
        return None
    files = [path for path in directory.iterdir() if path.is_file() and path.suffix not in _WEIGHT_SUFFIXES]
    return {path.name: path.read_bytes() for path in files if path.name != CARD}


def lm_eval_requests(asking: Asking, names: list[str], items: Path, model: LM) -> list[Instance]:
    """What lm-eval asks a model, in the order of the items: what is asked about one text stands together."""
    own: Any = {"items": str(items), "shots": asking.shots}  # lm-eval hands it to lm_eval_task.item_splits
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=own)
    unknown = [name for name in names if name not in manager.all_tasks]
    if unknown:
        raise TasklawsError(f"custom_tasks/ has no task {unknown[0]!r}: run `tasklaws custom-tasks`")
    requests: list[Instance] = []
    for task in manager.load(names)["tasks"].values():
        task.set_config("num_fewshot", asking.num_fewshot)
        task.set_fewshot_seed(SHOTS_SEED)
        task.build_all_requests(**chatting(model, asking))
        requests += task.instances
    return sorted(requests, key=lambda one: (one.task_name.removesuffix(LIKELIHOOD), one.doc_id))


def chatting(model: LM, asking: Asking) -> Mapping[str, Any]:
    """What lm-eval's `build_all_requests` is told, so that a prompt is put in the model's chat template, if asked for.

    A model without one, and a chat server that would be asked without, raise TasklawsError.
    """
    if not asking.chat_template:
        if isinstance(model, LocalChatCompletion):
            raise TasklawsError(f"{model.model} is a chat server, which takes messages alone: set chat_template: true")
        return {}
    tokenizer: Any = getattr(model, "tokenizer", None)
    if hasattr(tokenizer, "apply_chat_template") and not getattr(tokenizer, "chat_template", None):
        raise TasklawsError(f"{tokenizer.name_or_path} has no chat template: set chat_template: false")
    return {
        "apply_chat_template": True,
        "fewshot_as_multiturn": True,  # lm-eval's default
        "chat_template": model.apply_chat_template,
        "tokenizer_name": getattr(model, "tokenizer_name", ""),
    }
