"""Stage headline: the few numbers of a ladder that `dvc exp show` and `dvc metrics diff` set beside another's."""

from tasklaws.core.files import read_json, write_json
from tasklaws.core.script import run
from tasklaws.core.settings import load
from tasklaws.forecast.headline import HEADLINE, headline
from tasklaws.paths import Paths


def main() -> None:
    write_json(HEADLINE, headline(read_json(Paths(load().models.name).metrics)))


if __name__ == "__main__":
    run(main)
