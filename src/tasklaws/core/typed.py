"""Plain data, as JSON and YAML give it, turned into what a dataclass says: one check for every file and setting."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tasklaws.core.errors import TasklawsError

T = TypeVar("T")
SCALARS = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Rule:
    """What a value must be besides its type: `Annotated[int, Rule("1 or more", lambda value: value >= 1)]`."""

    words: str
    holds: Callable[[Any], bool]


def at_least(low: int) -> Rule:
    return Rule(f"{low} or more", lambda value: value >= low)


Natural = Annotated[int, at_least(0)]
Count = Annotated[int, at_least(1)]
Positive = Annotated[float, Rule("more than 0", lambda value: value > 0)]
Share = Annotated[float, Rule("0 to 1", lambda value: 0 <= value <= 1)]
NOT_EMPTY = Rule("one or more", bool)
DISTINCT = Rule("each once", lambda values: len(set(values)) == len(values))


class _Unfit(Exception):
    """What is wrong, without the place and the remedy that only the caller knows."""


def typed(kind: type[T], value: Any, where: str, remedy: str) -> T:
    """`value` as a `kind`: a dataclass from a mapping of its fields, a tuple from a list, a scalar as it stands.

    A key that is missing, null or unknown, another type, and a broken Rule raise TasklawsError: one line with `where`,
    the value's name below it and `remedy`. A dataclass may refuse more in its __post_init__.
    """
    try:
        return _read(kind, value, "")  # type: ignore[no-any-return]
    except _Unfit as unfit:
        raise TasklawsError(f"{where}: {unfit}: {remedy}") from unfit


def _read(kind: Any, value: Any, name: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is Annotated:
        found = _read(inner[0], value, name)
        for rule in inner[1:]:
            if not rule.holds(found):
                raise _Unfit(f"{name} is {value!r:.80}, not {rule.words}")
        return found
    if origin is Literal:
        return value if value in inner else _refuse(value, name, f"one of {', '.join(map(str, inner))}")
    if origin in (Union, UnionType):
        return _read(_alternative([one for one in inner if one is not NoneType], value, name), value, name)
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            _refuse(value, name, "a list")
        return origin(_read(inner[0], one, f"{name}[{index}]") for index, one in enumerate(value))
    if origin is dict:
        return {
            _read(inner[0], key, f"a key of {name}"): _read(inner[1], one, _below(name, key))
            for key, one in _mapping(value, name).items()
        }
    if is_dataclass(kind):
        return _read_fields(kind, _mapping(value, name), name)
    return _read_scalar(kind, value, name)


def _read_scalar(kind: Any, value: Any, name: str) -> Any:
    wanted = (int, float) if kind is float else kind
    # A bool is an int to Python, and is none to anybody else.
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        _refuse(value, name, SCALARS[kind])
    return value if kind is not float or isfinite(value) else _refuse(value, name, SCALARS[kind])


def _read_fields(kind: Any, row: Mapping[str, Any], name: str) -> Any:
    kinds = get_type_hints(kind, include_extras=True)
    known = {field.name: field for field in fields(kind) if field.init}
    for key in row:
        if key not in known:
            raise _Unfit(f"{name or 'it'} has an unknown key {key!r}, beside {', '.join(known)}")
    for key, field in known.items():
        needed = field.default is MISSING and field.default_factory is MISSING
        if row.get(key) is None and (needed or key in row):
            raise _Unfit(f"{name or 'it'} has no {key}")
    found = {key: _read(kinds[key], one, _below(name, key)) for key, one in row.items()}
    try:
        return kind(**found)
    except TasklawsError as error:
        raise _Unfit(f"{name}: {error}" if name else str(error)) from error


def _alternative(kinds: list[Any], value: Any, name: str) -> Any:
    """The only kind, or that of several dataclasses whose literal `kind` the value has."""
    if len(kinds) == 1:
        return kinds[0]
    by_kind = {get_args(get_type_hints(one)["kind"])[0]: one for one in kinds}
    said = str(_mapping(value, name).get("kind"))
    return by_kind[said] if said in by_kind else _refuse(said, f"{name}.kind", f"one of {', '.join(by_kind)}")


def _mapping(value: Any, name: str) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else _refuse(value, name, "a mapping of names to values")


def _below(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _refuse(value: Any, name: str, wanted: str) -> Any:
    raise _Unfit(f"{name or 'it'} is {value!r:.80}, not {wanted}")
