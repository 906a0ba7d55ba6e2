"""What comes from outside ends in an answer or in one line: numbers without measure, files without end, slips."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasklaws import cli
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, read_jsonl, read_text
from tasklaws.core.settings import load
from tasklaws.frames.user_tables import MAX_CELL, MOST_IN_A_ROW
from tasklaws.tabular.points import read_points

Row = dict[str, Any]
Run = Callable[..., str]


def results() -> list[Row]:
    return [
        {"ladder": "L", "model": f"m{place}", "n_params": 10 ** (7 + place), "task": task, "metric": "acc"}
        | {"value": 0.3 + 0.08 * place, "n_items": 1000, "chance": 0.25}
        for place in range(6)
        for task in ("quiz", "riddle")
    ]


def scores() -> list[Row]:
    return [
        {"model": f"m{place}", "n_params": 10 ** (6 + place), "task": f"t{task}", "score": int(task % 8 <= place)}
        for place in range(8)
        for task in range(16)
    ]


def losses() -> list[Row]:
    return [
        {"N": n, "D": d, "loss": 1.7 + 400 / n**0.34 + 410 / d**0.28}
        for n in (1e7, 1e8, 1e9)
        for d in (1e9, 1e10, 1e11)
    ]


def written(path: Path, rows: list[Row]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        pd.DataFrame(rows).to_csv(path, index=False)
    return path


def with_cell(rows: list[Row], column: str, cell: Any) -> list[Row]:
    """The rows, the fourth of which has this cell."""
    return [row | {column: cell} if place == 3 else row for place, row in enumerate(rows)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """A command's line of refusal; one that succeeds, and a traceback, fail the test."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> str:
        monkeypatch.setattr("sys.argv", ["tasklaws", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code not in (None, 0)
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("error: ")
        assert len(line) <= 500
        return line

    return call


@pytest.mark.parametrize(
    ("make", "column", "words"),
    [
        (losses, "loss", ["fit", "--law", "chinchilla"]),
        (losses, "loss", ["isoflop"]),
        (losses, "N", ["fit", "--law", "chinchilla"]),
        (losses, "D", ["fit", "--law", "chinchilla"]),
        (results, "value", ["import"]),
        (scores, "score", ["compare", "--models", "m0,m1"]),
        (scores, "score", ["difficulty", "--last", "2"]),
    ],
)
@pytest.mark.parametrize("cell", ["1e308", "9" * 309, "-1e308"])
def test_a_number_that_overflows_is_refused_where_it_stands(
    make: Callable[[], list[Row]], column: str, words: list[str], cell: str, run: Run, tmp_path: Path
) -> None:
    table = written(tmp_path / "t.csv", with_cell(make(), column, cell))
    assert run(words[0], table, *words[1:]).startswith(f"error: {table}:5: ")


@pytest.mark.parametrize("law", [["--flops"], ["--loss"]])
@pytest.mark.parametrize("number", ["1e-308", "nan", "inf", "-1", "0"])
def test_a_plan_at_the_ends_of_the_numbers_is_refused(law: list[str], number: str, run: Run) -> None:
    run("plan", "--params", 1.82, 482, 2085, 0.348, 0.366, *law, number)


@pytest.mark.parametrize("command", [["backtest", "--rolling", "1"], ["forecast", "--at", "n_params=1e15"], ["import"]])
def test_a_row_with_nothing_but_a_ladder_is_refused(command: list[str], run: Run, tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", [*results(), {"ladder": "L"}])
    assert run(command[0], table, *command[1:]).startswith(f"error: {table}:14: ")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000])
@pytest.mark.parametrize("read", [read_json, read_jsonl])
def test_json_that_python_cannot_read_is_refused(text: str, read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(TasklawsError, match="malformed JSON"):
        read(path)


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--fit", "nested.json", "--flops", "1e21"],
        ["import", "nested.json"],
        ["backtest", "nested.jsonl", "--rolling", "1"],
        ["compare", "nested.jsonl"],
        ["humans", "nested.jsonl"],
    ],
)
def test_json_nested_deep_is_refused(words: list[str], run: Run, tmp_path: Path) -> None:
    for name in ("nested.json", "nested.jsonl"):
        (tmp_path / name).write_text("[" * 100_000)
    run(*words)


