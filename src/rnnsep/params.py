"""Frozen, checked objects from params.yaml.

Each section of params.yaml belongs to one frozen dataclass, which lives in the module that the section configures.
params.yaml is the only place for values; a default of a field stands for files that were written before the field
existed (see `with_defaults`). Limits are part of the type::

    @dataclass(frozen=True, kw_only=True)
    class StftParams:
        window: Annotated[int, Range(2)]          # samples
        channels: Literal["mono", "stereo"]

        def check(self) -> None: ...              # conditions on several fields; raises ParamError(key, message)
"""

import difflib
import reprlib
import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML

from rnnsep.running.errors import UserError

T = TypeVar("T")

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 80  # characters of a value in a message
LARGEST = 2.0**63  # numbers from here on, infinity and NaN are rejected


@dataclass(frozen=True)
class Range:
    """The closed interval [low, high] of allowed numbers; None: no limit on that side."""

    low: float | None = None
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low is None:
            return f"at most {self.high}"
        return f"at least {self.low}" if self.high is None else f"from {self.low} to {self.high}"


class ParamError(UserError):
    """An unknown or missing parameter, a wrong type or an impossible value."""

    def __init__(self, key: str, message: str):
        super().__init__(f"{key if key.isprintable() else ascii(key)}: {message}")
        self.key, self.message = key, message

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.key, self.message)


def leaf_keys(cls: type, prefix: str = "") -> tuple[str, ...]:
    """Dotted keys of all values of `cls`, a dataclass of dataclasses."""
    hints = get_type_hints(cls)
    keys: list[str] = []
    for field in fields(cls):
        key, hint = prefix + field.name, hints[field.name]
        keys += leaf_keys(cast(type, hint), key + ".") if is_dataclass(hint) else [key]
    return tuple(keys)


def parse(cls: type[T], section: Any, key: str = "", others: bool = False) -> T:
    """An object of type `cls` from the mapping `section`; `key` is the section's dotted name, for messages.

    Raises `ParamError` for a missing key, a wrong type or an impossible value, and unless `others` for an unknown key.
    """
    if not isinstance(section, Mapping):
        raise ParamError(key or "params", f"must be a section with keys, not {SHORT.repr(section)}")
    hints = get_type_hints(cls, include_extras=True)
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # T is a dataclass by contract
    prefix = f"{key}." if key else ""
    for name in () if others else section:
        if name not in names:
            raise _unknown(f"{prefix}{name}", str(name), names)
    for name in names:
        if name not in section:
            raise ParamError(f"{prefix}{name}", "missing; add it to params.yaml")
    parsed = cls(**{name: _value(hints[name], section[name], prefix + name, others) for name in names})
    check = getattr(parsed, "check", None)
    if check is not None:
        try:
            check()
        except ParamError as error:
            raise ParamError(f"{prefix}{error.key}", error.message) from None
    return parsed


def select(cls: type[T], document: Mapping[str, Any]) -> T:
    """Like `parse`, but ignores keys of `document` (a whole params.yaml) that `cls` does not have."""
    return parse(cls, document, others=True)


