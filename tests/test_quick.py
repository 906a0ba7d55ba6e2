"""`make quick` leaves out what needs a slow library; what `make faults` changes is still there to be changed; the tests
of a file run on one worker, which makes their fixtures once."""

import pytest

from faults import FAULTS, ROOT
from quick import is_quick


@pytest.mark.parametrize(
    ("text", "quick"),
    [
        ("import json\nfrom tasklaws.core.files import read_json\n", True),
        ("import torch\n", False),
        ("from torch.nn import Linear\n", False),
        ("if True:\n    import lm_eval.api.model\n", False),
        ("def test():\n    import torch\n", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n", True),
        ("from hub_server import Hub\n", False),
        ("from beside import name\n", False),
        ("import tasklaws.ladder.train\n", False),
        ("from tasklaws.ladder import train\n", False),
    ],
)
def test_a_test_is_quick_whose_import_imports_no_slow_library(tmp_path, text, quick):
    (tmp_path / "beside.py").write_text("import mlflow\nname = 1\n")
    (tmp_path / "test_it.py").write_text(text)
    assert is_quick(tmp_path / "test_it.py") == quick


def test_the_tests_of_a_file_run_on_one_worker(request):
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("no workers that keep tests together: --dist loadgroup, as make test has it")
    assert request.node.nodeid.endswith("@test_quick")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_finds_the_text_that_it_changes(fault):
    assert (ROOT / fault.file).read_text().count(fault.right) == 1, "bring tests/faults.py up to date"
    assert fault.right != fault.wrong
    for test in fault.tests:
        file, _, name = test.partition("::")
        assert not name or f"def {name}(" in (ROOT / file).read_text()
