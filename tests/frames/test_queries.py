"""Queries: pandas' answers on what the grammar holds, and a line for anything else; nothing runs as code."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.queries import LONGEST_QUERY, matching

TABLE = pd.DataFrame(
    {
        "n_params": [1e6, 1e7, np.nan, 1e9],
        "step": [0, 1000, 2000, 2000],
        "organisation": ["us", None, "them", "us"],
        "is_final": [True, False, True, True],
        "checked": [True, None, False, True],
        "date": ["2023-01-01", "2024-05-01", "2024-05-02", None],
        "params (B)": [1, 2, 3, 4],
        "class": [1, 2, 2, 1],
        "µ": [1.5, 2.5, 3.5, 4.5],
        "größe": [1.5, 2.5, 3.5, 4.5],
        "empty": [np.nan] * 4,
    }
)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("n_params < 1e9", [0, 1]),
        ("n_params != 1e9", [0, 1, 2]),
        ("1e6 < n_params <= 1e9", [1, 3]),
        ("organisation == 'us'", [0, 3]),
        ("organisation != 'us'", [1, 2]),
        ("organisation in ['us', 'them']", [0, 2, 3]),
        ("organisation not in ('us',)", [1, 2]),
        ("organisation == ['us', None]", [0, 3]),
        ("organisation == organisation", [0, 2, 3]),
        ("is_final", [0, 2, 3]),
        ("not is_final", [1]),
        ("checked", [0, 3]),
        ("~checked", [1, 2]),
        ("checked == False", [2]),
        ("step > 0 & is_final | organisation == 'us'", [0, 2, 3]),
        ("step > 0 and (is_final or not is_final) and True", [1, 2, 3]),
        ("step % 1000 == 0 and step / 1000 - 1 > 0", [2, 3]),
        ("-step ** 2 // 2 < -1e6", [2, 3]),
        ("date >= '2024-05-01'", [1, 2]),
        ("`params (B)` > 2 and `class` == 1", [3]),
        ("µ > 2 and `µ` < 4", [1, 2]),
        ("empty != 3 and empty != 'x'", [0, 1, 2, 3]),
        ("10 ** 10 ** 10 > step", [0, 1, 2, 3]),
        (" (step\n> 1000) ", [2, 3]),
        ("organisation == 'us' and organisation != 'a | `b` & c = d @ (e)'", [0, 3]),
    ],
)
def test_a_query_finds_its_rows(query: str, rows: list[int]) -> None:
    assert np.flatnonzero(matching(TABLE, query, "fit")).tolist() == rows


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("@x > 1", "character 1: invalid syntax"),
        ("open('x') == 1", "character 1: a call is not part"),
        ("step.real > 1", "character 1: a dot behind a name"),
        ("step > 1 and step.__class__ == 1", "character 14: a dot behind a name"),
        ("step[0] > 1", "a part in brackets"),
        ("[x for x in step] == 1", "ListComp is not part"),
        ("(lambda: 1) == 1", "Lambda is not part"),
        ("(x := 1) > 0", "write a comparison, with =="),
        ("step = 1", "character 6: write a comparison, with =="),
        ("step > 1; import os", "invalid syntax"),
        ("step is None", "write == or !="),
        ("f'{step}' == organisation", "formatted text"),
        ("step > 1j", "complex is not part"),
        ("b'a' == organisation", "bytes is not part"),
        ("step ^ 1 == 0", "this operator"),
        ("'a' * 10 ** 9 == organisation", "character 1: this is text: arithmetic takes numbers"),
        ("organisation + 'a' == 'usa'", "arithmetic takes numbers"),
        ("organisation == 3", "text is compared with a number"),
        ("organisation in ['us', 3]", "text is compared with a number"),
        ("organisation in 'us'", "`in` takes a list"),
        ("step in [[1]]", "a list holds constants alone"),
        ("step in [step]", "a list holds constants alone"),
        ("step < [1]", "a number is compared with a list"),
        ("'é' == organisation and nowhere > 1", "character 25: there is no column 'nowhere'"),
        ("`nowhere` > 1", "character 1: there is no column 'nowhere'"),
        ("step > 1 and `params (B)", "character 14: a backtick that nothing closes"),
        ("step.isin([0, 1])", "character 1: write step in [1, 2] for .isin()"),
        ("`params (B)`.between(0, 1)", "write 1 <= `params (B)` <= 2 for .between()"),
        ("n_params.isna()", "write not (n_params == n_params) for .isna()"),
        ("step > 1 && is_final", "character 10: write and for &&"),
        ("step > 1 || is_final", "write or for ||"),
        ("step > 1 AND is_final", "write and for AND"),
        ("!is_final", "character 1: write not for !"),
        ("n_params ≤ 1e6", "character 10: write <= for ≤"),
        ("n_params <= 100k", "character 13: write 100e3 for 100k"),
        ("n_params < 1.5B and step > 1", "write 1.5e9 for 1.5B"),
        ("step <> 1", "write != for <>"),
        ("is_final == true", "write True for true"),
        ("organisation == “us”", 'write " for “'),
        ("organisation == null", "write x == x, which is false where x is missing for null"),
        ("step", "this is a number: write a comparison"),
        ("step and is_final", "`and`, `or` and `not` join comparisons"),
        ("", "invalid syntax"),
        ("step > '\ud800'", "codec can't encode"),
        ("step > 1\0", "null bytes"),
        ("9" * 400 + " > step", "too many digits"),
        ("9" * 5000 + " > step", "Exceeds the limit"),
        ("(" * 300 + "step" + ")" * 300, "nested parentheses"),
        ("-" * 9000 + "step > 1", "nested too deeply"),
        ("step + " * 1400 + "1 > 1", "nested too deeply"),
        ("step > 1 or " * 1000 + "step > 1", f"write at most {LONGEST_QUERY}"),
        ("1 < 2", "says neither yes nor no of a row"),
        ("step < 0", "matches no row: the table has 4"),
    ],
    ids=lambda text: ascii(text[:40]),
)
def test_what_is_no_query_is_refused_in_a_line_with_its_place(query: str, reason: str) -> None:
    with pytest.raises(TasklawsError) as caught:
        matching(TABLE, query, "fit")
    assert reason in str(caught.value)
    assert str(caught.value).startswith("fit '" if "'" not in query else "fit ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_no_query_runs_code(tmp_path: Path) -> None:
    """Nor is a large thing made."""
    secret = tmp_path / "written"
    hostile = [
        f"@pd.io.common.os.system('touch {secret}')",
        f"__import__('pathlib').Path({str(secret)!r}).touch() or step > 1",
        "().__class__.__bases__[0].__subclasses__()",
        f"step.to_csv({str(secret)!r}) == 1",
        f"open({str(secret)!r}, 'w') == step",
        "'a' * 10 ** 10 == organisation",
        "[0] * 10 ** 10 == step",
        "step << 10 ** 10 > 1",
    ]
    for query in hostile:
        with pytest.raises(TasklawsError, match="is no query"):
            matching(TABLE, query, "holdout")
    assert not secret.exists()


NUMBERS = st.sampled_from(["n_params", "step", "`params (B)`", "größe", "1000", "2.5", "-3", "1e7", "0"])
TERMS = st.recursive(
    NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "/"]), inner).map(
        lambda each: f"({' '.join(each)})"
    ),
    max_leaves=3,
)
COMPARED = st.one_of(
    st.tuples(TERMS, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), TERMS).map(" ".join),
    st.tuples(NUMBERS, st.sampled_from(["<", "<="]), TERMS, st.sampled_from(["<", ">="]), NUMBERS).map(" ".join),
    st.tuples(
        st.sampled_from(["organisation", "date"]),
        st.sampled_from(["==", "!=", "<", ">="]),
        st.sampled_from(["'us'", "'2024-05-01'", "organisation"]),
    ).map(" ".join),
    st.tuples(
        st.sampled_from(["organisation in", "organisation not in", "organisation ==", "organisation !="]),
        st.sampled_from(["['us']", "('us', 'them')", "['nobody']"]),
    ).map(" ".join),
    st.tuples(st.sampled_from(["step in", "größe not in"]), st.sampled_from(["[0, 2000]", "(2.5, 1)"])).map(" ".join),
    st.sampled_from(["is_final", "is_final == True", "is_final != False"]),
)
QUERIES = st.recursive(
    COMPARED,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda each: f"({' '.join(each)})"),
        st.tuples(inner, st.sampled_from(["&", "|"]), inner).map(" ".join),
        st.sampled_from(["not ({})", "~({})"]).flatmap(lambda form: inner.map(form.format)),
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(QUERIES)
def test_pandas_gives_the_same_answer(query: str) -> None:
    expected: Any = TABLE.eval(query)
    if not isinstance(expected, pd.Series):  # a query without columns
        return
    if not expected.any():
        with pytest.raises(TasklawsError, match="matches no row"):
            matching(TABLE, query, "fit")
    else:
        assert matching(TABLE, query, "fit").tolist() == expected.tolist()