def with_defaults(cls: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` with the defaults of those fields of `cls` that it does not have."""
    hints, filled = get_type_hints(cls), dict(document)
    for field in fields(cls):
        if is_dataclass(hints[field.name]):
            filled[field.name] = with_defaults(cast(type, hints[field.name]), filled.get(field.name, {}))
        elif field.default is not MISSING:
            filled.setdefault(field.name, field.default)
    return filled


def changed(parameters: T, changes: Mapping[str, Any]) -> T:
    """A copy of an object of nested dataclasses with other values for some dotted keys."""
    for key, value in changes.items():
        name, _, rest = key.partition(".")
        inner = changed(getattr(parameters, name), {rest: value}) if rest else value
        parameters = replace(parameters, **{name: inner})  # type: ignore[type-var]  # T is a dataclass by contract
    return parameters


def load_yaml(text: str) -> Any:
    """The content of a YAML document, read as DVC reads it, by version 1.2: `010` is ten, `yes` and `1:30` are text.

    Raises ValueError with one line, which names the faulty line.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except Exception as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(where + (" ".join(problem.split()) or type(error).__name__)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises `UserError`, naming the line, for a file that cannot be read."""
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the root of the repository") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: must hold sections with keys")
    return document


def leaves(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """All values in a nested mapping by dotted key."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        inner = isinstance(value, Mapping)
        found |= leaves(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


def check_declared(cls: type, entries: Sequence[str], document: Mapping[str, Any]) -> None:
    """Check that a stage reads exactly what it declares.

    `cls` is a dataclass of the sections that the stage reads, `entries` are the `params` of the stage in dvc.yaml:
    whole sections or single dotted keys. Raises `ParamError` for a key of a declared section that `cls` does not have,
    `UserError` where `cls` has keys that are not declared or an entry is not read.
    """
    keys = leaf_keys(cls)
    undeclared = set(keys)
    for entry in entries:
        inside = {key for key in keys if covers(entry, key)}
        if not inside:
            raise UserError(f"dvc.yaml: params: {entry} is declared, but the stage does not read it")
        for key in leaves({entry: _at(document, entry)}):
            if key not in inside and key != entry:  # `select` rejects a section that is a value
                raise _unknown(key, key, sorted(inside))
        undeclared -= inside
    if undeclared:
        raise UserError(f"dvc.yaml: params: the stage reads {', '.join(sorted(undeclared))}, which it does not declare")


def refuse_unknown(document: Mapping[str, Any], entries: Collection[str], path: Path) -> None:
    """Raise `ParamError` for the first key of `document` that is in none of `entries`, sections or dotted keys."""
    for key in leaves(document):
        if not any(covers(entry, key) for entry in entries):
            raise _unknown(f"{path}: {key}", key, sorted(entries))


def covers(entry: str, key: str) -> bool:
    """Whether `entry`, a section or a dotted key, is or contains the dotted `key`."""
    return key == entry or key.startswith(f"{entry}.")


def _at(document: Mapping[str, Any], key: str) -> Any:
    value: Any = document
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise ParamError(key, "missing; add it to params.yaml")
        value = value[name]
    return value


def _unknown(key: str, name: str, names: list[str]) -> ParamError:
    """The error for an unknown key, with the nearest of `names`, or all of them."""
    close = difflib.get_close_matches(name, names, n=1)
    return ParamError(
        key, f"unknown key; did you mean {close[0]}?" if close else f"unknown key; known keys: {', '.join(names)}"
    )


def _value(hint: Any, value: Any, key: str, others: bool) -> Any:
    """`value` as the type `hint`: a dataclass, a scalar, a tuple or an optional of these."""
    origin, args = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return parse(cast(type, hint), value, key, others)
    if origin is Annotated:
        parsed = _value(args[0], value, key, others)
        if parsed is None or all(parsed in limit for limit in args[1:]):
            return parsed
        kind = " and ".join(map(str, args[1:]))
    elif origin in (Union, types.UnionType):
        (inner,) = (arg for arg in args if arg is not types.NoneType)
        return None if value is None else _value(inner, value, key, others)
    elif origin is tuple:
        if isinstance(value, (list, tuple)):
            return tuple(_value(args[0], item, f"{key}[{index}]", others) for index, item in enumerate(value))
        kind = "a list"
    elif origin is Literal:
        if type(value) is str and value in args:
            return value
        kind = f"one of {', '.join(args)}"
    elif hint is bool:
        if type(value) is bool:
            return value
        kind = "true or false"
    elif hint is str:
        if type(value) is str:
            return value
        kind = "text"
    else:
        if type(value) in (int, float) and abs(value) < LARGEST and (hint is float or value == int(value)):
            return hint(value)
        kind = "a number" if hint is float else "a whole number"
    raise ParamError(key, f"must be {kind}, not {SHORT.repr(value)}")
