"""How light the report's first page is: `python benchmarks/page.py [reports/LADDER/index.html]`.

Its bytes and words, its sheets of A4 when printed, and how soon chromium paints it without scripts: milliseconds from
the navigation to the first contentful paint, in a window of 1400 by 900, the median and the largest of five fresh
browsers.
"""

import re
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tools"))

from browser import browsing

PAINTED = "performance.getEntriesByType('paint').filter(each => each.name == 'first-contentful-paint')"
TRIES = 5


def main() -> None:
    default = next(iter(sorted(Path("reports").glob("*/index.html"))), Path("reports"))
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    text = file.read_text(encoding="utf-8")
    words = re.sub(r"<style.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL).split()
    print(f"{file}: {len(text.encode()):,} bytes, {len(words):,} words")
    painted, sheets = [], 0
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browsing(Path(profile)) as page:
            page.size(1400, 900)
            page.scripts(False)
            page.open(file.resolve().as_uri())
            page.wait(f"{PAINTED}.length")
            painted.append(float(page.value(f"{PAINTED}[0].startTime")))
            sheets = sheets or len(re.findall(rb"/Type\s*/Page\b(?!s)", page.printed()))
    print(f"first paint without scripts: {statistics.median(painted):.0f} ms, at most {max(painted):.0f}")
    print(f"printed: {sheets} sheets of A4")


if __name__ == "__main__":
    main()
