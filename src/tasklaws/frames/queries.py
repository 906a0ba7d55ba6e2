"""Queries over the columns of a table: a small grammar, of which nothing runs as code.

A query is an expression of Python's, as pandas writes them: column names (any name in backticks), numbers, text in
quotes, True, False, None, lists and tuples of these, parentheses, `== != < <= > >=` (chained too), `in`, `not in`,
`and`, `or`, `not` (or `& | ~`), and `+ - * / // % **` of numbers, in double precision. A missing cell equals nothing
and lies neither above nor below anything: comparisons with it are false, `!=` and `not in` true, and so is its `not`.
"""

import ast
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.shown import LONGEST_SHOWN, quoted, some

LONGEST_QUERY = 10_000  # characters
_PIECES = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`|&&|\|\||===|<>|=[<>]|[=!<>]=|"""
    r"""(?<![\w.])[0-9]+(?:\.[0-9]*)?[kKmMbBgGtT](?!\w)|\b(?:AND|OR|NOT|IN|true|false|null|NULL|nan|NaN)\b|.""",
    re.DOTALL,
)
# What other languages say, and what says it here.
_HINTS = {
    **{"&&": "and", "||": "or", "===": "==", "<>": "!=", "=<": "<=", "=>": ">=", "≤": "<=", "≥": ">=", "≠": "!="},
    **{"AND": "and", "OR": "or", "NOT": "not", "IN": "in", "!": "not", "true": "True", "false": "False"},
    **dict.fromkeys(("null", "NULL", "nan", "NaN"), "x == x, which is false where x is missing"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’", "'"),
}
_UNITS = {"k": 3, "m": 6, "b": 9, "g": 9, "t": 12}  # the powers of ten that people mean
# Methods of pandas, and what says it here of a column.
_METHODS = {
    "isin": "{0} in [1, 2]",
    "between": "1 <= {0} <= 2",
    **dict.fromkeys(("isna", "isnull"), "not ({0} == {0})"),
    **dict.fromkeys(("notna", "notnull"), "{0} == {0}"),
}
_WORDS = {"&": " and ", "|": " or "}  # which bind less than comparisons, as pandas has it
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def matching(table: pd.DataFrame, query: str, name: str) -> pd.Series:
    """The rows that a query over the columns matches; one that is no query, or matches none, raises TasklawsError."""
    asked = f"{name} {quoted(query)}"
    try:
        with np.errstate(all="ignore"):
            found = _Reader(table, query).read()
    except _NoQueryError as error:
        raise TasklawsError(f"{asked} is no query over {some(table.columns, 12, _cut)}: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise TasklawsError(f"{asked} is no query: it is nested too deeply") from error
    if not isinstance(found, pd.Series):
        raise TasklawsError(f"{asked} says neither yes nor no of a row: write a comparison")
    if not found.any():
        raise TasklawsError(f"{asked} matches no row: the table has {len(table)}")
    return found


def _cut(name: object) -> str:
    return str(name)[:LONGEST_SHOWN]


class _NoQueryError(Exception):
    """What a query may not hold, and at which character."""


@dataclass(frozen=True, eq=False)
class _Value:
    """A column, or a constant: its kind (number, text, truth, list, missing) and its cells.

    Truths with missing ones among them are the numbers 1, 0 and NaN.
    """

    kind: str
    cells: Any

    @property
    def is_column(self) -> bool:
        return isinstance(self.cells, pd.Series)

    def truths(self) -> Any:
        """Yes or no for each cell, no where it is missing."""
        return self.cells == 1 if self.is_column else bool(self.cells)

    def negated(self) -> Any:
        """Yes where `truths` says no."""
        return ~self.truths() if self.is_column else not self.truths()

    def numbers(self) -> Any:
        """The cells in double precision."""
        return self.cells.astype("float64") if self.is_column else np.float64(self.cells)


class _Reader:
    """Evaluates one query on one table."""

    def __init__(self, table: pd.DataFrame, query: str) -> None:
        self.table, self.query = table, query
        self.quoted: dict[str, str] = {}  # the columns in backticks by the names that stand for them
        self.origins: list[int] = []  # the place in the query of each character of `text`
        self.text = self._plain()

    def read(self) -> Any:
        """Yes or no for each row; of a query without columns, for all."""
        try:
            with warnings.catch_warnings(action="ignore"):  # that text has an odd escape
                tree = ast.parse(self.text, mode="eval")
        except SyntaxError as error:
            raise self._error(error.msg.partition(";")[0], (error.offset or 1) - 1) from error
        except ValueError as error:  # half a surrogate pair
            raise _NoQueryError(str(error).partition(":")[0]) from error
        found = self._value(tree.body)
        if found.kind != "truth":
            raise self._wrong(tree.body, f"this is {_a(found)}: write a comparison")
        return found.truths()

    def _plain(self) -> str:
        """The query as Python's parser takes it: names for backticks, words for & and |."""
        if len(self.query) > LONGEST_QUERY:
            raise _NoQueryError(f"it has {len(self.query)} characters: write at most {LONGEST_QUERY}")
        parts = []
        start = len(self.query) - len(self.query.lstrip())
        for piece in _PIECES.finditer(self.query, start):
            text = _WORDS.get(piece[0], piece[0])
            if (hint := self._hint(piece[0])) is not None:
                raise _NoQueryError(f"character {piece.start() + 1}: write {hint} for {piece[0]}")
            if piece[0].startswith("`"):
                if len(piece[0]) < 3:
                    raise _NoQueryError(f"character {piece.start() + 1}: a backtick that nothing closes")
                text = f"_quoted{len(self.quoted)}_"
                while text in self.query or text in self.table:
                    text += "_"
                self.quoted[text] = piece[0][1:-1]
            if text == "=":
                raise _NoQueryError(f"character {piece.start() + 1}: write a comparison, with ==")
            same = text == piece[0]
            self.origins += [piece.start() + (place if same else 0) for place in range(len(text))]
            parts.append(text)
        return "".join(parts)

    def _hint(self, piece: str) -> str | None:
        """How to write what is none of the grammar, of signs and numbers; a column of that name is itself."""
        if piece in self.table:
            return None
        if piece[0].isdigit() and len(piece) > 1:
            return f"{piece[:-1]}e{_UNITS[piece[-1].lower()]}"
        return _HINTS.get(piece)

    def _error(self, reason: str, place: int) -> _NoQueryError:
        at = self.origins[place] if place < len(self.origins) else len(self.query)
        return _NoQueryError(f"character {at + 1}: {reason}")

    def _wrong(self, node: ast.expr, reason: str) -> _NoQueryError:
        line = self.text.split("\n")[node.lineno - 1]
        before = sum(len(each) + 1 for each in self.text.split("\n")[: node.lineno - 1])
        return self._error(reason, before + len(line.encode()[: node.col_offset].decode()))

    def _value(self, node: ast.expr) -> _Value:
        match node:
            case ast.Name(id=name):
                return self._column(node, self.quoted.get(name, name))
            case ast.Constant(value=constant):
                return self._constant(node, constant)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return _Value("list", [self._element(each) for each in elements])
            case ast.BoolOp(op=op, values=operands):
                join = operator.and_ if isinstance(op, ast.And) else operator.or_
                found = self._truths(operands[0])
                for each in operands[1:]:
                    found = join(found, self._truths(each))
                return _Value("truth", found)
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
                return _Value("truth", _Value("truth", self._truths(operand)).negated())
            case ast.UnaryOp(op=op, operand=operand):
                number = self._numbers(operand)
                return _Value("number", -number if isinstance(op, ast.USub) else number)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
                return _Value("number", _ARITHMETIC[type(op)](self._numbers(left), self._numbers(right)))
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=column), attr=name)) if name in _METHODS:
                column = f"`{self.quoted[column]}`" if column in self.quoted else column
                raise self._wrong(node, f"write {_METHODS[name].format(column)} for .{name}()")
        raise self._wrong(node, f"{_NAMES.get(type(node), type(node).__name__)} is not part of the grammar")

    def _column(self, node: ast.expr, name: str) -> _Value:
        if name not in self.table:  # Python's parser has names in one of their normal forms
            alike = [each for each in self.table if unicodedata.normalize("NFKC", str(each)) == name]
            if len(alike) != 1:
                raise self._wrong(node, f"there is no column {quoted(name)}: text stands in quotes")
            name = str(alike[0])
        return _column(self.table[name])

    def _constant(self, node: ast.expr, constant: object) -> _Value:
        if constant is None:
            return _Value("missing", np.nan)
        if isinstance(constant, bool):
            return _Value("truth", constant)
        if isinstance(constant, str):
            return _Value("text", constant)
        if isinstance(constant, int) and constant.bit_length() > 1023:
            raise self._wrong(node, "a number of too many digits")
        if isinstance(constant, int | float):
            return _Value("number", constant)
        raise self._wrong(node, f"{type(constant).__name__} is not part of the grammar")

    def _element(self, node: ast.expr) -> _Value:
        found = self._value(node)
        if found.kind == "list" or found.is_column:
            raise self._wrong(node, "a list holds constants alone")
        return found

    def _truths(self, node: ast.expr) -> Any:
        found = self._value(node)
        if found.kind != "truth":
            raise self._wrong(node, f"this is {_a(found)}: `and`, `or` and `not` join comparisons")
        return found.truths()

    def _numbers(self, node: ast.expr) -> Any:
        found = self._value(node)
        if found.kind not in ("number", "truth"):
            raise self._wrong(node, f"this is {_a(found)}: arithmetic takes numbers")
        return found.numbers()

    def _comparison(self, node: ast.Compare) -> _Value:
        found: Any = True
        left = self._value(node.left)
        for op, each in zip(node.ops, node.comparators, strict=True):
            right = self._value(each)
            found = found & self._compared(each, left, op, right)
            left = right
        return _Value("truth", found)

    def _compared(self, node: ast.expr, left: _Value, op: ast.cmpop, right: _Value) -> Any:
        listed = isinstance(op, ast.In | ast.NotIn)
        if right.kind == "list" and (listed or isinstance(op, ast.Eq | ast.NotEq)):
            for each in right.cells:
                self._refuse_other_kind(node, left, each)
            constants = [each.cells for each in right.cells if each.kind != "missing"]
            found = _Value("truth", left.cells.isin(constants) if left.is_column else left.cells in constants)
            return found.negated() if isinstance(op, ast.NotIn | ast.NotEq) else found.truths()
        if listed:
            raise self._wrong(node, "`in` takes a list, such as ['a', 'b']")
        if type(op) not in _COMPARISONS:
            raise self._wrong(node, "write == or != to compare")
        self._refuse_other_kind(node, left, right)
        if "missing" in (left.kind, right.kind):  # whatever the other is
            never = isinstance(op, ast.NotEq)
            cells = next((each.cells for each in (left, right) if each.is_column), None)
            return never if cells is None else pd.Series(never, cells.index)
        return _COMPARISONS[type(op)](left.cells, right.cells)

    def _refuse_other_kind(self, node: ast.expr, left: _Value, right: _Value) -> None:
        kinds = {"number" if value.kind == "truth" else value.kind for value in (left, right)} - {"missing"}
        if len(kinds) > 1 or "list" in kinds:
            raise self._wrong(node, f"{_a(left)} is compared with {_a(right)}")


