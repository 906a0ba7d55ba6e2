"""Answers to lm-eval's requests: item by item those of lm-eval's own model, which takes one request at a time."""

import random
from pathlib import Path

import pytest

from tasklaws.core.errors import TasklawsError

CONTEXT = 48
N_TOKENS = 12


@pytest.fixture(scope="module", params=["gpt_neox", "gpt2", "llama"])
def directory(request, model_dir, tmp_path_factory) -> Path:
    """A model of each kind whose choices vary, and which often ends its text."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    config = AutoConfig.for_model(
        request.param,
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=CONTEXT,
        initializer_range=0.5,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        model.get_output_embeddings().weight[tokenizer.eos_token_id] *= 4
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def load(directory: Path, dtype: str = "float64"):
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(directory), device="cpu", dtype=dtype, batch_size=1)


def instance(text: str, wanted, kind: str = "generate_until"):
    from lm_eval.api.instance import Instance

    return Instance(kind, {}, (text, wanted), 0, ("a_task", 0, 1))


def wishes(*until: str, n_tokens: int = N_TOKENS) -> dict[str, object]:
    return {"until": list(until), "max_gen_toks": n_tokens, "do_sample": False}


def plain(model, requests) -> list[str | tuple[float, bool]]:
    """What lm-eval's own model answers."""
    said = iter(model.generate_until([each for each in requests if each.request_type == "generate_until"], True))
    likely = iter(model.loglikelihood([each for each in requests if each.request_type == "loglikelihood"], True))
    return [next(said if each.request_type == "generate_until" else likely) for each in requests]


def asked(model, requests, batch_size: int = 256) -> list[str | tuple[float, bool]]:
    from tasklaws.harness.answers import answers, question

    return answers(model, [question(model, request) for request in requests], batch_size)


def expect_equal(ours, theirs, within: float = 1e-9) -> None:
    assert len(ours) == len(theirs)
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if isinstance(other, str):
            assert one == other, number
        else:
            assert one == (pytest.approx(other[0], abs=within), other[1]), number


@pytest.fixture(scope="module")
def requests(directory):
    """Texts of all lengths, also beyond the context, asked in all ways; last, what the model itself would write."""
    rng = random.Random(0)
    made = []
    texts = ["Q: " + "".join(rng.choices("0123456789 +abc\n", k=length)) + "A:" for length in (*range(0, 40), 60, 90)]
    for text in texts:
        made.append(instance(text, wishes("\n")))
        made += [instance(text, f" {rng.randrange(10**n)}", "loglikelihood") for n in (1, 1, 3, 6)]
    for text in texts[::4]:
        made.append(instance(text, wishes("\n\n", "1", n_tokens=1)))
    written = [one for one in plain(load(directory), made) if isinstance(one, str)]
    for text, said in zip(texts, written, strict=False):
        made += [instance(text, said + end, "loglikelihood") for end in ("", "\n", "\n\nQ:") if said + end]
    return made


@pytest.fixture(scope="module")
def expected(directory, requests):
    return plain(load(directory), requests)


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_answers_are_those_of_lm_eval(directory, requests, expected, batch_size):
    expect_equal(asked(load(directory), requests, batch_size), expected)


def test_the_cases_that_differ_are_among_them(directory, requests, expected):
    model = load(directory)
    pairs = [(request, said) for request, said in zip(requests, expected, strict=True) if isinstance(said, str)]
    n_written = {len(model.tok_encode(said)) for _, said in pairs}
    assert "" in expected, "none ends at once"
    assert any(said and request.args[1]["max_gen_toks"] == 1 for request, said in pairs), "none is cut at the most"
    assert len(n_written) > 4
    assert any(len(model.tok_encode(request.args[0])) > CONTEXT for request in requests), "none exceeds the context"


def test_company_and_order_do_not_matter(directory, requests, expected):
    some = random.Random(1).sample(range(len(requests)), 60)
    expect_equal(asked(load(directory), [requests[number] for number in some], 16), [expected[n] for n in some])


def test_in_single_precision_they_agree_to_its_digits(directory, requests):
    likely = [request for request in requests if request.request_type == "loglikelihood"]
    model = load(directory, "float32")
    expect_equal(asked(model, likely), plain(model, likely), within=1e-3)


