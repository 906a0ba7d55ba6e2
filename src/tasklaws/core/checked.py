"""Plain data, as JSON and YAML give it, turned into what a dataclass says: one check for every file and setting."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from tasklaws.core.errors import TasklawsError

if TYPE_CHECKING:  # a third of a second to import, which a command that reads nothing need not wait for
    from pydantic_core import ErrorDetails, SchemaValidator

Kind = TypeVar("Kind")
LIST = "a list"
MAPPING = "a mapping of names to values"
SCALARS = {"int": "a whole number", "float": "a finite number", "str": "text", "bool": "true or false"}
WANTED = {"finite_number": SCALARS["float"], "string_type": SCALARS["str"], "tuple_type": LIST, "list_type": LIST}
WANTED |= {"dict_type": MAPPING, "dataclass_type": MAPPING, "string_unicode": "text of whole characters"}


@dataclass(frozen=True)
class Rule:
    """What a value must be besides its type: `Annotated[int, Rule("1 or more", lambda value: value >= 1)]`."""

    words: str
    holds: Callable[[Any], bool]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        return {
            "type": "function-after",
            "function": {"type": "no-info", "function": self._check},
            "schema": handler(source),
        }

    def _check(self, value: Any) -> Any:
        if not self.holds(value):
            raise ValueError(self.words)
        return value


def at_least(low: int) -> Rule:
    return Rule(f"{low} or more", lambda value: value >= low)


Natural = Annotated[int, at_least(0)]
Count = Annotated[int, at_least(1)]
Positive = Annotated[float, Rule("more than 0", lambda value: value > 0)]
NotNegative = Annotated[float, at_least(0)]
Share = Annotated[float, Rule("0 to 1", lambda value: 0 <= value <= 1)]
InnerShare = Annotated[float, Rule("between 0 and 1", lambda value: 0 < value < 1)]
NOT_EMPTY = Rule("one or more", bool)
DISTINCT = Rule("each once", lambda values: len(set(values)) == len(values))


def read(kind: type[Kind], value: Any, where: str, remedy: str) -> Kind:
    """`value` as a `kind`: a dataclass from a mapping of its fields, a tuple from a list, a scalar as it stands.

    A key that is missing, null or unknown, another type (true is no number, 1.0 no whole one), a number that is not
    finite and a broken Rule raise TasklawsError: one line with `where`, the value's name below it and `remedy`. A
    dataclass may refuse more by a TasklawsError in its __post_init__.
    """
    from pydantic import ValidationError

    try:
        return _validator(kind).validate_python(value)  # type: ignore[no-any-return, arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise TasklawsError(f"{where}: {_said(first, value)}: {remedy}") from error


class _Keys(ValueError):
    """What is wrong with a mapping's keys."""


class _Refused(ValueError):
    """What a dataclass's __post_init__ says."""


@cache
def _validator(kind: Any) -> "SchemaValidator":
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    return SchemaValidator(_strict(TypeAdapter(kind).core_schema))


def _strict(schema: Any) -> Any:
    """The schema with scalars taken as they stand, and dataclasses that name the first bad key and what they refuse.

    pydantic's own strictness would also refuse a list for a tuple and a mapping for a dataclass.
    """
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _strict(one) for key, one in schema.items()}
    if found.get("type") in list(SCALARS):
        found["strict"] = True
    if found.get("type") == "float":
        found["allow_inf_nan"] = False
    if found.get("type") != "dataclass":
        return found
    # A dict, in the order of the fields: it is asked for each row.
    names = dict.fromkeys(field["name"] for field in found["schema"]["fields"])

    def check(row: Any, build: Callable[[Any], Any]) -> Any:
        if isinstance(row, Mapping):
            for key, value in row.items():
                if key not in names:
                    raise _Keys(f"has an unknown key {key!r}, beside {', '.join(names)}")
                if value is None:
                    raise _Keys(f"has no {key}")
        try:
            return build(row)
        except TasklawsError as error:
            raise _Refused(str(error)) from error

    # A class that stands in several places is defined once, under the name `ref` of its outermost schema.
    named = {"ref": found.pop("ref")} if "ref" in found else {}
    return {"type": "function-wrap", "function": {"type": "no-info", "function": check}, "schema": found, **named}


def _said(error: "ErrorDetails", value: Any) -> str:
    """What is wrong with `value`, in plain words."""
    name, above, place = "", "", list(error["loc"])
    last = place.pop() if error["type"] == "missing" else None
    for step in place:
        if step == "[key]":
            name = f"a key of {above}"
        elif isinstance(value, list | tuple) and isinstance(step, int):
            name, value = f"{name}[{step}]", value[step]
        elif isinstance(value, Mapping) and step in value:
            name, above, value = f"{name}.{step}" if name else str(step), name, value[step]
        # else the kind of a source, or one of several types, whose name pydantic puts here
    about: Mapping[str, Any] = error.get("ctx", {})
    cause = about.get("error")
    if error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        last = _bare(about["discriminator"])
        if last in value:
            return f"{name}.{last} is {value[last]!r:.80}, not one of {_bare(about['expected_tags'])}"
    if last is not None:
        return f"{name or 'it'} has no {last}"
    if isinstance(cause, _Keys):
        return f"{name or 'it'} {cause}"
    if isinstance(cause, _Refused):
        return f"{name}: {cause}" if name else str(cause)
    return f"{name or 'it'} is {error['input']!r:.80}, not {_wanted(error['type'], about)}"


def _wanted(kind: str, about: Mapping[str, Any]) -> str:
    if kind == "value_error":  # of a Rule
        return str(about["error"])
    if kind == "literal_error":
        return f"one of {_bare(about['expected'])}"
    return WANTED.get(kind) or SCALARS[kind.partition("_")[0]]


def _bare(names: str) -> str:
    """Names as pydantic lists them, without quotes: `'a', 'b' or 'c'` -> `a, b, c`."""
    return names.replace("'", "").replace(" or ", ", ")
