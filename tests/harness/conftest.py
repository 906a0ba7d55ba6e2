from pathlib import Path

import pytest

import tiny


@pytest.fixture(scope="session")
def items_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every thirtieth item of every family, and few-shot examples."""
    folder = tmp_path_factory.mktemp("items")
    tiny.write_items(folder, every=30)
    return folder


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows nothing, with the tokenizer of a small corpus."""
    folder = tmp_path_factory.mktemp("models")
    tiny.write_corpus(folder / "corpus", count=400)
    tiny.write_model(folder / "tiny", folder / "corpus")
    return folder / "tiny"
