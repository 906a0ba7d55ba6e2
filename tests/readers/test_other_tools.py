"""`tasklaws import` on files of every tool: what is read, what is left out with its reason, what is refused."""

import json
import math
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import result_files as files
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared_data import shared
from tasklaws import cli
from tasklaws.core.errors import TasklawsError
from tasklaws.readers.choose import Choices
from tasklaws.readers.every_eval_ever import write_records
from tasklaws.readers.merge import Merged, merge_results
from tasklaws.readers.samples import read_samples
from tasklaws.tabular.points import read_points, write_points

SCHEMAS = Path(__file__).parents[1] / "data/every_eval_ever"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return files.write(tmp_path / "models.csv", files.MODELS)


def merged(models: Path | None, *paths: Path, **choices: Any) -> Merged:
    return merge_results(list(paths), "ladder", models, choices=Choices(**choices))


def values(found: Merged) -> dict[tuple[str, str, str], float]:
    return {(row.model, row.task, row.metric): row.value for row in found.table.itertuples()}


def plain(**results: Any) -> dict[str, Any]:
    """A result file of lm-eval 0.3 of one model, a-10m, with these tasks."""
    return {"results": results, "versions": {}, "config": {"model": "hf", "model_args": "pretrained=org/a-10m"}}


@pytest.mark.parametrize("kind", files.RESULTS)
def test_every_tool_s_results_become_points_that_can_be_read_again(tmp_path, models, kind):
    name, make = files.RESULTS[kind]
    found = merged(models, files.write(tmp_path / "results" / name, make()))
    assert set(found.table["model"]) == {"a-10m"}
    assert set(found.table["n_params"]) == {10_000_000}
    write_points(tmp_path / "points.csv", found.table)
    assert len(read_points(tmp_path / "points.csv")) == len(found.table)


def test_lm_eval_of_today(tmp_path, models):
    found = merged(models, files.write(tmp_path / "r.json", files.lm_eval_04()))
    assert values(found) == {
        ("a-10m", "t1", "acc"): 0.4,
        ("a-10m", "t2", "acc"): 0.2,
        ("a-10m", "gen", "exact_match_strict-match"): 0.4,
        ("a-10m", "wiki", "bits_per_byte"): 1.3,
    }
    rows = found.table.set_index("task")
    assert rows.loc["t1", ["n_items", "chance", "n_shot"]].tolist() == [100, 0.5, 0]
    assert rows.loc["t1", "higher_is_better"] is True
    assert rows.loc["wiki", "higher_is_better"] is False
    assert any("of 1 group(s) whose tasks are there too, as pair" in note for note in found.notes)
    assert any("acc_norm, exact_match_flexible-extract: other readings" in note for note in found.notes)


def test_lm_eval_0_4_0_says_what_is_in_a_group_by_indenting(tmp_path, models):
    path = files.write(tmp_path / "r.json", files.lm_eval_040())
    assert set(merged(models, path).table["task"]) == {"t1", "t2", "t3"}
    assert set(merged(models, path, groups="groups").table["task"]) == {"pair", "t3"}
    assert set(merged(models, path, groups="all").table["task"]) == {"pair", "t1", "t2", "t3"}


def test_the_metrics_that_are_named_are_kept(tmp_path, models):
    path = files.write(tmp_path / "r.json", files.lm_eval_04())
    assert set(merged(models, path, metrics=["acc_norm"]).table["metric"]) == {"acc_norm"}
    assert set(merged(models, path, metrics=["exact_match"]).table["metric"]) == {
        "exact_match_flexible-extract",
        "exact_match_strict-match",
    }
    assert {"acc", "acc_norm"} <= set(merged(models, path, metrics=["all"]).table["metric"])
    with pytest.raises(TasklawsError, match="--metric f1: no row has it: there are acc, acc_norm"):
        merged(models, path, metrics=["f1"])


def test_a_variant_is_the_same_one_of_all_models(tmp_path, models):
    first = files.write(tmp_path / "x/a.json", plain(t1={"acc": 0.1, "acc_norm": 0.2}))
    second = files.lm_eval_03("org/b-30m") | {"results": {"t1": {"acc_norm": 0.4}}}
    found = merged(models, first, files.write(tmp_path / "x/b.json", second))
    assert values(found) == {("a-10m", "t1", "acc_norm"): 0.2, ("b-30m", "t1", "acc_norm"): 0.4}


def test_the_leaderboard_s_layout(tmp_path, models):
    found = merged(models, files.write(tmp_path / "r.json", files.lighteval()))
    rows = found.table.set_index("task")
    assert set(rows.index) == {"arc:challenge", "mmlu:anatomy", "mmlu:astronomy"}
    assert rows.loc["arc:challenge", ["chance", "n_shot"]].tolist() == [0.25, 25]
    assert rows.loc["mmlu:anatomy", ["chance", "n_shot", "n_items"]].tolist() == [0.25, 5, 135]


def test_an_inspect_log_and_its_archive(tmp_path, models):
    log = files.inspect_log()
    for path in (
        files.write(tmp_path / "log.json", log),
        files.write_archive(tmp_path / "log.eval", log),
    ):
        found = merged(models, path)
        assert values(found) == {("a-10m", "quiz", "accuracy"): 0.5}
        assert found.table[["chance", "n_items", "stderr"]].to_numpy().tolist() == [[0.5, 4, 0.1]]
        assert set(merged(models, path, metrics=["all"]).table["metric"]) == {"accuracy", "accuracy_at_least_1"}