def test_a_device_that_does_not_end_is_refused(run: Run, tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", results())
    for words in (
        ["plan", "--fit", "/dev/zero", "--flops", "1e21"],
        ["backtest", "/dev/zero", "--rolling", "1"],
        ["forecast", table, "--at", "n_params=1e15", "--given", "/dev/zero"],
        ["import", table, "--models", "/dev/zero"],
        ["humans", "/dev/zero"],
        ["compare", "/dev/zero"],
    ):
        assert "/dev/zero" in run(*words)
    with pytest.raises(TasklawsError, match="is a device"):
        read_text(Path("/dev/zero"))


def test_a_program_that_does_not_end_is_an_outcome(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wasmtime")
    monkeypatch.setattr("sys.argv", ["tasklaws", "sandbox", "/dev/zero"])
    cli.main()
    assert "bytes, more than 1048576" in capsys.readouterr().out


@pytest.mark.parametrize("form", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("spread", [False, True], ids=["in each row", "over the rows"])
def test_too_many_columns_are_refused(form: str, spread: bool, tmp_path: Path) -> None:
    count = MOST_IN_A_ROW // 2
    rows = [row | {f"c{place * spread}_{name}": 1 for name in range(count)} for place, row in enumerate(results()[:3])]
    if not spread:
        rows = [row | {f"d{name}": 1 for name in range(count)} for row in rows]
    with pytest.raises(TasklawsError, match=f"columns: give at most {MOST_IN_A_ROW}"):
        read_points(written(tmp_path / f"t{form}", rows))


@pytest.mark.parametrize("form", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("column", ["task", "note"])
def test_an_endless_cell_is_refused_and_not_quoted(form: str, column: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"t{form}", with_cell(results(), column, "x" * (MAX_CELL + 1)))
    with pytest.raises(TasklawsError) as caught:
        read_points(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("count", ["100001", "9" * 30, "9" * 400])
def test_replicates_have_a_bound(count: str, run: Run, tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", losses())
    for words in (["fit", table, "--law", "chinchilla"], ["isoflop", table]):
        assert "give at most 100000" in run(*words, "--replicates", count)


@pytest.mark.parametrize("column", ["chance", "n_items"])
@pytest.mark.parametrize("command", [["backtest", "--rolling", "1"], ["import"], ["fit", "--law", "logistic"]])
def test_a_misspelt_optional_column_is_refused(column: str, command: list[str], run: Run, tmp_path: Path) -> None:
    slips = (column[:-1], column + "s", column[:2] + column[3:], column.replace("a", "e").replace("tem", "tme"))
    for slip in slips:
        rows = [{slip if name == column else name: cell for name, cell in row.items()} for row in results()]
        table = written(tmp_path / "t.csv", rows)
        assert f"is close to '{column}'" in run(command[0], table, *command[1:])


@pytest.mark.parametrize("command", [["difficulty", "--last", "2"], ["compare", "--models", "m0,m1"], ["orders"]])
@pytest.mark.parametrize("truth", [True, "true", "FALSE"])
def test_a_truth_among_numbers_is_refused(command: list[str], truth: Any, run: Run, tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", with_cell(scores(), "score", truth))
    assert "other cells are numbers" in run(command[0], table, *command[1:])


def test_a_model_of_two_sizes_is_refused_also_by_import(run: Run, tmp_path: Path) -> None:
    table = written(tmp_path / "t.csv", with_cell(results(), "n_params", 5e9))
    for words in (["import", table], ["backtest", table, "--rolling", "1"], ["decide", table]):
        assert "n_params of model 'm1'" in run(*words)


def test_no_remedy_takes_away_the_settings(tmp_path: Path) -> None:
    """Nor runs the pipeline, which needs them."""
    path = tmp_path / "params.yaml"
    for content in (None, b"\xff", b"[" * 100_000, b"seed: " + b"9" * 5000):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(TasklawsError) as caught:
            load(path)
        assert str(caught.value).endswith(": run `tasklaws compose`")


def test_a_pipe_is_read(tmp_path: Path) -> None:
    """Shells hand over what `<(command)` prints so."""
    reader, writer = os.pipe()
    os.write(writer, b"text")
    os.close(writer)
    assert read_text(Path(f"/dev/fd/{reader}")) == "text"
    os.close(reader)
