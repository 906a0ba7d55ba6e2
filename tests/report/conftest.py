"""What several tests of the pages read."""

from pathlib import Path

import pytest

from tasklaws.core.settings import Settings
from tasklaws.report.load import Results, load_results


@pytest.fixture(scope="session")
def results(three_families_reported: tuple[Path, Settings]) -> Results:
    return load_results(*three_families_reported)
