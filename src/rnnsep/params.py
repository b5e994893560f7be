"""params.yaml into frozen, checked objects.

A section of params.yaml belongs to one frozen dataclass, which lives in the module that the section governs. Its
fields have no defaults, since params.yaml is the one place where values stand. Limits are part of the type::

    @dataclass(frozen=True)
    class StftParams:
        window: Annotated[int, Range(2)]          # samples
        channels: Literal["mono", "stereo"]

        def check(self) -> None: ...              # what no single field can know; raises ParamError(key, message)
"""

import difflib
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml

from rnnsep.running.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The closed interval [low, high] that a number must lie in; None leaves that side open."""

    low: float | None = None
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low is None:
            return f"at most {self.high}"
        return f"at least {self.low}" if self.high is None else f"from {self.low} to {self.high}"


class ParamError(UserError):
    """A parameter that is unknown, missing, of the wrong type or of an impossible value."""

    def __init__(self, key: str, message: str):
        super().__init__(f"{key if key.isprintable() else ascii(key)}: {message}")
        self.key, self.message = key, message

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.key, self.message)


def leaf_keys(cls: type, prefix: str = "") -> tuple[str, ...]:
    """Dotted keys of the values that `cls`, a dataclass of dataclasses, is made from."""
    hints = get_type_hints(cls)
    keys: list[str] = []
    for field in fields(cls):
        key, hint = prefix + field.name, hints[field.name]
        keys += leaf_keys(cast(type, hint), key + ".") if is_dataclass(hint) else [key]
    return tuple(keys)


def parse(cls: type[T], section: Any, key: str = "") -> T:
    """The object of type `cls` that `section`, a mapping, describes; `key` is its dotted name, for messages.

    Every key of the mapping must be a field and every field must be there. Raises `ParamError` otherwise.
    """
    if not isinstance(section, Mapping):
        raise ParamError(key or "params", f"must be a section with keys, not {section!r}")
    hints = get_type_hints(cls, include_extras=True)
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # T is a dataclass by contract
    prefix = f"{key}." if key else ""
    for name in section:
        if name not in names:
            raise ParamError(f"{prefix}{name}", f"unknown key; {_nearest(str(name), names)}")
    for name in names:
        if name not in section:
            raise ParamError(f"{prefix}{name}", "missing; add it to params.yaml")
    parsed = cls(**{name: _value(hints[name], section[name], prefix + name) for name in names})
    check = getattr(parsed, "check", None)
    if check is not None:
        try:
            check()
        except ParamError as error:
            raise ParamError(f"{prefix}{error.key}", error.message) from None
    return parsed


def select(cls: type[T], document: Mapping[str, Any]) -> T:
    """Like `parse`, but takes only the keys of `cls` out of a larger document, such as a whole params.yaml."""
    return parse(cls, _pruned(cls, document, ""))


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping. Raises `UserError` with the line where it cannot be read."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run from the root of the repository") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: also of numbers and dates
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: must hold sections with keys")
    return document


def leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of all values in a nested mapping."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def refuse_unknown(document: Mapping[str, Any], known: set[str], path: Path) -> None:
    """Raise `ParamError` for the first key of `document` that is not among `known` dotted keys."""
    for key in leaves(document):
        if key not in known:
            raise ParamError(f"{path}: {key}", f"unknown key; {_nearest(key, sorted(known))}")


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"


def _pruned(cls: type, document: Mapping[str, Any], key: str) -> dict[str, Any]:
    hints = get_type_hints(cls)
    pruned = {}
    for field in fields(cls):
        name = f"{key}.{field.name}" if key else field.name
        if field.name not in document:
            raise ParamError(name, "missing; add it to params.yaml")
        value, hint = document[field.name], hints[field.name]
        if is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ParamError(name, f"must be a section with keys, not {value!r}")
            value = _pruned(hint, value, name)  # type: ignore[arg-type]
        pruned[field.name] = value
    return pruned


def _value(hint: Any, value: Any, key: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        value = _value(args[0], value, key)
        for limit in args[1:]:
            if value is not None and value not in limit:
                raise ParamError(key, f"must be {limit}, not {value!r}")
        return value
    if origin is Literal:
        if type(value) in (str, int) and value in args:
            return value
        raise ParamError(key, f"must be one of {', '.join(map(str, args))}, not {value!r}")
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (inner,) = (arg for arg in args if arg is not types.NoneType)
        return _value(inner, value, key)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ParamError(key, f"must be a list, not {value!r}")
        return tuple(_value(args[0], item, f"{key}[{index}]") for index, item in enumerate(value))
    if is_dataclass(hint):
        return parse(hint, value, key)  # type: ignore[arg-type]
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if hint is not float and type(value) is hint:
        return value
    kind = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}[hint]
    raise ParamError(key, f"must be {kind}, not {value!r}")
