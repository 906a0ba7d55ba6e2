from pathlib import Path

import pytest
import yaml

from tasklaws.families import Family, build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def families() -> dict[str, Family]:
    conf = yaml.safe_load((ROOT / "conf/families/default.yaml").read_text())
    return {family.name: family for family in build(conf["sets"])}
