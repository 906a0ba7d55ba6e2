from pathlib import Path

import pytest

import tiny


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus directory, as the corpus stage writes it."""
    folder = tmp_path_factory.mktemp("corpus")
    tiny.write_corpus(folder)
    return folder
