"""Presets by name, as changes of params.yaml and as arguments of `dvc exp run`."""

import math
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from rnnsep.params import leaves, load_yaml, read_yaml
from rnnsep.running.errors import UserError

BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.+-]*")  # text that DVC's grammar takes as it is, in any shell
BASE = "base.yaml"
FOLDER = resources.files("rnnsep.presets")
WORDS = ("null", "true", "false", "nan", "inf")  # what such text would stand for otherwise, in any case


def names() -> list[str]:
    """All presets in the order of the alphabet."""
    files = {path.name for path in FOLDER.iterdir()} - {BASE}
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


def about(name: str) -> str:
    """What a preset is, in one line."""
    return str(_read(name)["about"])


def changes(name: str) -> dict[str, Any]:
    """All values of a preset by dotted key: its own and, where it is silent, those of base.yaml.

    Raises `UserError` for an unknown name.
    """
    document = _read(name)
    inherited = changes(document["like"]) if "like" in document else base()
    return inherited | leaves({key: value for key, value in document.items() if key not in ("about", "like")})


def base() -> dict[str, Any]:
    """The values of base.yaml by dotted key."""
    return leaves(_file(BASE))


def differing(changes: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `changes`, by dotted key, that would change the nested `document`."""
    present = leaves(document)
    return {key: value for key, value in changes.items() if key not in present or present[key] != value}


def assignment(key: str, value: Any) -> str:
    """`key=value` in the grammar of `dvc exp run -S`, for any YAML value except a mapping."""
    return f"{key}={_text(value)}"


def assignments(options: Iterable[str]) -> dict[str, Any]:
    """Changes from texts `key=value`, whose values are read as YAML. Raises `UserError` if one is none."""
    result = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise UserError(f"-S {option}: give key=value")
        try:
            result[key] = load_yaml(text)
        except ValueError:
            raise UserError(f"-S {option}: {text} is not a value in YAML") from None
    return result


def _read(name: str) -> dict[str, Any]:
    known = names()
    if name not in known:
        raise UserError(f"no preset is called {name}; there are {', '.join(known)}")
    return _file(f"{name}.yaml")


def _file(name: str) -> dict[str, Any]:
    with resources.as_file(FOLDER / name) as path:
        return read_yaml(path)


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_text(item) for item in value)}]"
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            raise UserError(f"{value} is not a finite number")
        return repr(value)
    text = str(value)
    if BARE.fullmatch(text) and text.lower() not in WORDS:
        return text
    # ${ would be an interpolation; within quotes a backslash is one, unless it stands before a quote or at the end
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"