_NAMES: dict[type[ast.AST], str] = {
    ast.Call: "a call",
    ast.Attribute: "a dot behind a name",
    ast.Subscript: "a part in brackets",
    ast.BinOp: "this operator",
    ast.IfExp: "if",
    ast.JoinedStr: "formatted text",
}


def _a(value: _Value) -> str:
    return {"text": "text", "missing": "nothing"}.get(value.kind, f"a {value.kind}")


def _column(cells: pd.Series) -> _Value:
    """A column with its kind, as its known cells show it."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = cells.astype(cells.cat.categories.dtype)
    if not cells.notna().any():
        return _Value("missing", cells)
    kind = cells.dtype.kind
    if kind == "b" and cells.dtype == bool:
        return _Value("truth", cells)
    if kind in "iuf" and isinstance(cells.dtype, np.dtype):
        return _Value("number", cells)
    known = cells[cells.notna()]
    if kind in "biuf":  # pandas' own types, which can be missing
        return _Value("truth" if kind == "b" else "number", cells.astype("float64"))
    if isinstance(cells.dtype, pd.StringDtype):
        return _Value("text", cells)
    if known.map(lambda cell: isinstance(cell, bool)).all():
        return _Value("truth", cells.astype("float64"))
    if known.map(lambda cell: isinstance(cell, int | float)).all():
        return _Value("number", cells.astype("float64"))
    return _Value("text", cells.astype("str").where(cells.notna()))