def test_a_run_of_inspect_that_did_not_end_is_left_out(tmp_path, models):
    broken = files.inspect_log() | {"status": "error", "results": None}
    with pytest.raises(TasklawsError, match="status is 'error': a run that did not end has no result"):
        merged(models, files.write(tmp_path / "log.json", broken))


def test_an_archive_that_python_cannot_decompress_says_what_to_do(tmp_path, models):
    path = files.write_archive(tmp_path / "log.eval", files.inspect_log(), zipfile.ZIP_STORED)
    # 93, Zstandard, in the central directory and in each file's own header.
    path.write_bytes(
        path.read_bytes().replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x5d\x00"
        )
    )
    with pytest.raises(TasklawsError, match=r"log\.eval: .*inspect log convert --to json"):
        merged(models, path)


def test_records_state_their_unit(tmp_path, models):
    found = merged(models, files.write(tmp_path / "r.json", files.every_eval_ever()))
    rows = found.table.set_index("task")
    assert rows.loc["quiz", ["value", "stderr", "n_items"]].tolist() == pytest.approx([0.4, 0.01, 50])
    assert rows.loc["exam", ["value", "stderr", "n_items"]].tolist() == pytest.approx([0.4, 0.01, 50])
    assert any("1 value(s) in percent are divided by 100, as exam accuracy 40 in" in note for note in found.notes)


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -3.0, 37.5, 10**400]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=2),
)


@settings(max_examples=12)
@given(st.text(min_size=1, max_size=10), st.text(min_size=1, max_size=10), odd)
@example("mgsm_x", "details", [{"q": "2+2"}])
@example("code_x", "pass@k", {"1": 0.1})
@example("cola", "mcc", math.nan)
@example("wikitext", "word_perplexity,none", math.inf)
def test_one_odd_entry_never_stops_the_good_ones(tmp_path_factory, task, key, value):
    folder = tmp_path_factory.mktemp("odd")
    models = files.write(folder / "models.csv", files.MODELS)
    good = {"arc_easy": {"acc": 0.41, "acc_stderr": 0.01}, "sciq": {"acc": 0.5}}
    document = plain(**good)
    document["results"].setdefault(f"odd {task}", {})[key] = value
    found = merged(models, files.write(folder / "results/r.json", document))
    rows = {(name, metric): number for (_, name, metric), number in values(found).items()}
    assert rows.pop(("arc_easy", "acc")) == 0.41
    assert rows.pop(("sciq", "acc")) == 0.5
    if not rows and found.left_out:
        (entry,) = found.left_out
        assert "results/r.json" in entry.file
        assert entry.task == f"odd {task}"
        assert entry.reason
        assert any(str(entry) in note for note in found.notes)
        with pytest.raises(TasklawsError) as error:
            merged(models, folder / "results/r.json", strict=True)
        assert str(entry) in str(error.value)
        assert len(str(error.value)) <= 500


@pytest.mark.parametrize("broken", ["", "{", "[1]", '{"results": {}}', "\x00", '{"a": ' * 100_000])
def test_one_broken_file_never_stops_a_folder(tmp_path, models, broken):
    files.write(tmp_path / "x/good.json", plain(arc_easy={"acc": 0.41}))
    files.write(tmp_path / "x/broken.json", broken)
    found = merged(models, tmp_path / "x")
    assert values(found) == {("a-10m", "arc_easy", "acc"): 0.41}
    assert any("broken.json" in note for note in found.notes)


def test_what_was_skipped_is_one_line(tmp_path, models):
    files.write(tmp_path / "x/good.json", plain(arc_easy={"acc": 0.41}))
    for place in range(5):
        files.write(tmp_path / f"x/{place}.txt", "nothing")
    skipped = [note for note in merged(models, tmp_path / "x").notes if note.startswith("skipped")]
    assert skipped == [f"skipped 5 file(s): 5 without results, as {tmp_path}/x/0.txt"]


def test_a_share_of_one_task_and_a_percentage_of_another(tmp_path, models):
    results = {"squad_x": {"f1,none": 47.1}, "coqa_x": {"f1,none": 0.52, "em,none": 0.4}, "sciq": {"acc,none": 0.41}}
    found = merged(models, files.write(tmp_path / "r.json", plain(**results)))
    assert {(task, metric) for _, task, metric in values(found)} == {
        ("coqa_x", "f1"),
        ("coqa_x", "em"),
        ("sciq", "acc"),
    }
    (entry,) = found.left_out
    assert (entry.task, entry.metric, entry.value) == ("squad_x", "f1", "47.1")


