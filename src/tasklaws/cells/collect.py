"""What a stage calls first: are its outputs in the store of cells?

They are looked up and checked by a process of its own, so that none of that code is a dependency of what trains or
asks. What is brought is what the stage itself would make, and so its code alone determines the outputs.
"""

import os
import subprocess
import sys

from tasklaws.core.lock import STAGE


def collected(store: str) -> bool:
    """Whether the outputs of the stage that DVC runs were taken from `store`, the setting of that name.

    Without a store, outside DVC, and where the store is not here, lacks the cell or has it damaged, nothing is taken.
    """
    stage = os.environ.get(STAGE)
    if not store or stage is None:
        return False
    outside = {name: value for name, value in os.environ.items() if name != STAGE}
    return subprocess.run([sys.executable, "-P", "-m", "tasklaws.cells.take", stage], env=outside).returncode == 0
