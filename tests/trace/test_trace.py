"""tasklaws.trace: from any result back to items, responses, weights, params, code and commit."""

import json
import random
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lock_tree import check, commit, facts, git, make_tree

from tasklaws.cli import main
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_json
from tasklaws.core.marks import marked
from tasklaws.provenance.chain import read_chain
from tasklaws.provenance.record import read_records, record_of, record_sha256
from tasklaws.sandbox import run
from tasklaws.trace.targets import trace

LADDER = "nano_mini"
RESULTS = f"results/{LADDER}"


@pytest.fixture(scope="module")
def tree(not_quick: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("traced")
    make_tree(root)
    return root


@pytest.fixture
def copy(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tree, to be changed; tests of it run there, as this repository may have files of the same names."""
    shutil.copytree(tree, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def rungs(root: Path, role: str) -> list[str]:
    return sorted(path.stem for path in (root / "scores" / LADDER / role).glob("*.csv"))


def points(root: Path, ladder: str = LADDER) -> list[str]:
    """All points of figures and rows of tables."""
    figures = [path.stem for path in (root / "results" / ladder / "figures").glob("*.svg")]
    rows = [
        f"{path}:{line}"
        for path in (
            f"results/{ladder}/{name}.csv" for name in ("observations_fit", "observations_holdout", "forecasts")
        )
        for line in range(2, len(pd.read_csv(root / path)) + 2)
    ]
    return [*figures, *rows]


def read(root: Path, target: str) -> Any:
    """A trace as `--json` prints it."""
    return json.loads(json.dumps(trace(target, root).to_dict()))


@pytest.mark.slow
def test_ten_points_say_what_sha256sum_and_git_say(tree: Path) -> None:
    drawn = random.Random(0)
    figures = [target for target in points(tree) if ".csv" not in target and target != "sharded"]
    rows = [target for target in points(tree) if ".csv" in target]
    for target in [*drawn.sample(figures, 3), *drawn.sample(rows, 7)]:
        check(tree, read(tree, target))


@pytest.mark.heavy
def test_twenty_points_of_the_nano_ladder() -> None:
    root = Path(__file__).parents[2]
    if not (root / "scores/nano_ladder").is_dir() or not (root / "results/nano_ladder/provenance.json").is_file():
        pytest.skip("the nano ladder's files are not here: run `make repro`")
    left_out = ("sharded", "overlap")  # their models are made and asked inside one stage
    known = [target for target in points(root, "nano_ladder") if not target.startswith(left_out)]
    for target in random.Random(0).sample(known, 20):
        check(root, read(root, target))


def test_an_item_shows_what_was_said_and_the_program_run_anew(tree: Path) -> None:
    (rung, *_) = rungs(tree, "holdout")
    item = json.loads((tree / "data/items/gauss_sum.jsonl").read_text().splitlines()[3])
    found = read(tree, f"{item['id']}@{rung}")
    assert (found["question"], found["answer"], found["line"]) == (item["question"], item["answer"], 4)
    answers = [each for each in found["from"] if "prompt" in each]
    assert {each["elicitation"] for each in answers} == {"direct", "python"}
    for each in answers:
        row = json.loads((tree / each["file"]).read_text().splitlines()[each["line"] - 1])
        assert (row["item"], row["response"]) == (item["id"], each["response"])
        assert ("run_anew" in each) == (each["elicitation"] == "python")
        if "run_anew" in each:
            outcome = run(each["response"], item["fuel"])
            assert each["run_anew"]["status"] == outcome.status
            assert each["run_anew"]["fuel"] == outcome.fuel
            assert not each["run_anew"]["as_scored"]  # these scores are invented
    check(tree, found)


def test_a_point_is_the_mean_of_its_items(tree: Path) -> None:
    (rung, *_) = rungs(tree, "holdout")
    found = read(tree, f"partial_credit:gauss_sum/python@{rung}")
    table = pd.read_csv(tree / RESULTS / "observations_holdout.csv")
    for each in found["observations"]:
        row = table.iloc[each["line"] - 2]
        assert (row["family"], row["elicitation"], row["metric"]) == ("gauss_sum", "python", "partial_credit")
        assert each["value"] == row["value"] == pytest.approx(each["mean_of_scores"])
    assert found["forecast"]["file"] == f"{RESULTS}/forecasts.csv"
    items = [each for each in facts(found) if "item" in each]
    assert len(items) == len((tree / "data/items/gauss_sum.jsonl").read_text().splitlines())


def test_an_earlier_checkpoint_is_traced_by_its_step(tree: Path) -> None:
    (rung, *_) = rungs(tree, "fit")
    steps = sorted(set(pd.read_csv(tree / f"scores/{LADDER}/fit/{rung}.csv")["step"]))
    found = read(tree, f"gauss_sum_python@{rung}:{steps[0]}")
    assert {each["step"] for each in facts(found["from"][0]) if "prompt" in each} == {steps[0]}
    with pytest.raises(TasklawsError, match=rf"no checkpoint of step 7: its steps are {steps[0]}, {steps[-1]}"):
        trace(f"gauss_sum_python@{rung}:7", tree)


def test_every_name_of_a_thing_leads_to_it(tree: Path) -> None:
    (rung, *_) = rungs(tree, "fit")
    figure = tree / RESULTS / "figures/ladder.svg"
    held = marked(figure.read_bytes())
    assert held is not None
    named = read(tree, "ladder")
    assert named["record"] == held
    assert read(tree, held[:12])["record"] == read(tree, f"{RESULTS}/figures/ladder.svg")["record"] == held
    assert read(tree, f"{RESULTS}/fits.json")["path"] == f"{RESULTS}/fits.json"
    assert read(tree, f"fit@{LADDER}")["from"][0]["path"] == f"{RESULTS}/fits.json"
    assert read(tree, rung)["path"] == f"models/{rung}"
    assert read(tree, "validation/all/coverage")["metric"] == "all.coverage"
    chain = read_chain(tree)
    record = record_sha256(record_of(chain, f"{RESULTS}/fits.json"))
    assert read(tree, record[:12])["record"] == record


def test_a_line_of_items_or_responses_and_a_key_of_a_file_are_traced(copy: Path) -> None:
    (rung, *_) = rungs(copy, "fit")
    said = f"responses/{LADDER}/{rung}.jsonl"
    found = read(copy, f"{said}:3")
    row = json.loads((copy / said).read_text().splitlines()[2])
    assert found["row"]["item"] == row["item"]
    assert found["from"][0]["item"] == row["item"]
    check(copy, found)
    found = read(copy, "data/items/gauss_sum.jsonl:2")
    assert found["row"] == json.loads((copy / "data/items/gauss_sum.jsonl").read_text().splitlines()[1])
    assert found["from"][0]["within"] == "data/items/gauss_sum.jsonl"
    write_json(copy / "results/headline.json", {"coverage": 0.9})
    for target in ("coverage", "results/headline.json:coverage"):
        assert read(copy, target)["metric"] == "coverage"
    assert read(copy, f"{RESULTS}/metrics.json:all.coverage")["metric"] == "all.coverage"
    for target in (f"{said}:0", f"{said}:999999"):
        with pytest.raises(TasklawsError, match="has no line"):
            trace(target, copy)


def test_the_first_line_says_that_something_differs(copy: Path) -> None:
    (rung, *_) = rungs(copy, "fit")
    target = "gauss_sum-0000000001@" + rung
    assert "DIFFERS" not in trace(f"gauss_sum_direct@{rung}", copy).line
    path = copy / "data/items/gauss_sum.jsonl"
    path.write_text(path.read_text().replace('"answer"', ' "answer"', 1))
    for each in (target, f"gauss_sum_direct@{rung}", f"{RESULTS}/fits.json", "ladder"):
        node = trace(each, copy)
        assert "data/items" in node.line.splitlines()[0], each
        assert "DIFFERS" in node.line.splitlines()[0], each
        assert "data/items" in node.to_dict()["differs"]


def test_a_copied_file_is_found_again(tree: Path, tmp_path: Path) -> None:
    figure, table = tmp_path / "anything.svg", tmp_path / "table.csv"
    shutil.copy(tree / RESULTS / "figures/ladder.svg", figure)
    shutil.copy(tree / RESULTS / "mirage.csv", table)
    found = read(tree, str(figure))
    assert (found["part"], found["as_drawn"]) == ("figure ladder", True)
    figure.write_text(figure.read_text().replace("<path", "<path ", 1))
    assert not read(tree, str(figure))["as_drawn"]
    assert read(tree, str(table))["from"][0]["path"] == f"{RESULTS}/mirage.csv"
    items = next((tree / "data/items").glob("*.jsonl"))
    shutil.copy(items, tmp_path / "some.jsonl")
    assert read(tree, str(tmp_path / "some.jsonl"))["from"][0]["within"] == f"data/items/{items.name}"
    table.write_text("a\n1\n")
    for target in (str(table), f"{table}:2"):
        with pytest.raises(TasklawsError, match=r"is no output in dvc\.lock, nor a copy of one"):
            trace(target, tree)


def test_an_mlflow_run_is_traced_by_its_tag(copy: Path) -> None:
    identity, chain = "0123456789abcdef" * 2, read_chain(copy)
    tag = record_sha256(record_of(chain, f"{RESULTS}/forecasts.csv"))
    with closing(sqlite3.connect(copy / "mlflow.db")) as store, store:
        store.execute("CREATE TABLE runs (run_uuid, name)")
        store.execute("CREATE TABLE tags (run_uuid, key, value)")
        store.execute("CREATE TABLE params (run_uuid, key, value)")
        store.execute("CREATE TABLE latest_metrics (run_uuid, key, value)")
        for metric in ("score/gauss_sum_direct", "exact_match/gauss_sum_direct/lower", "validation/all/coverage"):
            store.execute("INSERT INTO latest_metrics VALUES (?, ?, 0.5)", (identity, metric))
        store.execute("INSERT INTO params VALUES (?, 'holdout', ?)", (identity, rungs(copy, "holdout")[0]))
        store.execute("INSERT INTO runs VALUES (?, 'forecast')", (identity,))
        store.execute("INSERT INTO tags VALUES (?, 'provenance', ?)", (identity, tag))
    for target in (identity, f"http://127.0.0.1:5000/#/experiments/1/runs/{identity}/artifacts"):
        found = read(copy, target)
        assert found["from"][0]["path"] == f"{RESULTS}/forecasts.csv"
        check(copy, found)
    for metric in ("score/gauss_sum_direct", "exact_match/gauss_sum_direct/lower"):
        found = read(copy, f"{identity}:{metric}")
        assert found["from"][0]["point"] == f"exact_match:gauss_sum_direct@{rungs(copy, 'holdout')[0]}"
        check(copy, found)
    assert read(copy, f"{identity}:validation/all/coverage")["from"][0]["metric"] == "all.coverage"
    with pytest.raises(TasklawsError, match="has no metric 'scor': the nearest are score/gauss_sum_direct"):
        trace(f"{identity}:scor", copy)
    (copy / "mlflow.db").write_text("no database")
    with pytest.raises(TasklawsError, match=r"mlflow\.db: .*remove it and run `tasklaws track`"):
        trace(identity, copy)


@pytest.mark.slow
def test_metrics_of_mlflow_s_runs_are_traced(copy: Path) -> None:
    from tasklaws.tracking.rebuild import rebuild_all

    rebuild_all(copy)
    with closing(sqlite3.connect(copy / "mlflow.db")) as store:
        metrics = store.execute("SELECT run_uuid, key FROM latest_metrics ORDER BY key, run_uuid").fetchall()
        tagged = store.execute("SELECT run_uuid FROM tags WHERE key = 'provenance'").fetchall()
    for identity, metric in random.Random(0).sample(metrics, 8):
        check(copy, read(copy, f"{identity}:{metric}"))
    (whole,) = {identity for identity, metric in metrics if metric == "coverage"}
    write_json(copy / "results/headline.json", {"coverage": 0.1})  # of another ladder
    assert read(copy, f"{whole}:coverage")["from"][0]["file"] == f"{RESULTS}/metrics.json"
    assert {identity for identity, _ in metrics} <= {identity for (identity,) in tagged}


def test_what_was_changed_is_told(copy: Path) -> None:
    (rung, *_) = rungs(copy, "fit")
    weights, items = copy / f"models/{rung}/model.safetensors", copy / "data/items/gauss_sum.jsonl"
    weights.write_bytes(b"other")
    items.write_text(items.read_text().replace('"answer"', ' "answer"', 1))
    (copy / "stages/respond.py").write_text("# other\n")
    text = trace(f"gauss_sum_direct@{rung}", copy).text()
    assert f"models/{rung}  seed 0" in text
    assert "DIFFERS from the card" in text
    assert "data/items  4 files  DIFFERS from dvc.lock" in text
    assert "stages/respond.py DIFFERS from dvc.lock" in text
    shutil.rmtree(copy / "models")
    assert "not on this disk" in trace(f"gauss_sum_direct@{rung}", copy).text()


def test_a_stage_that_read_other_bytes_is_told(copy: Path) -> None:
    lock = copy / "dvc.lock"
    entry = next(each for each in read_chain(copy).stages[f"fit@{LADDER}"].inputs if each.path.endswith("fit.csv"))
    text = lock.read_text()
    start = text.index(f"  fit@{LADDER}:")
    lock.write_text(text[:start] + text[start:].replace(entry.md5, "0" * 32, 1))
    assert "observations_fit.csv" in "".join(
        line
        for line in trace(f"{RESULTS}/fits.json", copy).text().splitlines()
        if "(the stage read other bytes)" in line
    )


def test_the_first_commit_of_a_hash_counts(copy: Path) -> None:
    before = read(copy, f"{RESULTS}/fits.json")["commit"]
    (copy / "dvc.lock").write_text((copy / "dvc.lock").read_text() + "\n")
    commit(copy, "another")
    assert read(copy, f"{RESULTS}/fits.json")["commit"] == before == git(copy, "rev-parse", "HEAD~1").strip()
    shutil.rmtree(copy / ".git")
    assert read(copy, f"{RESULTS}/fits.json")["commit"] is None


@pytest.mark.parametrize(
    ("target", "nearest"),
    [
        ("gaus_sum_python@RUNG", "gauss_sum_python"),
        ("gauss@RUNG", "the nearest are gauss_sum_"),
        ("gauss_sum@RUNG", "the nearest are gauss_sum_"),
        ("gauss_sum-000000000x@RUNG", "gauss_sum-0000000"),
        ("gauss_sum-9999999999@RUNG", "the nearest are gauss_sum-"),
        ("lader", "ladder"),
        ("gauss_sum_python@RUN", "gauss_sum_python@RUNG"),
        ("fits@nano_mini", "fit@nano_mini"),
        ("gauss_sum_python@mini-22k", "are gauss_sum_python@mini-21k"),
        ("mini-22k", "are mini-21k"),
        ("gauss_sum_python", "it is a task, and gauss_sum_python@"),
        ("gauss_sum-0000000001", "it is an item, and gauss_sum-0000000001@"),
        ("runs:/0123456789abcdef0123456789abcdef", "no such run in MLflow's store"),
        (f"{RESULTS}/metrics.json:all.covrage", "the nearest are all.coverage"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(tree: Path, target: str, nearest: str) -> None:
    (rung, *_) = rungs(tree, "fit")
    with pytest.raises(TasklawsError, match=nearest.replace("RUNG", rung)):
        trace(target.replace("RUNG", rung), tree)


def test_odd_targets_are_refused_in_one_line(tree: Path) -> None:
    (rung, *_) = rungs(tree, "fit")
    bad = ["", "@", f"@{rung}", f"x:y:z@{rung}", f"brier:gauss_sum_direct@{rung}", f"{RESULTS}/mirage.csv:1", "a" * 32]
    for target in [*bad, "é\x00", "../" * 40, f"gauss_sum_direct@{rung}:x", "/dev/zero", "/dev"]:
        with pytest.raises(TasklawsError):
            trace(target, tree)
    with pytest.raises(TasklawsError, match=r"dvc\.lock has no ladder other: it has nano_mini"):
        trace("ladder", tree, "other")


def test_the_command_prints_a_tree_or_json(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tree)
    monkeypatch.setattr("sys.argv", ["tasklaws", "trace", f"{RESULTS}/fits.json"])
    main()
    text = capsys.readouterr().out
    assert text.startswith(f"{RESULTS}/fits.json  sha256 ")
    assert f"└─ stage fit@{LADDER}: python stages/fit.py  commit" in text or f"├─ stage fit@{LADDER}" in text
    monkeypatch.setattr("sys.argv", ["tasklaws", "trace", f"{RESULTS}/fits.json", "--json"])
    main()
    assert json.loads(capsys.readouterr().out)["stage"] == f"fit@{LADDER}"


def test_records_hold_content_alone_and_have_their_digests(tree: Path) -> None:
    records = read_records(tree / RESULTS / "provenance.json")
    for path in (tree / RESULTS / "figures").glob("*.svg"):
        record = records[f"figure {path.stem}"]
        assert marked(path.read_bytes()) == record_sha256(record)
        said = subprocess.run(["sha256sum", *record["inputs"]], cwd=tree, capture_output=True, text=True).stdout
        assert {line[66:]: line[:64] for line in said.splitlines()} == record["inputs"]
        assert {"params", "seeds", "models", "items", "guests", "packages", "code"} <= set(record)
    pages = "".join(page.read_text() for page in (tree / "reports").rglob("*.html"))
    shown = {record_sha256(record)[:12] for name, record in records.items() if name.startswith("table ")}
    assert sum(f'data-provenance="{each}"' in pages for each in shown) >= 8
    host = subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip()
    assert host not in (tree / RESULTS / "provenance.json").read_text()
    path = tree / RESULTS / "provenance.json"
    held = path.read_text()
    try:
        path.write_text(held.replace(f"{RESULTS}/bands.csv", f"{RESULTS}/other.csv", 1))
        with pytest.raises(TasklawsError, match="does not have its digest"):
            read_records(path)
    finally:
        path.write_text(held)
