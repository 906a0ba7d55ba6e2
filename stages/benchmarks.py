"""Write the documents of lm-eval's tasks that are asked beside the families, as items, and what is known of them."""

from tasklaws.core import script
from tasklaws.core.files import write_json
from tasklaws.core.schema import BENCHMARKS
from tasklaws.core.settings import load


def main() -> None:
    settings = load()
    if not settings.benchmarks:
        write_json(BENCHMARKS / "benchmarks.json", {"benchmarks": {}})
        return
    from tasklaws.harness.benchmarks.about import write_benchmarks  # lm-eval takes seconds to import

    for family, count in write_benchmarks(settings).items():
        print(f"{BENCHMARKS}/{family}.jsonl: {count} documents")


if __name__ == "__main__":
    script.run(main)
