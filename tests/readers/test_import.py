"""`tasklaws import` on small files in both of lm-eval's layouts and on tidy tables."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasklaws import cli
from tasklaws.readers.chance import chance_of
from tasklaws.readers.runs import implied_n_items
from tasklaws.readers.scales import _either_unit
from tasklaws.tabular.points import read_points


def old(folder: Path, step: int, acc: float = 0.4, shots: int = 0, name: str = "pythia-70m") -> Path:
    """A result file as Pythia published them (EleutherAI/pythia, evals/pythia-v1), cut down to two tasks."""
    results = {
        "logiqa": {"acc": 0.23348694316436253, "acc_stderr": 0.016593362460570887, "acc_norm": acc},
        "lambada_openai": {"ppl": 147.7, "ppl_stderr": 6.26, "acc": acc, "acc_stderr": 0.01},
        "crows_pairs_english": {"likelihood_difference": 3.79, "pct_stereotype": 0.56},
    }
    config = {"model": "hf-causal", "model_args": f"pretrained=EleutherAI/{name},revision=step{step}"}
    kind = {0: "zero-shot", 5: "five-shot"}[shots]
    document = {"results": results, "versions": {"logiqa": 0}, "config": {**config, "num_fewshot": shots}}
    return write(folder / name / kind / f"{name}_step{step}.json", document)


def new(folder: Path, name: str = "me/nano-1m", acc: float = 0.4, **changes: Any) -> Path:
    """A result file as lm-eval 0.4.13 writes them, cut down."""
    document = {
        "results": {
            "arc_easy": {"alias": "arc_easy", "acc,none": acc, "acc_stderr,none": 0.01, "sample_len": 2376},
            "yes_no": {"alias": "yes_no", "acc,none": acc, "acc_stderr,none": "N/A"},
            "gsm8k": {"exact_match,strict-match": 0.0, "exact_match,flexible-extract": 0.1},
            "wikitext": {"bits_per_byte,none": 1.3, "bits_per_byte_stderr,none": math.nan},
            "wmt16": {"bleu,none": 27.1, "ter,none": 0.7},
        },
        "groups": {"both": {"acc,none": acc, "sample_count": {"acc,none": 30}}},
        "configs": {"yes_no": {"doc_to_choice": ["no", "yes"]}, "arc_easy": {"doc_to_choice": "{{choices.text}}"}},
        "n-shot": {"arc_easy": 0, "gsm8k": 5},
        "n-samples": {"arc_easy": {"original": 2376, "effective": 100}},
        "higher_is_better": {"wmt16": {"bleu": True, "ter": False}},
        "config": {"model": "hf", "model_args": {"pretrained": name}, "model_num_parameters": 1_500_000},
        "model_name": name,
    }
    return write(folder / name.replace("/", "__") / "results_2025-01-01T00-00-00.json", document | changes)


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["tasklaws", "import", *map(str, arguments)])
    cli.main()


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    """The one line with which an import fails; it must have written nothing."""
    out = Path(arguments[arguments.index("--out") + 1])
    with pytest.raises(SystemExit) as error:
        run(monkeypatch, *arguments)
    assert error.value.code == 1
    assert not out.exists()
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    lines = [
        "model,ladder,n_params,n_tokens,tokens_per_step",
        "EleutherAI/pythia-70m,pythia,18915328,299892736000,2097152",
        "pythia-160m,pythia,85056000,299892736000,2097152",
    ]
    return write(tmp_path / "models.csv", "\n".join(lines))


def test_the_layout_that_pythia_published(tmp_path, monkeypatch, capsys, out, models):
    for step in (0, 1000, 143000):
        old(tmp_path / "evals", step)
    old(tmp_path / "evals", 143000, name="pythia-160m")
    run(monkeypatch, tmp_path / "evals", "--out", out, "--models", models)
    table = read_points(out)
    assert set(table["ladder"]) == {"pythia"}
    assert set(table["metric"]) == {"acc", "ppl"}
    said = capsys.readouterr().out
    assert "left out likelihood_difference, 4 row(s)" in said
    assert "left out pct_stereotype, 4 row(s)" in said
    assert "left out 4 row(s) of acc_norm: other readings of the answers that count already" in said
    small = table.query("model == 'pythia-70m' and task == 'logiqa' and metric == 'acc'").set_index("step")
    assert small["is_final"].to_dict() == {0: False, 1000: False, 143000: True}
    assert small["n_tokens"].to_dict() == {0: 0, 1000: 2097152000, 143000: 299892736000}
    assert small["train_flops"].loc[143000] == pytest.approx(6 * 18915328 * 299892736000)
    assert set(small["n_items"]) == {651}
    assert set(small["chance"]) == {0.25}
    assert set(table.query("task == 'lambada_openai' and metric == 'acc'")["chance"]) == {0}
    assert table.query("metric == 'ppl'")["chance"].isna().all()


def test_a_named_step_is_not_taken_for_the_end_of_training(tmp_path, monkeypatch, capsys, out):
    old(tmp_path / "evals", 1000)
    told = write(tmp_path / "told.csv", "model,n_params,n_tokens\npythia-70m,18915328,299892736000")
    said = refused(monkeypatch, capsys, tmp_path / "evals", "--out", out, "--models", told)
    assert "step 1000 of pythia-70m may not be the end of its training: give tokens_per_step" in said


def test_todays_layout(tmp_path, monkeypatch, capsys, out):
    new(tmp_path / "results")
    write(tmp_path / "results/me__nano-1m/samples_arc_easy_2025.jsonl", '{"doc_id": 0, "doc": {}, "resps": []}\n')
    write(tmp_path / "results/notes.json", {"a": 1})
    run(monkeypatch, tmp_path / "results", "--out", out)
    said = capsys.readouterr().out
    assert f"1 without results, as {tmp_path}/results/notes.json" in said
    assert "skipped 2 file(s): 1 of scores by item, which --items reads, as " in said
    assert "left out bleu, 1 row(s)" in said
    assert "left out ter, 1 row(s)" in said
    assert "n_params are lm-eval's model_num_parameters, embeddings included" in said
    assert "chance is unknown for both:" in said
    assert said.endswith(f"5 rows, 1 ladder(s), 1 model(s), 5 task(s)\n{out}: written\n")
    table = read_points(out).set_index(["task", "metric"])
    assert set(table["ladder"]) == {"table"}
    assert set(table["model"]) == {"nano-1m"}
    assert set(table["n_params"]) == {1_500_000}
    assert table["is_final"].all()
    arc = table.loc[("arc_easy", "acc")]
    assert arc[["value", "stderr", "n_items", "chance", "n_shot"]].tolist() == [0.4, 0.01, 100, 0.25, 0]
    assert table.loc[("yes_no", "acc"), "chance"] == 0.5
    assert math.isnan(table.loc[("yes_no", "acc"), "stderr"])
    assert table.loc[("both", "acc"), "n_items"] == 30
    assert table.loc[("gsm8k", "exact_match_strict-match"), "value"] == 0.0
    assert table.loc[("wikitext", "bits_per_byte"), "value"] == 1.3


@pytest.mark.parametrize(
    ("name", "revision", "model", "step"),
    [
        ("EleutherAI/pythia-1b", "step4000", "pythia-1b", 4000),
        ("allenai/OLMo-2", "stage1-step700-tokens3B", "OLMo-2", 700),
        ("/home/me/runs/nano/checkpoint-250", None, "nano", 250),
        ("runs/nano/step_9/", None, "nano", 9),
        ("gpt2", "main", "gpt2", None),
        ("first-steps-2", None, "first-steps-2", None),
    ],
)
def test_names_and_steps_are_found(tmp_path, monkeypatch, out, name, revision, model, step):
    arguments = {"pretrained": name} | ({"revision": revision} if revision else {})
    given = ",".join(f"{key}={value}" for key, value in arguments.items())
    config = {"model_args": given, "model_num_parameters": 10**9}
    path = new(tmp_path, config=config)
    run(monkeypatch, path, "--out", out)
    table = read_points(out)
    assert set(table["model"]) == {model}
    assert set(table["step"].fillna(-1)) == {-1 if step is None else step}
    assert table["is_final"].all()


def test_shots_split_a_ladder_that_was_asked_with_several(tmp_path, monkeypatch, out, models):
    old(tmp_path / "evals", 143000, acc=0.4)
    old(tmp_path / "evals", 143000, acc=0.5, shots=5)
    run(monkeypatch, tmp_path / "evals", "--out", out, "--models", models)
    values = read_points(out).query("task == 'lambada_openai' and metric == 'acc'").set_index("ladder")["value"]
    assert values.to_dict() == {"pythia-0shot": 0.4, "pythia-5shot": 0.5}


def test_tables_and_results_are_merged_and_imported_again(tmp_path, monkeypatch, out, models):
    evals = tmp_path / "evals"
    old(evals, 143000)
    mine = write(evals / "mine.csv", "model,task,metric,value,corpus\npythia-160m,t,acc,0.5,c4\n")
    write(evals / "other.csv", "a,b\n1,2\n")
    run(monkeypatch, evals, mine, "--out", out, "--models", models)
    table = read_points(out)
    (row,) = table.query("corpus == 'c4'").to_dict("records")
    assert (row["ladder"], row["n_params"], row["n_tokens"]) == ("mine", 85056000, 299892736000)
    assert len(table) == 4
    again = tmp_path / "again.csv"
    run(monkeypatch, out, "--out", again)
    assert again.read_bytes() == out.read_bytes()


def test_an_import_into_its_own_directory_can_be_repeated(tmp_path, monkeypatch, models):
    old(tmp_path / "evals", 143000)
    out = tmp_path / "evals/table.csv"
    run(monkeypatch, tmp_path / "evals", "--out", out, "--models", models)
    first = out.read_bytes()
    run(monkeypatch, tmp_path / "evals", "--out", out, "--models", models)
    assert out.read_bytes() == first


def test_two_runs_of_one_model_are_refused_naming_both(tmp_path, monkeypatch, capsys, out, models):
    old(tmp_path / "first", 143000)
    old(tmp_path / "second", 143000)
    said = refused(monkeypatch, capsys, tmp_path / "first", tmp_path / "second", "--out", out, "--models", models)
    assert f"{tmp_path}/second/pythia-70m/zero-shot/pythia-70m_step143000.json: results.logiqa.acc: same as" in said
    assert f"same as {tmp_path}/first/pythia-70m/zero-shot/pythia-70m_step143000.json: results.logiqa.acc (" in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"results": {"t": {"acc,none": 1.7}}}, "results.t.acc,none is 1.7: its unit is not told"),
        ({"results": {"t": {"acc,none": math.nan}}}, "results.t.acc,none is nan: it should be a finite number"),
        ({"results": {"t": {"acc,none": "N/A"}}}, "results.t.acc,none is 'N/A': it should be a finite number"),
        ({"results": {"t": {"acc,none": True}}}, "results.t.acc,none is True: it should be a finite number"),
        ({"results": {"t": {"acc,none": 10**400}}}, "it should be a finite number"),
        ({"results": {"t": {"foo,none": 0.5}}}, "neither the file nor the name tells whether more is better"),
        ({"results": {"t": 0.5}}, "results.t is 0.5: it should hold metrics by name"),
        ({"results": {"t": {"bleu,none": 30}}}, "neither a known loss nor a score in [0, 1]"),
        ({"results": {}}, "no results in "),
        ({"config": {"model_args": "pretrained=a/b"}}, "no size of b: give a CSV with model and n_params as --models"),
    ],
)
def test_what_a_result_file_cannot_say_is_refused_where_nothing_else_is_there(
    tmp_path, monkeypatch, capsys, out, changes, said
):
    path = new(tmp_path / "x", **{"groups": {}, **changes})
    text = refused(monkeypatch, capsys, tmp_path / "x", "--out", out)
    assert said in text
    assert len(text) <= 500
    assert str(path) in text or "no results" in said


def test_what_holds_no_results_is_refused(tmp_path, monkeypatch, capsys, out):
    (tmp_path / "empty").mkdir()
    assert "no results in" in refused(monkeypatch, capsys, tmp_path / "empty", "--out", out)
    assert "does not exist" in refused(monkeypatch, capsys, tmp_path / "none", "--out", out)
    path = write(tmp_path / "cut/results.json", '{"results": {')
    assert f"{path}: malformed JSON" in refused(monkeypatch, capsys, path.parent, "--out", out)
    path = write(tmp_path / "x.json", [1])
    assert f"{path} has no `results` that are known here" in refused(monkeypatch, capsys, path, "--out", out)
    path = write(tmp_path / "x.csv", "model,task,metric,value\nm,t,acc,1\nm,t,acc,x\n")
    assert f"{path}:3: value is 'x': give a number" in refused(monkeypatch, capsys, path, "--out", out)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modle,n_params\nm,1e6\n", ": column 'modle' is close to 'model'"),
        ("name,n_params\nm,1e6\n", ": no column 'model'"),
        ("model,n_params\nm,1e6\na/m,2e6\n", ":3: model is 'm': keep one named row for each model"),
        ("model,n_params\nm,7\n", ":2: n_params is 7"),
        ("model,n_params\nm,many\n", ":2: n_params is 'many'"),
        ("model,n_tokens\nm,-2\n", ":2: n_tokens is -2.0: give 0 or more"),
    ],
)
def test_what_a_table_of_models_cannot_say_is_refused(tmp_path, monkeypatch, capsys, out, text, said):
    models = write(tmp_path / "models.csv", text)
    path = new(tmp_path / "x")
    assert f"{models}{said}" in refused(monkeypatch, capsys, path, "--out", out, "--models", models)


def test_chance_is_known_only_where_something_tells_it():
    assert chance_of("hendrycksTest-virology", "acc_norm", None) == 0.25
    assert chance_of("mine", "acc", ["a", "b", "c"]) == pytest.approx(1 / 3)
    assert chance_of("mine", "acc", "{{choices}}") is None
    assert chance_of("arc_easy", "ppl", None) is None
    assert chance_of("arc_easy", "exact_match", None) is None  # a letter that is written, or is not


def test_a_name_that_begins_as_another_has_not_its_chance():
    assert chance_of("mmlu_pro", "exact_match", None) == 0.1
    assert chance_of("mmlu_pro_math", "exact_match", None) == 0.1
    assert chance_of("mmlu_prox_de_math", "exact_match", None) is None
    assert chance_of("mmlu_virology_x", "acc", None) is None
    assert chance_of("mmlu_virology", "acc", None) == 0.25


@given(st.integers(2, 50_000), st.data())
def test_the_number_of_items_follows_from_a_standard_error(n, data):
    right = data.draw(st.integers(1, n - 1))
    share = right / n
    assert implied_n_items(share, math.sqrt(share * (1 - share) / (n - 1))) == n


def test_scores_that_are_no_shares_imply_no_number_of_items():
    assert implied_n_items(0.5, None) is None
    assert implied_n_items(1.0, 0.0) is None
    assert implied_n_items(0.5233, 0.0101) is None
    assert implied_n_items(0.5, 1e200) is None  # whose square no float holds
    assert implied_n_items(0.5, 1e-200) is None


names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6).filter(
    lambda name: not _either_unit(name)
)


@settings(max_examples=25)
@given(st.dictionaries(names, st.dictionaries(names, st.floats(0, 1, allow_subnormal=False), min_size=1), min_size=1))
@example({"0": {"0": 0.0, "name": 0.0}})  # lm-eval also writes a "name" that is no metric
def test_every_value_arrives_as_it_was(tmp_path_factory, results):
    folder = tmp_path_factory.mktemp("results")
    written = {task: {f"{name},none": value for name, value in metrics.items()} for task, metrics in results.items()}
    better = {task: dict.fromkeys(metrics, True) for task, metrics in results.items()}
    config = {"model_args": "pretrained=me/nano-1m", "model_num_parameters": 1_500_000}
    new(folder, results=written, groups={}, higher_is_better=better, config=config)
    with pytest.MonkeyPatch.context() as patch:
        run(patch, folder, "--out", folder / "table.csv", "--metric", "all")
    read = read_points(folder / "table.csv")
    wanted = {(task, name): value for task, metrics in results.items() for name, value in metrics.items()}
    found = {(row.task, row.metric): row.value for row in read.itertuples()}
    assert found == pytest.approx(wanted, rel=1e-9)
