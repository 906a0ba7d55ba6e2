"""DVC's cache: every object against its name."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tasklaws.provenance.chain import md5
from tasklaws.verify.tree import Difference, Finding, Tree, Unchecked


def check_objects(tree: Tree, every: bool) -> Iterator[Finding]:
    """Name each object of the cache that dvc.lock refers to, or `every` one, whose content is not that of its name."""
    if tree.pipeline.own_settings:
        yield Unchecked(f"DVC's settings of this machine: {', '.join(tree.pipeline.own_settings)}")
    paths: Iterable[Path] = tree.pipeline.objects.glob("??/*") if every else _referred(tree)
    for path in sorted(paths):
        found = path.parent.name + path.name.removesuffix(".dir")
        if path.is_file() and not path.name.endswith(".unpacked") and md5(path) != found:
            name = path.relative_to(tree.root).as_posix() if path.is_relative_to(tree.root) else str(path)
            yield Difference(name, "an object of DVC's cache whose content is not that of its name")


def _referred(tree: Tree) -> set[Path]:
    digests = set[str]()
    for _, entry in tree.chain.outputs():
        digests |= {entry.md5, *(tree.listing(entry) or {}).values()}
    return {tree.object(digest) for digest in digests}