def test_the_text_that_the_model_would_write_is_read_once(directory, monkeypatch):
    """Where the right text is what the model writes, no step is taken for the writing."""
    from tasklaws.harness import answers

    model = load(directory)
    texts = [f"Q: {number} A:" for number in range(20)]
    writes = [instance(text, wishes("\n", n_tokens=5)) for text in texts]
    known, counts = answers._Reading.read, []
    monkeypatch.setattr(
        answers._Reading, "read", lambda *given, **more: (counts.append(counts.pop() + 1), known(*given, **more))[1]
    )
    for one, text in zip(writes, plain(model, writes), strict=True):
        if text:
            counts.append(0)
            pair = [one, instance(one.args[0], text, "loglikelihood")]
            expect_equal(asked(model, pair), plain(model, pair))
    # Other texts are written in other tokens than the tokenizer takes for them.
    assert counts.count(2) > 3, "the prompt, then what follows"
    assert set(counts) <= set(range(2, 7)), "the prompt, what follows, at most four steps"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (("Q: 1 A:", wishes("\n", n_tokens=CONTEXT)), f"'a_task' needs {CONTEXT} tokens after its prompt, .*{CONTEXT}"),
        (("Q: 1 A:", wishes("\n") | {"do_sample": True, "temperature": 0.7}), "'a_task' sets .*do_sample.*: set"),
        (("Q: 1 A:", " 1+2" * 60, "loglikelihood"), "'a_task' needs .* tokens after its prompt"),
    ],
)
def test_a_request_that_cannot_be_put_is_named(directory, request_, message):
    with pytest.raises(TasklawsError, match=message):
        asked(load(directory), [instance(*request_)])


OTHER = {
    "mistral": {"sliding_window": 8, "num_key_value_heads": 1},  # whose cache forgets
    "mamba": {"state_size": 4},  # which has none
    "gemma3_text": {"sliding_window": 8, "num_key_value_heads": 1, "head_dim": 8, "sliding_window_pattern": 2},
}


@pytest.mark.parametrize("kind", OTHER)
def test_a_model_whose_cache_is_another_is_asked_by_lm_evals_own_methods(kind, model_dir, tmp_path):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from tasklaws.core.settings import Asking
    from tasklaws.harness.models import answers_of, load_model, questions_of

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer),
        max_position_embeddings=CONTEXT,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        **shape,
        **OTHER[kind],
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load_model(tmp_path, Asking("float64", 0, "same", "terse", False), batch_size=1)
    texts = ["Q: 1+1\nA:", "Q: 123+4567 and more of it\nA:"]
    requests = [instance(text, wishes("\n", n_tokens=6)) for text in texts]
    requests += [instance(text, " 12", "loglikelihood") for text in texts]
    assert questions_of(model, requests) == [None] * 4
    expect_equal(answers_of(model, requests, 1), plain(model, requests))


def test_what_is_drawn_by_chance_and_whole_texts_are_left_to_lm_eval(directory):
    from tasklaws.core.settings import Asking
    from tasklaws.harness.models import answers_of, load_model

    model = load_model(directory, Asking("float64", 0, "same", "terse", False))
    drawn = instance("Q: 1 A:", wishes("\n", n_tokens=4) | {"do_sample": True, "temperature": 1.0})
    whole = instance("Q: 1 A: 2", None, "loglikelihood_rolling")
    whole.arguments = ("Q: 1 A: 2",)
    empty = instance("", "Q: 1", "loglikelihood")
    text, nats, pair = answers_of(model, [drawn, whole, empty])
    assert isinstance(text, str)
    assert nats == pytest.approx(model.loglikelihood_rolling([whole], True)[0], abs=1e-9)
    assert pair == (pytest.approx(model.loglikelihood([empty], True)[0][0], abs=1e-9), False)


def test_the_answers_on_a_device_are_those_on_the_cpu_to_its_digits(directory, requests):
    import torch

    from tasklaws.core.settings import Asking
    from tasklaws.harness.devices import device_of
    from tasklaws.harness.models import answers_of, load_model

    if (device := device_of("auto", "float32")) == "cpu":
        pytest.skip("this machine has no CUDA or MPS device")
    asking = Asking("float32", 0, "same", "terse", False)
    likely = [request for request in requests if request.request_type == "loglikelihood"]
    here, there = (answers_of(load_model(directory, asking, place), likely) for place in ("cpu", device))
    assert [nats for nats, _ in there] == pytest.approx([nats for nats, _ in here], abs=1e-2)
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize(
    "directory",
    ["gpt_neox", *(pytest.param(kind, marks=pytest.mark.heavy) for kind in ("gpt2", "llama"))],
    indirect=True,
)
def test_a_batch_that_does_not_fit_is_halved_or_named(directory, requests, expected, monkeypatch):
    from tasklaws.core.settings import Asking
    from tasklaws.harness import models

    model, known, tried = models.load_model(directory, Asking("float64", 0, "same", "terse", False)), models.answers, []

    def small(model_, questions, size):
        tried.append(size)
        if size > 5:
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        return known(model_, questions, size)

    monkeypatch.setattr(models, "answers", small)
    expect_equal(models.answers_of(model, requests), expected)
    assert tried == sorted(tried, reverse=True)
    assert tried[0] > 5 >= tried[-1]
    with pytest.raises(TasklawsError, match=r"^cpu is out of memory with batch_size 64: take batch_size auto or less"):
        models.answers_of(model, requests, 64)
