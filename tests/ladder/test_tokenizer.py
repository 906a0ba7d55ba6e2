"""A prompt's tokens do not depend on what follows, and no text is lost."""

import huggingface_hub
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import tiny
from tasklaws.families.prompts import prompt, split_task, target
from tasklaws.ladder.corpus import documents
from tasklaws.ladder.tokenizer import _END, UNKNOWN, load_tokenizer, train_tokenizer

MIXTURE = yaml.safe_load((tiny.ROOT / "conf/corpus/default.yaml").read_text())["mixture"]


@pytest.fixture(scope="module")
def of_all():
    """Learned from every task."""
    return train_tokenizer(tiny.corpus(3000), 320)


@pytest.fixture(scope="module")
def of_default():
    """Learned from the default mixture."""
    return train_tokenizer(documents(list(tiny.families()), MIXTURE, 3000, 0, "train"), 320)


def encode(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def check(tokenizer, task):
    """On every item of a task: seam, round trip, and no unknown token."""
    family, elicitation = split_task(task)
    unknown = tokenizer.convert_tokens_to_ids(UNKNOWN)
    for item in tiny.items(family):
        read, right = prompt(item.question, elicitation), target(item, elicitation)
        ids = encode(tokenizer, read + right)
        assert ids == encode(tokenizer, read) + encode(tokenizer, right)
        assert tokenizer.decode(ids) == read + right
        assert tokenizer.decode(encode(tokenizer, right)) == right
        assert unknown not in ids


@pytest.mark.parametrize("task", tiny.tasks())
def test_every_item_reads_whole_and_apart_alike(of_all, task):
    check(of_all, task)


@pytest.mark.parametrize("task", [*MIXTURE, "step_chain_shared_direct"])
def test_what_is_asked_by_default_reads_too(of_default, task):
    check(of_default, task)


@given(st.data())
def test_the_seam_holds_at_any_answer(of_all, data):
    """Whatever a model writes after a marker, it is tokenised apart from the prompt."""
    task = data.draw(st.sampled_from(tiny.tasks()))
    family, elicitation = split_task(task)
    read = prompt(data.draw(st.sampled_from(tiny.items(family))).question, elicitation)
    said = data.draw(st.text("0123456789abcdefABPQ:'()\n +-*/=sumrev", max_size=30))
    assert encode(of_all, read + said) == encode(of_all, read) + encode(of_all, said)


def test_digits_stand_alone(of_all):
    for ids in (encode(of_all, "Q: sum 1..1000000007\nA:"), encode(of_all, "print(1234567890)")):
        for token in of_all.convert_ids_to_tokens(ids):
            assert sum(letter.isdigit() for letter in token) <= 1
            assert len(token) == 1 or not any(letter.isdigit() for letter in token)
    vocabulary = of_all.get_vocab()
    assert all(digit in vocabulary for digit in "0123456789")
    assert not [token for token in vocabulary if len(token) > 1 and any(letter.isdigit() for letter in token)]


@pytest.mark.parametrize("marker", ["Q:", "\nA:", "\nP:"])
def test_a_marker_is_one_token_and_no_part_of_another(of_all, marker):
    assert len(encode(of_all, marker)) == 1
    assert [token for token in of_all.get_vocab() if marker in token] == [marker]


@pytest.mark.parametrize("name", [" rev", " inc", " sort", " swap"])
def test_an_operation_is_one_token(of_all, name):
    tokens = of_all.convert_ids_to_tokens(encode(of_all, f"Q: 1234{name}{name}\nA:"))
    assert tokens.count(name) == 2


def test_a_reload_is_the_same(of_all, tmp_path):
    of_all.save_pretrained(tmp_path / "a")
    train_tokenizer(tiny.corpus(3000), 320).save_pretrained(tmp_path / "b")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    again = load_tokenizer(tmp_path / "a")
    assert len(again) == len(of_all) <= 320
    assert again.get_vocab() == of_all.get_vocab()
    assert (again.eos_token, again.pad_token, again.padding_side) == (_END, _END, "left")
    assert encode(again, "Q: 1+2\nA: 3") == encode(of_all, "Q: 1+2\nA: 3")


def test_a_reload_offline_saves_the_same_bytes(of_all, tmp_path, monkeypatch):
    of_all.save_pretrained(tmp_path / "a")
    saved = {}
    for offline in (False, True):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
        load_tokenizer(tmp_path / "a").save_pretrained(tmp_path / str(offline))
        saved[offline] = (tmp_path / str(offline) / "tokenizer_config.json").read_bytes()
    assert saved[True] == saved[False]
