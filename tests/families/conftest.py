import pytest

import tiny
from tasklaws.families import Family


@pytest.fixture(scope="session")
def families() -> dict[str, Family]:
    return {family.name: family for family in tiny.families()}
