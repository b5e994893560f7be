"""YAML as DVC reads it, by version 1.2: `010` is ten, `1e-5` a number, `yes` and `1:30` are text."""

from typing import Any

from ruamel.yaml import YAML


def load_yaml(text: str) -> Any:
    """The content of the YAML document `text`. Raises ValueError with one line, which names the faulty line."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except Exception as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(where + (" ".join(problem.split()) or type(error).__name__)) from None
