"""Judge what one rung said to the overlap experiment's questions."""

import sys
from pathlib import Path

from tasklaws import errors
from tasklaws.config import load_params, rung_settings
from tasklaws.files import write_table
from tasklaws.harness.score import read_responses, refuse_unanswered, score
from tasklaws.items import read_items
from tasklaws.ladder import card
from tasklaws.overlap.questions import FAMILY, ITEMS
from tasklaws.sandbox import Verdicts
from tasklaws.schema import SCORE_KEYS


def main() -> None:
    params = load_params()
    rung = errors.argument(sys.argv)
    rung_settings(params, rung)
    ladder = params["models"]["name"]
    items = {item.id: item for item in read_items(ITEMS / f"{FAMILY}.jsonl")}
    responses = read_responses(Path("responses", "overlap", ladder, f"{rung}.jsonl"), rung)
    finals = [(one.seed, one.step) for one in card.read(Path("models", rung)).checkpoints if one.is_final]
    refuse_unanswered(rung, responses, items, {FAMILY: ["direct"]}, finals)
    table = score(rung, responses, items, Verdicts(Path(".work/verdicts"), params["execution"]["workers"]))
    out = Path("scores", "overlap", ladder, f"{rung}.csv")
    write_table(out, table, SCORE_KEYS)
    print(f"{out}: {len(table)} scores")


if __name__ == "__main__":
    errors.run(main)
