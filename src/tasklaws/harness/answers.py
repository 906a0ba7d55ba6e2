"""What a causal language model answers to lm-eval's requests: each text is read once, whatever is asked about it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text

from tasklaws.core.errors import TasklawsError


class Question(NamedTuple):
    """A request in tokens: the text to read, and the one that follows it, whose likelihood is asked.

    Where none follows, the model writes: at most `n_tokens`, until one of the texts `until`.
    """

    text: tuple[int, ...]
    following: tuple[int, ...]
    n_tokens: int
    until: tuple[str, ...]


def question(model: HFLM, request: Instance) -> Question:
    """The request as `HFLM` puts it to a model, alone: in its tokens, and cut on the left to fit the model's context.

    TasklawsError where the context has no room for what follows the text, or where sampling is asked for.
    """
    read, wanted = request.args
    if request.request_type == "loglikelihood":
        text, following = _pair(model, read, wanted)
        n_tokens, until = len(following) - 1, []  # the last one is never read
    else:
        wishes = normalize_gen_kwargs(wanted, model.max_gen_toks)
        until = handle_stop_sequences(wishes["until"], model.tok_decode(model.eot_token_id, False))
        n_tokens = wishes["max_gen_toks"]
        if more := more_wishes(model, request):
            raise TasklawsError(f"task {request.task_name!r} sets {more}: set do_sample: false alone")
        text, following = model.tok_batch_encode([read])[0][0].tolist(), []
    room = model.max_length - n_tokens
    if room < 1:
        raise TasklawsError(
            f"task {request.task_name!r} needs {n_tokens} tokens after its prompt, the model holds {model.max_length}: "
            "ask it for less"
        )
    return Question(tuple(text[-room:]), tuple(following), n_tokens, tuple(until))


def more_wishes(model: HFLM, request: Instance) -> Mapping[str, Any]:
    """What a request to write wants besides the likeliest text: sampling, beams."""
    wishes = normalize_gen_kwargs(request.args[1], model.max_gen_toks)
    return {name: value for name, value in wishes.items() if name not in ("until", "max_gen_toks") and value}


def _pair(model: HFLM, text: str, following: str) -> tuple[list[int], list[int]]:
    """A text and the one that follows it in tokens; what follows nothing follows the token that begins texts."""
    if text:
        return model._encode_pair(text, following)  # type: ignore[no-any-return]
    first, tokens = model.prefix_token_id, model.tok_encode(following, add_special_tokens=False)
    return (tokens[:1], tokens[1:]) if tokens[0] == first else ([first], tokens)


class _Row(NamedTuple):
    """Two questions about one text, by their numbers: one judges what follows, one writes. Either may be missing."""

    text: tuple[int, ...]
    judges: int | None
    writes: int | None


@torch.inference_mode()
def answers(model: HFLM, questions: Sequence[Question], batch_size: int) -> list[str | tuple[float, bool]]:
    """To each question the text that the model writes, or the log-likelihood of the text that follows (nats), and
    whether it is what the model would write.

    It writes the likeliest token each time, as `HFLM` does. `batch_size` rows of similar length are read together, and
    a row whose text has ended leaves its batch. Equal texts of a batch are read once; and as far as the model writes
    what follows in another question, the reading of that tells it already.
    """
    about: dict[tuple[int, ...], tuple[list[int], list[int]]] = {}
    for number, asked in enumerate(questions):
        about.setdefault(asked.text, ([], []))[not asked.following].append(number)
    rows = [_Row(text, *pair) for text, numbers in about.items() for pair in zip_longest(*numbers)]

    def length(row: _Row) -> tuple[int, int, int]:
        # Texts that may become long go together, so that few batches last long.
        longest = 0 if row.writes is None else questions[row.writes].n_tokens
        return longest, 0 if row.judges is None else len(questions[row.judges].following), len(row.text)

    rows.sort(key=length)
    ended = _ended(model)
    found: dict[int, str | tuple[float, bool]] = {}
    for start in range(0, len(rows), batch_size):
        likely, written = _answer(model.model, questions, rows[start : start + batch_size], ended)
        found |= likely
        for number, tokens in written.items():
            found[number] = postprocess_generated_text(model.tok_decode(tokens), list(questions[number].until), None)
    return [found[number] for number in range(len(questions))]


def _answer(
    model: Any, questions: Sequence[Question], rows: Sequence[_Row], ended: Callable[[Question, list[int]], bool]
) -> tuple[dict[int, tuple[float, bool]], dict[int, list[int]]]:
    """Log-likelihoods of what follows, each with whether it is the likeliest; and tokens written; by the numbers of
    their questions."""
    texts = {text: place for place, text in enumerate(dict.fromkeys(row.text for row in rows))}
    places = [texts[row.text] for row in rows]
    reading = _Reading(model, len(texts))
    expected = reading.read(*_padded(texts, on_left=True), last_only=True)[places]
    reading.keep(places)
    n_before = reading.mask.shape[1]
    following = [() if row.judges is None else questions[row.judges].following for row in rows]
    # What is expected after the last token matters only to one who writes that far.
    room = [0 if row.writes is None else questions[row.writes].n_tokens for row in rows]
    read = [tokens if len(tokens) < most else tokens[:-1] for tokens, most in zip(following, room, strict=True)]
    if any(read):
        expected = torch.cat([expected, reading.read(*_padded(read))], 1)
    right, there = _padded(following, width=expected.shape[1])
    right, there = right.to(expected.device), there.to(expected.device)
    logs = expected.log_softmax(-1)
    each = logs.gather(2, right[:, :, None])[:, :, 0].where(there == 1, 0).sum(1).tolist()
    greedy = ((logs.argmax(-1) == right) | (there == 0)).all(1).tolist()
    judged = zip(rows, each, greedy, strict=True)
    likely = {row.judges: (nats, is_greedy) for row, nats, is_greedy in judged if row.judges is not None}

    written: dict[int, list[int]] = {}
    live = []
    for place, (row, chosen) in enumerate(zip(rows, _likeliest(expected), strict=True)):
        if row.writes is None:
            continue
        tokens = written[row.writes] = []
        for token, next_read in zip_longest(chosen[: len(following[place]) + 1], following[place]):
            tokens.append(token)
            if token != next_read or ended(questions[row.writes], tokens):
                break
        if not ended(questions[row.writes], tokens):
            live.append((place, row.writes))
            reading.mask[place, n_before + len(tokens) - 1 :] = 0
    while live:
        reading.keep([place for place, _ in live])
        expected = reading.read(*_padded([written[number][-1:] for _, number in live]))
        for (_, number), chosen in zip(live, _likeliest(expected), strict=True):
            written[number] += chosen
        live = [
            (place, number) for place, (_, number) in enumerate(live) if not ended(questions[number], written[number])
        ]
    return likely, written


class _Reading:
    """What a model has read in rows of tokens: its cache, and a mask, of shape (rows, tokens), 0 where no token is."""

    def __init__(self, model: Any, n_rows: int) -> None:
        self.model, self.mask = model, torch.zeros(n_rows, 0, dtype=torch.long, device=model.device)
        self.cache: Any = None

    def read(self, tokens: torch.Tensor, there: torch.Tensor, last_only: bool = False) -> torch.Tensor:
        """Read on, and return the logits after each of the tokens, or after the last: (rows, tokens, vocabulary)."""
        self.mask = torch.cat([self.mask, there.to(self.mask.device)], 1)
        out = self.model(
            tokens.to(self.mask.device),
            attention_mask=self.mask,
            position_ids=(self.mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=int(last_only),
        )
        self.cache = out.past_key_values
        logits: torch.Tensor = out.logits
        return logits

    def keep(self, places: Sequence[int]) -> None:
        """Go on with these rows, which are all of them where they are as many."""
        if len(places) != len(self.mask):
            index = torch.tensor(places, device=self.mask.device)
            self.cache.batch_select_indices(index)
            self.mask = self.mask[index]


def _padded(rows: Iterable[Sequence[int]], width: int = 0, on_left: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of tokens as one tensor, zeros where there are none, and its mask."""
    rows = list(rows)
    width = width or max(map(len, rows))
    gaps = [[0] * (width - len(row)) for row in rows]
    filled = [[*gap, *row] if on_left else [*row, *gap] for row, gap in zip(rows, gaps, strict=True)]
    there = [[*gap, *[1] * len(row)] if on_left else [1] * len(row) + gap for row, gap in zip(rows, gaps, strict=True)]
    return torch.tensor(filled), torch.tensor(there)


def _likeliest(logits: torch.Tensor) -> list[list[int]]:
    # In float32, as in transformers' generate: so it is settled between logits that are all but equal.
    chosen: list[list[int]] = logits.float().argmax(-1).tolist()
    return chosen


def _ended(model: HFLM) -> Callable[[Question, list[int]], bool]:
    """Whether a written text ends with its last token, as `generate` and lm-eval's `MultiTokenEOSCriteria` say."""
    eos = model.model.generation_config.eos_token_id
    last = {eos} if isinstance(eos, int) else set(eos or ())
    # In so many tokens at the end lm-eval looks for a stop.
    n_back = cache(lambda stop: len(model.tokenizer.encode(stop, add_special_tokens=False)) + 2)
    decoded = cache(model.tokenizer.decode)

    def ended(asked: Question, tokens: list[int]) -> bool:
        if len(tokens) == asked.n_tokens or tokens[-1] in last:
            return True
        return any(stop in decoded(tuple(tokens[-n_back(stop) :])) for stop in asked.until)

    return ended