@given(st.integers(20, 5000), st.data())
def test_a_percentage_is_divided_where_its_standard_error_shows_it(n_items, data):
    right = data.draw(st.integers(1 + n_items // 50, n_items - 1))
    share = right / n_items
    stderr = math.sqrt(share * (1 - share) / (n_items - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasklaws.readers.merge.gather", lambda *_: gathered(share, stderr))
        found = merge_results([Path("r.json")], "ladder")
    rows = found.table.set_index("model")["value"].to_dict()
    # One right of 20 is 0.05 +- 0.05, and so is, in percent, one right of 2000.
    left = {entry.file for entry in found.left_out}
    assert left <= ({"share.json"} if right == 1 else set())
    assert rows == pytest.approx(dict.fromkeys({"percent", "share"} - {"share" for _ in left}, share))


def gathered(share: float, stderr: float) -> Any:
    """Two models' runs of one task, one in percent, without any word on it."""
    from tasklaws.readers.files import Gathered
    from tasklaws.readers.runs import EvalRun, Score

    runs = [
        EvalRun(
            Path(f"{name}.json"),
            [Score("results.t.acc", "t", "acc", size * share, stderr=size * stderr)],
            name,
            n_params_total=1e6,
        )
        for name, size in (("percent", 100), ("share", 1))
    ]
    return Gathered(runs=runs)


def test_small_percentages_beside_large_ones_are_no_shares(tmp_path, models):
    """Of a task in percent, a value below 1 is not taken for a share; 0 is 0 either way."""
    first = files.write(tmp_path / "x/a.json", plain(t={"acc": 0.8}, u={"acc": 0.3}))
    second = files.lm_eval_03("org/b-30m") | {"results": {"t": {"acc": 37.5}, "u": {"acc": 0.4}}}
    found = merged(models, first, files.write(tmp_path / "x/b.json", second))
    assert {task for _, task, _ in values(found)} == {"u"}
    assert len(found.left_out) == 2


def rerun(folder: Path) -> Path:
    for day, acc in ((1, 0.4), (2, 0.41)):
        files.write(folder / f"results_2026-01-0{day}T10-00-00.000000.json", plain(arc_easy={"acc": acc}))
    return folder


def test_two_runs_of_the_same_are_refused_or_the_later_is_taken(tmp_path, models):
    folder = rerun(tmp_path / "x")
    with pytest.raises(TasklawsError, match="two runs: give one of them, or --latest takes the later") as error:
        merged(models, folder)
    assert "results_2026-01-01" in str(error.value)
    assert "results_2026-01-02" in str(error.value)
    found = merged(models, folder, latest=True)
    assert values(found) == {("a-10m", "arc_easy", "acc"): 0.41}
    assert any("1 row(s) of earlier runs" in note for note in found.notes)


def test_the_later_run_is_the_one_that_the_file_dates(tmp_path, models):
    for name, date, acc in (("a", 1_700_000_000.5, 0.4), ("b", 1_600_000_000, 0.41)):
        files.write(tmp_path / f"x/{name}.json", plain(arc_easy={"acc": acc}) | {"date": date})
    assert values(merged(models, tmp_path / "x", latest=True)) == {("a-10m", "arc_easy", "acc"): 0.4}
    files.write(tmp_path / "x/c.json", plain(arc_easy={"acc": 0.5}))
    with pytest.raises(TasklawsError, match="no time of its run"):
        merged(models, tmp_path / "x", latest=True)


def named(tmp_path: Path, *names: str) -> set[str]:
    for place, name in enumerate(names):
        document = plain(t={"acc": place / 10}) | {"config": {"model_args": {"pretrained": name}}}
        files.write(tmp_path / f"x/{place}.json", document)
    sizes = files.write(tmp_path / "sizes.csv", "model,n_params\n" + "".join(f"{name},1e7\n" for name in names))
    return set(merged(sizes, tmp_path / "x").table["model"])


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["runs/run1/final", "runs/run2/final"], {"run1/final", "run2/final"}),
        (["org/a", "org/b"], {"a", "b"}),
        (["org/a", "other/a"], {"org/a", "other/a"}),
        (["stepco/step3"], {"step3"}),
        (["org/a-10m", "x/y/a-10m", "z/y/a-10m"], {"org/a-10m", "x/y/a-10m", "z/y/a-10m"}),
    ],
)
def test_models_whose_names_end_alike_are_told_apart(tmp_path, names, wanted):
    assert named(tmp_path, *names) == wanted


def test_a_path_into_a_hub_s_cache_is_the_repository_s_name(tmp_path, models):
    cached = "hub/models--org--a-10m/snapshots/0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"
    document = plain(t={"acc": 0.4}) | {"config": {"model_args": f"pretrained={cached},dtype=auto"}}
    assert values(merged(models, files.write(tmp_path / "r.json", document))) == {("a-10m", "t", "acc"): 0.4}


@pytest.mark.parametrize(
    "config",
    [
        {"model": "org/a-10m", "num_fewshot": 25},
        {"model": "hf", "model_args": "pretrained=org/a-10m,dtype=auto"},
        {"model": "hf", "model_args": " pretrained = 'org/a-10m'"},
        {"model": "hf", "model_args": {"pretrained": "org/a-10m", "parallelize": True}},
        {"model": "hf", "model_args": '{"pretrained": "org/a-10m"}'},
        {"model": "hf", "model_args": ["dtype=auto", "pretrained=org/a-10m"]},
        {"model": "hf", "model_args": "org/a-10m"},
        {"model": "local-completions", "model_args": "model=a-10m,base_url=http://x/v1?a=b"},
    ],
)
def test_a_model_s_name_is_found_in_any_form_of_its_arguments(tmp_path, models, config):
    document = {"results": {"t": {"acc": 0.4}}, "versions": {}, "config": config}
    assert values(merged(models, files.write(tmp_path / "r.json", document))) == {("a-10m", "t", "acc"): 0.4}


def test_a_file_that_names_no_model_is_named_by_option_or_after_its_path(tmp_path, models):
    document = {"results": {"t": {"acc": 0.4}}, "versions": {}}
    path = files.write(tmp_path / "x/b-30m/results_2026-01-01T10-00-00.json", document)
    found = merged(models, path)
    assert values(found) == {("b-30m", "t", "acc"): 0.4}
    assert any("1 file(s) name no model and are called after their paths" in note for note in found.notes)
    assert values(merged(models, path, model_name="a-10m")) == {("a-10m", "t", "acc"): 0.4}
    with pytest.raises(TasklawsError, match="no size of b-30m: the file names no model: say --model-name"):
        merged(None, path)


def test_names_come_from_paths_or_a_map_where_that_is_said(tmp_path, models):
    for name in ("a-10m", "b-30m"):
        files.write(tmp_path / f"x/org__{name}/results_2026-01-01T10-00-00.json", plain(t={"acc": 0.4}))
    assert {name for name, *_ in values(merged(models, tmp_path / "x", name_from="path"))} == {"a-10m", "b-30m"}
    rows = "file,model,step\norg__a-10m/results_2026-01-01T10-00-00.json,a-10m,5\n"
    table = files.write(tmp_path / "map.csv", f"{rows}org__b-30m/results_2026-01-01T10-00-00.json,b-30m,\n")
    sizes = files.write(tmp_path / "sizes.csv", "model,n_params\na-10m,1e7\nb-30m,3e7\n")
    found = merged(sizes, tmp_path / "x", name_from=table).table.set_index("model")
    assert found["step"].fillna(-1).to_dict() == {"a-10m": 5, "b-30m": -1}
    files.write(tmp_path / "map.csv", rows)
    with pytest.raises(TasklawsError, match=r"map\.csv: no row for .*b-30m"):
        merged(models, tmp_path / "x", name_from=table)
    files.write(tmp_path / "x/more.json", files.lm_eval_03("org/b-30m"))
    with pytest.raises(TasklawsError, match="--model-name one: the files name 2 models, org/b-30m and org/a-10m"):
        merged(models, tmp_path / "x", model_name="one")


def test_a_step_in_a_path_is_said(tmp_path):
    document = plain(t={"acc": 0.4}) | {
        "config": {"model_args": "pretrained=runs/nano/step_9", "model_num_parameters": 700}
    }
    found = merged(None, files.write(tmp_path / "r.json", document))
    assert found.table[["model", "step"]].to_numpy().tolist() == [["nano", 9]]
    assert any("runs/nano/step_9, read as step 9 of runs/nano" in note for note in found.notes)


def test_a_size_in_one_file_is_known_and_only_the_model_without_is_left_out(tmp_path):
    sized = plain(t={"acc": 0.3}) | {"config": {"model_args": "pretrained=org/a-10m", "model_num_parameters": 1e7}}
    files.write(tmp_path / "x/a.json", sized)
    files.write(tmp_path / "x/b.json", plain(u={"acc": 0.4}))
    files.write(tmp_path / "x/c.json", plain(t={"acc": 0.6}) | {"config": {"model_args": "model=closed-x"}})
    found = merged(None, tmp_path / "x")
    assert found.table[["model", "task", "n_params"]].to_numpy().tolist() == [["a-10m", "t", 1e7], ["a-10m", "u", 1e7]]
    (entry,) = found.left_out
    assert (
        str(entry)
        == f"{tmp_path}/x/c.json: model closed-x: no size of it: give a CSV with model and n_params as --models"
    )


def test_models_without_results_are_told(tmp_path, models):
    found = merged(models, files.write(tmp_path / "r.json", plain(t={"acc": 0.4})))
    assert f"{models}: no results of b-30m" in found.notes


def test_a_task_s_rows_fill_each_other_s_gaps(tmp_path, models):
    files.write(tmp_path / "x/a.json", files.lm_eval_04())
    files.write(tmp_path / "x/b.json", files.lm_eval_03("org/b-30m"))
    found = merged(models, tmp_path / "x").table.query("task == 't1'").set_index("model")
    assert found.loc["b-30m", ["chance", "n_items"]].tolist() == [0.5, 100]


def test_a_curve_far_below_its_chance_is_told(tmp_path, models):
    document = plain(hellaswag={"acc": 0.1, "acc_stderr": 0.003}, sciq={"acc": 0.6, "acc_stderr": 0.003})
    found = merged(models, files.write(tmp_path / "r.json", document))
    (line,) = [note for note in found.notes if "below its chance" in note]
    assert "hellaswag acc lies far below its chance 0.25, at 0.1 for a-10m" in line


@pytest.mark.parametrize("metric", ["exact_match", "exact_match_strict-match", "acc", "em_x"])
def test_a_chance_that_is_unknown_is_told_under_any_filter(tmp_path, metric):
    rows = "".join(f"m{size},{size}000000,quiz,{metric},0.3,500\n" for size in range(1, 4))
    found = merged(None, files.write(tmp_path / "t.csv", f"model,n_params,task,metric,value,n_items\n{rows}"))
    assert any("chance is unknown for quiz" in note for note in found.notes)


def test_a_metric_whose_direction_nothing_tells_is_left_out_or_stated(tmp_path, models):
    path = files.write(tmp_path / "r.json", plain(t={"acc": 0.4}, u={"pct_stereotype": 0.6}))
    assert [entry.metric for entry in merged(models, path).left_out] == ["pct_stereotype"]
    found = merged(models, path, directions={"pct_stereotype": "down"})
    assert found.table.set_index("task").loc["u", "higher_is_better"] is False


def test_a_file_that_turns_a_metric_round_is_left_out_and_stops_no_other(tmp_path, models):
    for name, way in (("org/a-10m", True), ("org/b-30m", False)):
        document = files.lm_eval_04(name, higher_is_better={"t1": {"acc": way}})
        files.write(tmp_path / f"x/{name[-5:]}.json", document)
    found = merged(models, tmp_path / "x", metrics=["acc"])
    assert ("a-10m", "t1", "acc") in values(found)
    assert ("b-30m", "t2", "acc") in values(found)
    (entry,) = found.left_out
    assert entry.where == "results.t1.acc,none"
    assert "b-30m" not in {model for model, task, _ in values(found) if task == "t1"}


texts = st.text(st.characters(categories=["L", "N"], include_characters="-_ ./|"), min_size=1, max_size=12).filter(
    lambda text: text.strip("/ ") and text == text.strip() and "//" not in text
)


@settings(max_examples=10)
@given(
    texts,
    st.dictionaries(texts, st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=4),
    st.none() | st.integers(0, 10**9),
)
def test_records_that_are_written_are_read_as_they_were(tmp_path_factory, model, scores, step):
    folder = tmp_path_factory.mktemp("records")
    rows = [
        {"model": model, "task": task, "metric": metric, "value": value, "n_params": 1e7, "n_tokens": 2e8, "step": step}
        for task, value in scores.items()
        for metric in ("acc", "brier")
    ]
    table = pd.DataFrame(rows).assign(ladder="ours", stderr=0.01, n_items=50, chance=0.25, train_flops=1.2e16)
    (path,) = write_records(folder, table, datetime(2026, 1, 2), "0")
    assert write_records(folder, table, datetime(2026, 1, 2), "0") == [path]
    found = merged(None, path).table
    written = {(row.task, row.metric): row.value for row in table.itertuples()}
    assert {(row.task, row.metric): row.value for row in found.itertuples()} == written
    one = found[["n_params", "n_tokens", "train_flops", "stderr", "n_items", "chance"]].drop_duplicates()
    assert one.to_numpy().tolist() == [[1e7, 2e8, 1.2e16, 0.01, 50, 0.25]]
    assert found["step"].fillna(-1).unique().tolist() == [-1 if step is None else step]
    validate(json.loads(path.read_text()))


def validate(record: dict[str, Any], schema: str = "eval") -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the schema's test needs jsonschema")
    jsonschema.validate(record, json.loads((SCHEMAS / f"{schema}.schema.json").read_text()))


def test_the_records_that_tests_read_are_valid_themselves():
    validate(files.every_eval_ever())
    for line in files.instances():
        validate(line, "instance_level_eval")


@pytest.mark.parametrize("kind", files.SAMPLES)
def test_every_tool_s_scores_by_item_become_a_table_of_items(tmp_path, kind):
    name, make = files.SAMPLES[kind]
    path = files.write(tmp_path / "org__a-10m" / name, make())
    found = read_samples([path])
    assert found.table["score"].between(0, 1).all()
    assert not found.table[["model", "task"]].isna().any(axis=None)
    assert found.left_out == []


def test_lm_eval_s_samples_have_their_folder_s_model_and_the_number_of_choices(tmp_path, models):
    name, make = files.SAMPLES["lm-eval samples"]
    for model in ("org__a-10m", "org__b-30m"):
        files.write(tmp_path / model / name, make())
    table = read_samples([tmp_path], models).table
    assert table["model"].unique().tolist() == ["a-10m", "b-30m"]
    assert table["task"].tolist()[:4] == ["t1/0", "t1/1", "t1/2", "t1/3"]
    assert table["score"].tolist()[:4] == [0, 1, 0, 1]
    assert set(table["chance"]) == {0.25}
    assert set(table["n_params"]) == {1e7, 3e7}
    assert read_samples([tmp_path], models, Choices(metrics=["acc_norm"])).table["score"].max() == 0


def test_samples_beside_their_result_file_have_its_model_and_task(tmp_path):
    files.write(
        tmp_path / "x/results.json",
        files.lm_eval_04() | {"config": {"model_args": "pretrained=org/a-10m", "model_num_parameters": 1e7}},
    )
    files.write(tmp_path / "x/pretrained__org__a-10m_t1.jsonl", json.dumps(files.lm_eval_samples(), indent=2))
    table = read_samples([tmp_path / "x/pretrained__org__a-10m_t1.jsonl"]).table
    assert set(table["model"]) == {"a-10m"}
    assert table["task"].tolist()[0] == "t1/0"


def test_samples_of_one_folder_that_ask_the_same_are_of_one_task(tmp_path):
    for model in ("m0", "m1"):
        files.write(tmp_path / f"samples_t_{model}.jsonl", files.lm_eval_samples())
    found = read_samples([tmp_path])
    assert found.table["model"].unique().tolist() == ["m0", "m1"]
    assert found.table["task"].unique().tolist() == ["t/0", "t/1", "t/2", "t/3"]
    assert any(
        "ask the same questions and are of one task, t, by several models, m0, m1" in note for note in found.notes
    )


def test_two_files_of_samples_of_one_run_are_refused_or_the_later_is_taken(tmp_path):
    for day, acc in ((1, 0.0), (2, 1.0)):
        name = f"samples_t1_2026-01-0{day}T10-00-00.000000.jsonl"
        files.write(tmp_path / "org__a-10m" / name, files.lm_eval_samples(acc))
    with pytest.raises(TasklawsError, match="two runs: give one of them, or --latest"):
        read_samples([tmp_path])
    assert read_samples([tmp_path], choices=Choices(latest=True)).table["score"].max() == 1


def test_metr_s_runs_are_attempts_and_people_s_are_left_out(tmp_path):
    found = read_samples([files.write(tmp_path / "all_runs.jsonl", files.metr())])
    assert found.table.columns.tolist() == ["model", "task", "score", "attempt", "family", "human_minutes"]
    assert set(found.table["model"]) == {"Old", "New"}
    assert found.table["attempt"].tolist() == [1, 1, 1, 1, 2]
    assert any("1 run(s) of people" in note for note in found.notes)
    assert any("1 run(s) ended by a fatal error count as they are scored" in note for note in found.notes)


def test_inspect_s_letters_are_scores(tmp_path):
    table = read_samples([files.write(tmp_path / "log.json", files.inspect_log())]).table
    assert table["score"].tolist() == [0, 0.5, 0, 1, 0.5, 0, 1, 0]
    assert set(table["chance"]) == {0.5}
    assert table["attempt"].tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_an_item_without_a_score_is_left_out(tmp_path):
    lines = files.lm_eval_samples()
    lines[1]["acc"] = None
    path = files.write(tmp_path / "org__a/samples_t1_2026-01-01T10-00-00.jsonl", lines)
    found = read_samples([path])
    assert found.table["task"].tolist() == ["t1/0", "t1/2", "t1/3"]
    assert str(found.left_out[0]) == f"{path}: doc_id 1, acc is None: no doc_id and score in [0, 1]"
    with pytest.raises(TasklawsError, match="mend it, or import without --strict"):
        read_samples([path], choices=Choices(strict=True))


def test_difficulty_reads_what_tools_wrote(tmp_path, monkeypatch, capsys):
    lines = [{"subject_id": f"m{n}", "responses": {f"q{q}": int(q <= n) for q in range(6)}} for n in range(1, 8)]
    path = files.write(tmp_path / "answers.jsonl", lines)
    sizes = files.write(tmp_path / "models.csv", "model,n_params\n" + "".join(f"m{n},{n}e6\n" for n in range(1, 8)))
    out = tmp_path / "items.csv"
    monkeypatch.setattr(
        "sys.argv", ["tasklaws", "import", "--items", str(path), "--models", str(sizes), "--out", str(out)]
    )
    cli.main()
    assert capsys.readouterr().out.endswith(f"42 rows, 7 model(s), 6 task(s)\n{out}: written\n")
    monkeypatch.setattr("sys.argv", ["tasklaws", "difficulty", str(out), "--last", "2", "--json"])
    cli.main()
    assert json.loads(capsys.readouterr().out)
    monkeypatch.setattr("sys.argv", ["tasklaws", "difficulty", str(path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "neither `date` nor `n_params`" in capsys.readouterr().err


def test_the_command_lists_every_entry_in_json(tmp_path, models, monkeypatch, capsys):
    path = files.write(tmp_path / "r.json", plain(t={"acc": 0.4}, u={"details": [1]}))
    arguments = [
        "tasklaws",
        "import",
        str(path),
        "--models",
        str(models),
        "--records",
        str(tmp_path / "records"),
        "--json",
    ]
    monkeypatch.setattr("sys.argv", arguments)
    cli.main()
    said = json.loads(capsys.readouterr().out)
    assert [entry["metric"] for entry in said["left_out"]] == ["details"]
    (record,) = (tmp_path / "records").rglob("*.json")
    validate(json.loads(record.read_text()))


CASES = [
    ("m01_ten_choices", "sizes.csv", {("f-3b", "mmlu_pro", "exact_match_custom-extract"): 0.22997007978723405}),
    ("m02_list.json", "sizes.csv", {("a-10m", "mgsm_x", "acc"): 0.04, ("a-10m", "arc_easy", "acc"): 0.41}),
    ("m02_dict.json", "sizes.csv", {("a-10m", "arc_easy", "acc"): 0.41}),
    ("m02_percent.json", "sizes.csv", {("a-10m", "arc_easy", "acc"): 0.41}),
    ("m02_f1_two_scales.json", "sizes.csv", {("a-10m", "coqa_x", "f1"): 0.52, ("a-10m", "arc_easy", "acc"): 0.41}),
    ("m03_infinity.json", "sizes.csv", {("a-10m", "arc_easy", "acc"): 0.41}),
    ("m03_nan.json", "sizes.csv", {("a-10m", "arc_easy", "acc"): 0.41}),
    ("m03_null.json", "sizes.csv", {("a-10m", "arc_easy", "acc"): 0.41}),
    (
        "m05_same_last_part",
        "m05_sizes.csv",
        {("run1/final", "arc_easy", "acc"): 0.4, ("run2/final", "arc_easy", "acc"): 0.5},
    ),
    ("m05_snapshot.json", "sizes.csv", {("a-10m", "arc_easy", "acc"): 0.4}),
    ("m06_model_in_config.json", "sizes.csv", {("a-10m", "arc_easy", "acc"): 0.4}),
    ("m06_lighteval.json", "sizes.csv", {("a-10m", "arc:challenge", "acc"): 0.4}),
    ("m16_size_in_one_file", None, {("a-10m", "t2", "acc"): 0.3}),
]


@pytest.mark.parametrize(("case", "sizes", "wanted"), CASES, ids=[case for case, *_ in CASES])
def test_the_shared_cases_have_their_values(case, sizes, wanted):
    found = values(merged(shared(f"cases/{sizes}") if sizes else None, shared(f"cases/{case}")))
    assert {key: found.get(key) for key in wanted} == wanted


def test_the_shared_case_of_ten_choices_has_a_tenth_for_chance():
    found = merged(shared("cases/sizes.csv"), shared("cases/m01_ten_choices")).table
    assert set(found["chance"]) == {0.1}
    assert set(found["n_items"]) == {12032}


def test_the_shared_case_without_a_name_is_named_by_option():
    found = merged(shared("cases/sizes.csv"), shared("cases/m06_no_config.json"), model_name="a-10m")
    assert values(found) == {("a-10m", "arc_easy", "acc"): 0.4}


def test_the_shared_samples_are_a_table_of_items():
    found = read_samples([shared("cases/m22_samples_t_m0.jsonl")], choices=Choices(model_name="m0"))
    assert len(found.table) == 30
    assert set(found.table["model"]) == {"m0"}


def test_several_values_in_one_file_do_not_stop_the_others(tmp_path, models):
    odd = plain(t1={"acc": 0.41, "acc,none": 0.4}, t2={"acc": 0.3, "acc,none": 0.3})
    found = merged(models, files.write(tmp_path / "r.json", odd))
    assert values(found) == {("a-10m", "t2", "acc"): 0.3}
    assert [one.where for one in found.left_out] == ["results.t1.acc", "results.t1.acc,none"]


def test_tasks_of_two_suites_are_told_apart(tmp_path, models):
    results = {"harness|arc|0": {"acc": 0.3}, "harness|arc|5": {"acc": 0.4}, "lighteval|arc|5": {"acc": 0.5}}
    run = {"config_general": {"model_name": "org/a-10m"}, "results": results}
    found = merged(models, files.write(tmp_path / "r.json", run))
    assert sorted(found.table["task"]) == ["harness|arc", "harness|arc", "lighteval|arc"]


def test_a_task_without_a_name_is_left_out(tmp_path, models):
    found = merged(
        models, files.write(tmp_path / "r.json", plain(**{"": {"acc": 0.4}, " ": {"acc": 0.4}, "t": {"acc": 0.4}}))
    )
    assert values(found) == {("a-10m", "t", "acc"): 0.4}
    assert len(found.left_out) == 2


def test_an_unknown_number_of_shots_beside_a_known_one_is_a_second_run(tmp_path, models):
    first = files.write(tmp_path / "r_2026-01-01T10-00-00.json", plain(t={"acc": 0.4}))
    second = files.write(tmp_path / "r_2026-01-02T10-00-00.json", plain(t={"acc": 0.5}) | {"n-shot": {"t": 5}})
    with pytest.raises(TasklawsError, match=r"^\S+02T10-00-00.json: .*: two runs: give one of them, or --latest"):
        merged(models, first, second)
    assert values(merged(models, first, second, latest=True)) == {("a-10m", "t", "acc"): 0.5}


@pytest.mark.parametrize(
    "given",
    [
        "{'pretrained': 'org/a-10m', 'dtype': None}",
        [{"pretrained": "org/a-10m"}, {"dtype": "float16"}],
        "[{'pretrained': 'org/a-10m'}]",
    ],
)
def test_a_model_is_named_by_arguments_as_python_prints_them(tmp_path, models, given):
    run = plain(t={"acc": 0.4})
    run["config"]["model_args"] = given
    assert set(merged(models, files.write(tmp_path / "r.json", run)).table["model"]) == {"a-10m"}


@pytest.mark.parametrize(("least", "most"), [(0, 5), (-1, 1), ("0", "10"), (1, None)])
def test_a_score_of_another_range_is_no_share(tmp_path, models, least, most):
    record = files.every_eval_ever()
    for result in record["evaluation_results"]:
        result["metric_config"] |= {"min_score": least, "max_score": most, "lower_is_better": False}
    with pytest.raises(TasklawsError, match="states a range that is neither 0 to 1 nor 0 to 100"):
        merged(models, files.write(tmp_path / "r.json", record))


def test_records_bring_back_ladders_dates_and_final_steps(tmp_path):
    rows = [
        ("L1", "m", None, None, True, "2024-05-01", 0.3),
        ("L2", "m", 1e8, 10, True, None, 0.4),
        ("L2", "m", 1e8, 20, False, None, 0.5),
    ]
    columns = ["ladder", "model", "n_params", "step", "is_final", "date", "value"]
    pd.DataFrame(rows, columns=columns).assign(task="t", metric="acc").to_csv(tmp_path / "t.csv", index=False)
    table = merged(None, tmp_path / "t.csv").table
    write_records(tmp_path / "records", table, datetime(2026, 1, 1), "1")
    back = merged(None, tmp_path / "records").table
    keys = ["ladder", "model", "step"]
    for column in columns:
        mine, own = (each.sort_values(keys)[column].astype(object).fillna("-").tolist() for each in (back, table))
        assert mine == own


@pytest.mark.parametrize("step", ["1.5", "-1"])
def test_a_map_s_step_is_a_whole_number(tmp_path, models, step):
    file = files.write(tmp_path / "r.json", plain(t={"acc": 0.4}))
    names = tmp_path / "map.csv"
    names.write_text(f"file,model,step\nr.json,a-10m,{step}\n")
    with pytest.raises(TasklawsError, match=r"map.csv:2: step is .*: give a whole number"):
        merged(models, file, name_from=names)


def test_what_a_terminal_obeys_is_shown_as_codes(tmp_path, models, monkeypatch, capsys):
    file = files.write(tmp_path / "r.json", plain(**{"t\x1b[2J\u202e": {"acc": 0.4}}))
    monkeypatch.setattr("sys.argv", ["tasklaws", "import", str(file), "--models", str(models)])
    cli.main()
    printed = "".join(capsys.readouterr())
    assert "t\\x1b[2J\\u202e" in printed
    assert "\x1b" not in printed


def test_a_line_that_stands_twice_is_no_attempt(tmp_path):
    path = files.write(tmp_path / "org__a/samples_t1_2026-01-01T10-00-00.jsonl", files.lm_eval_samples() * 2)
    found = read_samples([path])
    assert not found.table["task"].duplicated().any()
    assert any("stand twice and count once" in note for note in found.notes)


def test_models_of_one_task_are_scored_by_one_metric(tmp_path):
    lines = files.lm_eval_samples()
    files.write(tmp_path / "org__a/samples_t1_2026-01-01T10-00-00.jsonl", [{**line, "f1": 0.25} for line in lines])
    without = [{key: value for key, value in line.items() if not key.startswith("acc")} for line in lines]
    files.write(tmp_path / "org__b/samples_t1_2026-01-01T10-00-00.jsonl", [{**line, "f1": 0.5} for line in without])
    assert set(read_samples([tmp_path]).table["score"]) == {0.25, 0.5}


def test_parts_of_a_run_in_two_files_are_one_and_the_same_item_twice_is_refused(tmp_path):
    def part_of_run(name: str, item: str) -> Path:
        return files.write(tmp_path / name, [{"subject_id": "a", "responses": {item: 1}}])

    first, second, again = part_of_run("1.jsonl", "q1"), part_of_run("2.jsonl", "q2"), part_of_run("3.jsonl", "q1")
    assert sorted(read_samples([first, second]).table["task"]) == ["q1", "q2"]
    with pytest.raises(TasklawsError, match=r"model a, item q1\): two runs"):
        read_samples([first, second, again])


def test_what_one_answer_knows_of_an_item_holds_for_all(tmp_path):
    def answer(model: str, item: str, **known: Any) -> dict[str, Any]:
        said = {"schema_version": "0.3.0", "model_id": model, "sample_id": item, "evaluation_name": "e"}
        return {**said, "evaluation": {"score": 1.0}, **known}

    two, three = {"input": {"choices": ["x", "y"]}}, {"input": {"choices": ["x", "y", "z"]}}
    lines = [answer("a", "1", **two), answer("b", "1"), answer("a", "2", **two), answer("b", "2", **three)]
    found = read_samples([files.write(tmp_path / "i.jsonl", lines)])
    chances = found.table.groupby("task")["chance"].agg(lambda each: each.tolist())
    assert chances["e/1"] == [0.5, 0.5]
    assert all(math.isnan(chance) for chance in chances["e/2"])
    assert any("chance of 1 item(s) is left unknown" in note for note in found.notes)


def test_groups_of_one_another_leave_their_scores(tmp_path, models):
    run = plain(g={"acc": 0.5}, h={"acc": 0.6}) | {"group_subtasks": {"g": ["h"], "h": ["g"]}}
    assert set(merged(models, files.write(tmp_path / "r.json", run)).table["task"]) == {"g", "h"}


def test_a_unit_stated_for_sizes_holds_in_the_table_of_models(tmp_path):
    file = files.write(tmp_path / "r.json", plain(t={"acc": 0.4}))
    names = tmp_path / "models.csv"
    names.write_text("model,n_params\na-10m,10\n")
    assert merged(names, file, units={"n_params": 1e6}).table["n_params"].tolist() == [1e7]
    names.write_text("model,n_params\na-10m,1e7\n")
    for unit in ("value", "n_tokens"):
        with pytest.raises(TasklawsError, match=f"--units {unit}: no table is read that has it"):
            merged(names, file, units={unit: 0.01})


def test_sizes_beyond_all_whole_numbers_are_written(tmp_path):
    run = plain(t={"acc": 0.4})
    run["config"]["model_args"] = "pretrained=org/closed"
    names = tmp_path / "models.csv"
    names.write_text("model,n_params\nclosed,1e308\n")
    write_points(tmp_path / "points.csv", merged(names, files.write(tmp_path / "r.json", run)).table)
    assert "1e+308" in (tmp_path / "points.csv").read_text()


def test_an_odd_metric_of_inspect_is_shown_as_it_stands(tmp_path, models):
    log = files.inspect_log()
    log["results"]["scores"][0]["metrics"] = {"accuracy": 0.5}
    found = merged(models, files.write(tmp_path / "r.json", log))
    assert [one.value for one in found.left_out] == ["0.5"]
    assert found.left_out[0].reason == "its `value` should be a finite number"


def test_items_of_a_run_that_broke_off_are_said(tmp_path):
    found = read_samples([files.write(tmp_path / "r.json", files.inspect_log() | {"status": "error"})])
    assert any("its run ended as error: what it scored is read" in note for note in found.notes)


def test_a_standard_error_that_cannot_be_is_unknown_and_said(tmp_path, models):
    found = merged(models, files.write(tmp_path / "r.json", plain(t={"acc": 0.3, "acc_stderr": 3.1}, u={"acc": 0.4})))
    assert values(found) == {("a-10m", "t", "acc"): 0.3, ("a-10m", "u", "acc"): 0.4}
    assert found.table["stderr"].isna().all()
    assert [(one.metric, one.value) for one in found.left_out] == [("acc_stderr", "3.1")]


def test_a_direction_that_one_file_states_holds_for_the_same_metric_of_others(tmp_path):
    stated = plain(t={"zork": 0.3}) | {"higher_is_better": {"t": {"zork": False}}}
    files.write(tmp_path / "1.json", stated)
    other = plain(t={"zork": 0.4})
    other["config"]["model_args"] = "pretrained=org/b-30m"
    files.write(tmp_path / "2.json", other)
    models = files.write(tmp_path / "models/models.csv", files.MODELS)
    found = merged(models, tmp_path / "1.json", tmp_path / "2.json")
    assert found.table["higher_is_better"].tolist() == [False, False]


def test_a_model_of_two_counts_of_parameters_has_no_known_size(tmp_path, models):
    for place, size in enumerate((1e9, 2e9)):
        run = plain(**{f"t{place}": {"acc": 0.3}})
        run["config"] = {"model_args": "pretrained=org/z", "model_num_parameters": size}
        files.write(tmp_path / f"r/{place}.json", run)
    files.write(tmp_path / "r/known.json", plain(t={"acc": 0.4}))
    found = merged(models, tmp_path / "r")
    assert set(found.table["model"]) == {"a-10m"}
    assert any("model_num_parameters of z differ between files" in note for note in found.notes)
