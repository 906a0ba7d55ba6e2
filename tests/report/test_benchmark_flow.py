"""From a benchmark's scores to observations, forecasts, difficulty, surprises, the report and what runs show."""

import json
import random
from pathlib import Path

import pandas as pd
import pytest
from test_report import read_page

from results_tree import finish, params_of, write_results
from tasklaws.core.files import read_json, read_jsonl, write_json, write_jsonl
from tasklaws.core.schema import BenchmarkItem, Response
from tasklaws.core.settings import Settings
from tasklaws.harness.said import text_of
from tasklaws.paths import Paths
from tasklaws.report.build import build_report
from tasklaws.tables import SCORES
from tasklaws.tracking.responses import tables

pytestmark = pytest.mark.slow  # it makes whole pages

LADDER = "nano_mini"
SOLVED = {"mini-1k": 0.4, "mini-5k": 0.6, "mini-21k": 0.9}
PERPLEXITY = {"mini-1k": 300.0, "mini-5k": 120.0, "mini-21k": 60.0}


def item(number: int) -> BenchmarkItem:
    choices = ("yes", "no", "both")[: 2 + number % 2]
    return BenchmarkItem(
        id=f"quiz-{number:05}",
        family="quiz",
        task="quiz",
        document=number,
        sha256="0" * 64,
        question=f"is it {number}, <b>?",
        answer="yes",
        skills=(f"subject:{('law', 'physics')[number % 3 > 0]}",),
        chance=1 / len(choices),
        choices=choices,
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    """Invented results of one family and of a benchmark with a metric of all answers together."""
    root = tmp_path_factory.mktemp("benchmarks")
    params = params_of(LADDER, ("addition",))
    write_results(root, params)
    params["benchmarks"] = {"quiz": {}}
    items, paths = [item(number) for number in range(24)], Paths(LADDER, root)
    write_jsonl(root / "data/benchmarks/quiz.jsonl", [one.to_dict() for one in items])
    for rung, entry in params["models"]["rungs"].items():
        table = paths.scores(entry["role"]) / f"{rung}.csv"
        scores, made = SCORES.read(table), read_json(table.with_suffix(".json"))
        said, rows = read_jsonl(paths.responses(rung)), []
        made["whole"] = []
        for seed, step in scores[["seed", "step"]].drop_duplicates().itertuples(index=False, name=None):
            place = {"seed": int(seed), "step": int(step), "family": "quiz"}
            rng = random.Random(f"{rung} {seed} {step}")
            for one in items:
                right = rng.random() < SOLVED[rung]
                nats = [-1.0 if right else -3.0, *[-2.0] * (len(one.choices) - 1)]
                said.append(
                    place | {"elicitation": "benchmark", "item": one.id, "answers": [[[each, False]] for each in nats]}
                )
                given = {"item": one.id, "chance": one.chance, "response": f"{rung} {right} {seed}"}
                solved = {"exact_match": float(right), "acc": float(right), "acc_norm,none": float(right)}
                rows.append({"rung": rung, **place, "elicitation": "benchmark", **given, **solved})
            whole = {"metric": "perplexity", "value": PERPLEXITY[rung] + 1 / step, "n_items": len(items)}
            made["whole"].append(place | whole)
        SCORES.write(table, pd.concat([scores, pd.DataFrame(rows)], ignore_index=True))
        write_json(table.with_suffix(".json"), made)
        write_jsonl(paths.responses(rung), said)
    finish(root, params)
    return root, Settings.of(params)


def results(root: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(root / "results" / LADDER / f"{name}.csv")


def test_observations_have_every_metric(tree):
    table = results(tree[0], "observations_holdout")
    own = table[(table["family"] == "quiz") & table["is_final"]].set_index("metric")
    assert set(own.index) == {"exact_match", "acc", "acc_norm,none", "perplexity"}
    assert own.loc["perplexity", "value"] == pytest.approx(60, abs=1)
    assert own.loc["perplexity", "n_items"] == 24
    chance = sum(item(number).chance for number in range(24)) / 24
    assert own.loc[["exact_match", "acc"], "chance"].tolist() == pytest.approx([chance] * 2)
    assert own.loc["perplexity", ["stderr", "chance"]].isna().all()


def test_points_forecasts_and_outcomes_have_them_too(tree):
    for name in ("points", "forecasts", "validation"):
        table = results(tree[0], name)
        task = table["task"] if "task" in table else table["family"] + "_" + table["elicitation"]
        assert set(table.loc[task == "quiz_benchmark", "metric"]) == {
            "exact_match",
            "acc",
            "acc_norm,none",
            "perplexity",
        }
    losses = results(tree[0], "forecasts").set_index(["family", "metric"]).loc[("quiz", "perplexity")]
    assert losses["predicted"].item() > 1  # a loss, and no share


def test_items_are_surprising_difficult_and_independent(tree):
    surprises = results(tree[0], "surprises")
    own = surprises[surprises["family"] == "quiz"]
    assert len(own) == 24
    assert set(own["skills"]) == {"subject:law", "subject:physics"}
    skills = results(tree[0], "surprising_skills")
    assert set(skills.loc[skills["family"] == "quiz", "skill"]) == {"subject:law", "subject:physics"}
    structure = results(tree[0], "structure").set_index("family").loc["quiz"]
    assert structure[["n_items", "n_eff"]].tolist() == [24, 24]
    assert pd.isna(structure["designed"])
    counts = results(tree[0], "orders").groupby("items")["n_items"].first()
    assert counts["all"] == counts["measured"] + 24  # of the others people's time and steps are known


def test_the_report_shows_it(tree):
    root, settings = tree
    build_report(root, settings)
    page = (root / "reports" / LADDER / "index.html").read_text()
    reader = read_page(page)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.references) <= set(reader.ids)
    assert "24 documents of an lm-eval task, such as <code>is it 8, &lt;b&gt;?</code> → <code>yes</code>" in page
    items = (root / "reports" / LADDER / "items/quiz/index.html").read_text()
    assert "perplexity (less is better)" in items
    figures = {path.name for path in (root / "results" / LADDER / "figures").iterdir()}
    assert {"quiz-benchmark-perplexity.svg", "quiz-benchmark-acc_norm,none.svg"} <= figures
    records = read_json(root / "results" / LADDER / "provenance.json")
    assert "data/benchmarks/quiz.jsonl" in json.dumps(records)


def test_what_was_said_is_told_in_words(tree):
    paths = Paths(LADDER, tree[0])
    finals = read_json(paths.scores("holdout") / "mini-21k.json")["card"]["checkpoints"]
    steps = {one["seed"]: one["step"] for one in finals if one["is_final"]}
    found = json.loads(tables(paths, "mini-21k", paths.scores("holdout"), steps)[0])
    rows = [row for row in found["data"] if row[0] == "quiz_benchmark"]
    assert len(rows) == 24
    assert all((row[4] == "yes") == (row[5] == 1) for row in rows)
    where = {"seed": 0, "step": 1, "family": "quiz", "elicitation": "benchmark", "item": "quiz-00000"}
    assert text_of(Response(**where, answers=(("7", "eight"),)), ()) == "7 | eight"
    assert text_of(Response(**where, answers=((-2.5,),)), ()) == "-2.50 nats"


def test_where_no_benchmark_is_asked_nothing_appears(tmp_path):
    write_results(tmp_path, params_of(LADDER, ("addition",)))
    text = "".join(path.read_text() for path in (tmp_path / "results" / LADDER).glob("*.csv"))
    assert "benchmark" not in text
    assert "whole" not in (tmp_path / "scores" / LADDER / "fit" / "mini-1k.json").read_text()
