"""The byte-pair tokenizer of a corpus: digits, markers and operands stay whole, the rest merges."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tasklaws.core.files import opening
from tasklaws.core.schema import Document
from tasklaws.ladder.batches import Encoded

_END = "<|end|>"
UNKNOWN = "<|unknown|>"

# Isolated pieces, so that no merge crosses them: a digit; the markers; a capital that stands for itself; a letter of a
# short quoted string; an operation's name with its space.
PIECES = r"\d|Q:|\n[AP]:|[A-Z](?!:)|[a-z](?=[a-z]{0,2}')| [a-z]{2,4}(?=[ \n])"


def train_tokenizer(documents: Iterable[Document], vocab_size: int) -> PreTrainedTokenizerFast:
    """Learn at most `vocab_size` tokens from prompts and targets; encoding them apart or joined gives the same."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PIECES), "isolated")
    tokenizer.decoder = decoders.Fuse()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=[_END, UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator((document.prompt + document.target for document in documents), trainer)
    fast: Any = PreTrainedTokenizerFast
    return fast(  # type: ignore[no-any-return]
        tokenizer_object=tokenizer,
        eos_token=_END,
        pad_token=_END,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
        padding_side="left",
        model_max_length=256,
    )


def load_tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    """The tokenizer saved in `directory`; a missing or damaged one raises TasklawsError."""
    with opening(directory, "run `dvc repro --force corpus`"):
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(directory)
    # Else a user's HF_HUB_OFFLINE=1 would be saved with every model, and the same weights be other bytes.
    tokenizer.init_kwargs["local_files_only"] = False
    return tokenizer


def encode(documents: Sequence[Document], tokenizer: PreTrainedTokenizerFast) -> list[Encoded]:
    """Token ids of each document, ended by the end token, which is learned too."""
    prompts = tokenizer([document.prompt for document in documents], add_special_tokens=False)["input_ids"]
    targets = tokenizer([document.target for document in documents], add_special_tokens=False)["input_ids"]
    end = tokenizer.eos_token_id
    return [Encoded((*a, *b, end), len(a)) for a, b in zip(prompts, targets, strict=True)]
