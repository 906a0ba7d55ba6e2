"""Files appear whole or not at all; what is malformed is refused in one line that names it."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, read_jsonl, sha256_file, write_json, write_jsonl, write_text
from tasklaws.frames.csv_files import read_table, write_table
from tasklaws.frames.user_tables import open_table

COLUMNS = ["rung", "seed", "value", "note"]
KEYS = ["rung", "seed"]
REQUIRED = ["rung", "seed", "value"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def refuse_disk(*_arguments, **_options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(path: Path) -> pd.DataFrame:
    return read_table(path, COLUMNS, KEYS, REQUIRED, ["seed", "value"])


def message(reading, path: Path) -> str:
    """The one line with which reading a bad file fails."""
    with pytest.raises(TasklawsError) as error:
        reading(path)
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_a_text_may_look_like_a_number(tmp_path):
    """As one digest of 16 hex digits in a few hundred does."""
    path = tmp_path / "table.csv"
    path.write_text("rung,seed,value,note\n1234,0,1,0a21\n0a21,0,2,\n")
    table = read_table(path, COLUMNS, KEYS, REQUIRED, ["seed", "value"])
    assert table["rung"].tolist() == ["1234", "0a21"]


@pytest.mark.parametrize("failing", ["os.fsync", "os.fdopen", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    path = tmp_path / "table.csv"
    write_text(path, "old\n")
    monkeypatch.setattr(failing, refuse_disk)
    with pytest.raises(OSError, match="No space left") as error:
        write_text(path, "new\n")
    assert error.value.filename == str(path)
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    target, link = tmp_path / "there/table.csv", tmp_path / "table.csv"
    link.symlink_to("there/table.csv")
    for text in ("old\n", "new\n"):
        write_text(link, text)
        assert target.read_text() == text
    assert link.is_symlink()
    assert list(target.parent.iterdir()) == [target]


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/null")
    for path in (pipe, tmp_path, link, Path("/dev/null"), Path("/dev/tasklaws.csv")):
        with pytest.raises(TasklawsError, match=f"^{path} is no regular file"):
            write_text(path, "new")
    assert pipe.is_fifo()
    assert Path("/dev/null").is_char_device()


def test_an_error_names_the_file_that_was_to_be_written(tmp_path):
    path = tmp_path / "n" / ("long" * 64)
    with pytest.raises(OSError, match="too long") as error:
        write_text(path, "new")
    assert error.value.filename == str(path)


def test_a_write_that_the_system_cuts_short_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old\n")
    program = (
        "import resource, sys; from pathlib import Path; from tasklaws.core import files, script\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "script.run(lambda: files.write_text(Path(sys.argv[1]), 'new' * 10000))"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_in_the_middle_of_a_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old\n")
    program = (
        "import resource, signal, sys; from pathlib import Path; from tasklaws.core import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"  # the system then kills whoever writes past the limit
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "files.write_text(Path(sys.argv[1]), 'new' * 10000)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGXFSZ
    assert path.read_text() == "old\n"


def test_an_error_while_making_the_content_leaves_the_old_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"a": 1}])
    with pytest.raises(TasklawsError, match="leave a missing value out"):
        write_jsonl(path, [{"a": 2}, {"a": math.nan}])
    with pytest.raises(TasklawsError, match="leave a missing value out"):
        write_json(path, {"a": -math.inf})
    assert read_jsonl(path) == [{"a": 1}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_is_readable_by_all_and_has_its_folders_made(tmp_path):
    path = tmp_path / "a/b/c.txt"
    write_text(path, "ä\n")
    assert path.read_bytes() == b"\xc3\xa4\n"
    assert path.stat().st_mode & 0o777 == 0o644


@given(st.lists(json_values, max_size=5))
def test_what_was_written_is_read(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    write_jsonl(folder / "rows.jsonl", rows)
    assert read_jsonl(folder / "rows.jsonl") == rows
    write_json(folder / "rows.json", rows)
    assert read_json(folder / "rows.json") == rows


def test_json_is_byte_stable(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": {"d": 0.1, "c": "ä"}})
    write_json(tmp_path / "b.json", {"a": {"c": "ä", "d": 0.1}, "b": 1})
    assert sha256_file(tmp_path / "a.json") == sha256_file(tmp_path / "b.json")


@pytest.mark.parametrize("text", ["", "{", '{"a": NaN}', '{"a": -Infinity}', "{'a': 1}", '{"a": 1} x'])
def test_malformed_json_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    assert "malformed JSON" in message(read_json, path)


@pytest.mark.parametrize(("text", "line"), [('{"a": 1}\n{"a"\n', 2), ('{"a": NaN}\n', 1), ("{}\n\n{}\n", 2)])
def test_a_malformed_line_is_named_by_its_number(tmp_path, text, line):
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    assert f"{path}:{line}: malformed JSON" in message(read_jsonl, path)


@pytest.mark.parametrize("reading", [read, read_json, read_jsonl])
def test_a_missing_or_undecodable_file_is_refused(tmp_path, reading):
    path = tmp_path / "x"
    assert "does not exist" in message(reading, path)
    path.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in message(reading, path)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "malformed table"),
        ("rung,seed,value\nn1,0,1\n", "no column 'note'"),
        ("rung,seed,value,note\nn1,0,1,\nn2,0,,\n", ":3: value is nan"),
        ("rung,seed,value,note\nn1,0,NaN,\n", ":2: value is NaN"),
        ("rung,seed,value,note\nn1,0,1,\nn2,0,nan,\n", ":3: value is nan"),
        ("rung,seed,value,note\nn1,0,1,\nn2,0,inf,\n", ":3: value is inf"),
        ("rung,seed,value,note\nn1,0,1,\nn2,0,-inf,\n", ":3: value is -inf"),
        ("rung,seed,value,note\nn1,0,1,\nn2,0,many,\n", ":3: value is many"),
        ("rung,seed,value,note\n,0,1,\n", ":2: rung is nan"),
        ("rung,seed,value,note\nn1,0,1,2\nn2,0,1,NaN\n", ":3: note is NaN"),
        ("rung,seed,value,note\nn1,0,1,\nn1,0,2,\n", "duplicate row {'rung': 'n1', 'seed': 0}"),
        ("rung,seed,value,note\nn1,0,1,,9\nn2,0,1,,9\n", "longer than the header"),
        ("rung,seed,value,note\nn1,0,1,\nn2,0,1,,9\n", "malformed table"),
        ('rung,seed,value,note\nn1,0,1,"\n', "malformed table"),
    ],
)
def test_a_bad_table_is_refused_with_its_value(tmp_path, rows, said):
    path = tmp_path / "x.csv"
    path.write_text(rows)
    assert said in message(read, path)


def test_an_empty_cell_outside_the_required_columns_is_unknown(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("rung,seed,value,note\nn1,0,1,\nn2,0,2,x\n")
    assert read(path)["note"].isna().tolist() == [True, False]


def test_a_rung_called_na_stays_a_rung(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("rung,seed,value,note\nNA,0,1,\nNone,0,2,\n")
    assert read(path)["rung"].tolist() == ["NA", "None"]


def test_a_large_table_has_one_type_a_column(tmp_path):
    """A text column that is empty for its first megabyte does not turn into numbers there."""
    path = tmp_path / "x.csv"
    rows = "".join(f"n{index},0,0.5,{'' if index < 60_000 else 'ok'}\n" for index in range(60_010))
    path.write_text("rung,seed,value,note\n" + rows)
    table = read(path)
    assert table["note"].dropna().tolist() == ["ok"] * 10


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="ascii", categories=["L", "Nd"]), min_size=1).map("r".__add__),
            st.integers(0, 99),
            st.floats(-1e9, 1e9),
        ),
        unique_by=lambda row: row[:2],
        max_size=8,
    ),
    st.randoms(),
)
def test_a_table_is_byte_stable_whatever_the_order_of_its_rows(tmp_path_factory, rows, random):
    folder = tmp_path_factory.mktemp("tables")
    table = pd.DataFrame([(*row, "a,\"b'") for row in rows], columns=COLUMNS)
    write_table(folder / "a.csv", table, KEYS)
    shuffled = table.sample(frac=1, random_state=random.randrange(2**32))
    write_table(folder / "b.csv", shuffled, KEYS)
    assert sha256_file(folder / "a.csv") == sha256_file(folder / "b.csv")
    values = dict(zip(zip(table["rung"], table["seed"], strict=True), table["value"], strict=True))
    for row in read(folder / "a.csv").itertuples() if rows else ():
        assert row.value == pytest.approx(values[row.rung, row.seed], rel=1e-9)


def test_duplicate_keys_are_never_written(tmp_path):
    table = pd.DataFrame([("n1", 0, 1.0, "x"), ("n1", 0, 2.0, "y")], columns=COLUMNS)
    with pytest.raises(TasklawsError, match="duplicate row"):
        write_table(tmp_path / "x.csv", table, KEYS)
    assert list(tmp_path.iterdir()) == []


def test_the_hash_is_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert sha256_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_number_keeps_ten_digits(tmp_path):
    table = pd.DataFrame([("n1", 0, 1 / 3, None)], columns=COLUMNS)
    write_table(tmp_path / "x.csv", table, KEYS)
    assert (tmp_path / "x.csv").read_text() == "rung,seed,value,note\nn1,0,0.3333333333,\n"
    assert json.loads("0.3333333333") == pytest.approx(1 / 3, rel=1e-9)


def test_text_that_looks_like_a_number_is_text(tmp_path):
    """A response is a hash in hex, and some of thousands have no letter but an e."""
    path = tmp_path / "scores.csv"
    path.write_text("rung,response,value\na,1234e56789012345,1\nb,f88f94be3bdf9921,2\n")
    table = read_table(path, ["rung", "response", "value"], ["rung"], ["rung", "response", "value"], ["value"])
    assert table["response"].tolist() == ["1234e56789012345", "f88f94be3bdf9921"]


def test_a_table_read_in_parts_is_the_table_read_whole(tmp_path, monkeypatch):
    rows = ["1,a,,1,x,True,7", "2,,,2.5,1,,8", "3,b,note,3,2,False,9", "4,c,,,3,True,99999999999999999999"]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["number,text,rare,mixed,other,truth,large", *rows]) + "\n")
    whole = open_table(path).frame(["text"])
    monkeypatch.setattr("tasklaws.frames.user_tables.ROWS_AT_ONCE", 1)
    pd.testing.assert_frame_equal(open_table(path).frame(["text"]), whole)
    path.write_text(path.read_text() + "5,,,,,,,\n")
    assert ":6: 8 cells under a header of 7" in message(open_table, path)
