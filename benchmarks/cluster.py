"""What a cell takes on a cluster beyond the same work here: `python benchmarks/cluster.py [N_TOKENS]`.

Trains and asks the rungs of nano_mini, on N_TOKENS tokens (default: the ladder's) of the present corpus, first by
their stages' commands one after the other in a folder of its own, then by `tasklaws submit` on Slurm. Prints the
seconds of each cell, on the cluster from the end of the one before (the first: from `submit`), so that waiting in the
queue counts, and the overhead of cells that take a minute or more, and of smaller ones. It needs data (`dvc repro
items corpus benchmarks`), and a cluster of one CPU, or cells run side by side: `python tests/cluster/slurm_cluster.py
FOLDER 1 n1` starts one.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tasklaws.compose import compose

ROOT = Path(__file__).parents[1]
OWN = ("models", "responses", "params.yaml", ".work")
SMALL_S = 60.0


def repository(folder: Path, n_tokens: int | None) -> list[str]:
    """Make `folder` a repository that has all of this one but models and settings; the names of its cells."""
    for path in ROOT.iterdir():
        if path.name not in OWN:
            (folder / path.name).symlink_to(path)
    params = yaml.safe_load(compose(["models=nano_mini", "corpus=default", "execution.engine=slurm"], ROOT / "conf"))
    for rung in params["models"]["rungs"].values():
        rung["source"]["n_tokens"] = n_tokens or rung["source"]["n_tokens"]
    params["execution"] |= {"store": str(folder / "store"), "workers": 1}
    for resources in params["execution"]["resources"].values():
        resources |= {"cpus": 1, "memory_gb": 0}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return [f"{stage}@{rung}" for stage in ("model", "respond") for rung in params["models"]["rungs"]]


def here(folder: Path, cells: list[str]) -> dict[str, float]:
    """Seconds of each cell's command."""
    found = {}
    for cell in cells:
        stage, _, rung = cell.partition("@")
        begun = time.monotonic()
        subprocess.run([sys.executable, "-P", f"stages/{stage}.py", rung], cwd=folder, check=True, capture_output=True)
        found[cell] = time.monotonic() - begun
    return found


def on_the_cluster(folder: Path, cells: list[str]) -> dict[str, float]:
    """Seconds from the end of one cell to that of the next."""
    before = time.time()
    subprocess.run(["tasklaws", "submit"], cwd=folder, check=True, capture_output=True)
    print(f"tasklaws submit: {time.time() - before:.1f} s", flush=True)
    while len(manifests := list(folder.glob("store/entries/[!.]*/manifest.json"))) < len(cells):
        time.sleep(0.5)
    found = {}
    for end, path in sorted((path.stat().st_mtime, path) for path in manifests):
        found[yaml.safe_load(path.read_text())["cell"]], before = end - before, end
    return found


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    n_tokens = int(sys.argv[1]) if len(sys.argv) > 1 else None
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        cells = repository(Path(one), n_tokens)
        local = here(Path(one), cells)
        repository(Path(other), n_tokens)
        cluster = on_the_cluster(Path(other), cells)
    print(f"{'cell':18} {'here s':>8} {'cluster s':>10}")
    for cell in cells:
        print(f"{cell:18} {local[cell]:8.1f} {cluster[cell]:10.1f}")
    for what, is_small in ((f"of {SMALL_S:g} s and more", False), ("smaller", True)):
        some = [cell for cell in cells if (local[cell] < SMALL_S) == is_small]
        if some:
            total, more = sum(local[cell] for cell in some), sum(cluster[cell] - local[cell] for cell in some)
            share = f"overhead {more / total:.1%}, {more / len(some):.1f} s a cell"
            print(f"cells {what}: {len(some)}, {total:.0f} s here, {share}")


if __name__ == "__main__":
    main()
