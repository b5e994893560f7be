import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsep import params
from rnnsep.params import ParamError, Range, load_yaml
from rnnsep.running.errors import UserError


@dataclass(frozen=True)
class Inner:
    seconds: Annotated[float, Range(0.5, 10)]


@dataclass(frozen=True)
class Section:
    layers: Annotated[int, Range(1)]
    cell: Literal["gru", "lstm"]
    path: str | None
    names: tuple[str, ...]
    radii: tuple[int, ...] | None
    bidirectional: bool
    inner: Inner

    def check(self):
        if self.layers > 9 and self.bidirectional:
            raise ParamError("layers", "too many")


@dataclass(frozen=True)
class Document:
    rnn: Section


GOOD = {"layers": 3, "cell": "gru", "path": None, "names": ["a", "b"], "radii": None, "bidirectional": False}
GOOD |= {"inner": {"seconds": 2}}
EXPECTED = Section(3, "gru", None, ("a", "b"), None, False, Inner(2.0))


def test_a_good_section_becomes_its_object_and_has_dotted_keys():
    assert params.parse(Section, GOOD, "rnn") == EXPECTED
    assert params.leaf_keys(Document) == (*(f"rnn.{key}" for key in list(GOOD)[:-1]), "rnn.inner.seconds")
    document = {"rnn": GOOD | {"of_another_stage": 1, "inner": {"seconds": 2, "other": 1}}, "training": {"epochs": 3}}
    assert params.select(Document, document) == Document(EXPECTED)
    changed = params.changed(Document(EXPECTED), {"rnn.layers": 5, "rnn.inner.seconds": 3.0})
    assert changed == Document(replace(EXPECTED, layers=5, inner=Inner(3.0)))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("layer", 3, "layer: unknown key; did you mean layers?"),
        *[("layers", value, f"layers: must be a whole number, not {value!r}")
          for value in (2.5, True, None, "3a", "3", "true", [3], float("inf"), float("nan"), "")],
        ("layers", 0, "layers: must be at least 1, not 0"),
        ("layers", int("1" * 400),
         "layers: must be a whole number, not 111111111111111111...1111111111111111111"),
        ("layers", 10, "layers: too many"),
        *[("inner", {"seconds": value}, f"inner.seconds: must be a number, not {value!r}")
          for value in ("inf", "1e999", False, None, float("nan"), [1.0], "1:30", "1_000")],
        ("inner", {"seconds": 0.1}, "inner.seconds: must be from 0.5 to 10, not 0.1"),
        ("inner", {}, "inner.seconds: missing; add it to params.yaml"),
        ("inner", 3, "inner: must be a section with keys, not 3"),
        *[("cell", value, f"cell: must be one of gru, lstm, not {value!r}") for value in ("rnn", None, True, ["gru"])],
        *[("path", value, f"path: must be text, not {value!r}") for value in (3, False, ["a"])],
        ("names", "a", "names: must be a list, not 'a'"),
        ("names", ["a", 1], "names[1]: must be text, not 1"),
        ("radii", [3, [8]], "radii[1]: must be a whole number, not [8]"),
        ("radii", 3, "radii: must be a list, not 3"),
        *[("bidirectional", value, f"bidirectional: must be true or false, not {value!r}")
          for value in (1, None, "1", "yes")],
    ],
)  # fmt: skip
def test_a_bad_value_is_one_line_that_names_the_key(key, value, message):
    with pytest.raises(ParamError) as error:
        params.parse(Section, GOOD | {"bidirectional": True} | {key: value}, "rnn")
    assert str(error.value) == f"rnn.{message}"
    assert str(ParamError("stft.\n", "unknown key")) == "'stft.\\n': unknown key"


SCALARS = {
    "010": 10, "08": 8, "0o17": 15, "0x1F": 31, "1e-5": 1e-5, "1E3": 1000.0, ".5": 0.5, "+3": 3, "1e400": math.inf,
    "3.0": 3.0, "yes": "yes", "No": "No", "1:30": "1:30", "e5": "e5", "'2024'": "2024", "~": None, "TRUE": True,
    "tRue": "tRue",
}  # fmt: skip


def test_scalars_are_those_of_yaml_1_2():
    for text, value in SCALARS.items():
        assert repr(load_yaml(f"[{text}]")) == repr([value])


def test_what_is_no_yaml_is_one_line_with_its_number(tmp_path):
    for text, message in (
        ("a: {", "line 1: expected the node content"),
        ("a: 1\nb: [1,\nc: 2", "line 3: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\na: 2", 'line 2: found duplicate key "a" with value "2"'),
        ("x: 1\n y: 2", "line 2: mapping values are not allowed here"),
        ("\ta: 1", "line 1: found character '\\t' that cannot start any token"),
        ("a: !!python/object:os.system x", "line 1: could not determine a constructor for the tag"),
        ("[" * 10_000, "it is nested too deeply"),
        ("9" * 5000, "Exceeds the limit"),
        ("a: \0", "unacceptable character"),
    ):
        (tmp_path / "params.yaml").write_text(text)
        with pytest.raises(UserError) as error:
            params.read_yaml(tmp_path / "params.yaml")
        assert f"params.yaml: not valid YAML: {message}" in str(error.value)
        assert "\n" not in str(error.value)


def test_unknown_keys_of_a_document_are_rejected_by_name():
    entries, path = {"rnn.layers", "rnn.units", "mask"}, Path("params.yaml")
    with pytest.raises(ParamError, match=r"params.yaml: rnn.layrs: unknown key; did you mean rnn.layers\?"):
        params.refuse_unknown({"rnn": {"layrs": 5}}, entries, path)
    with pytest.raises(ParamError, match=r"x.y: unknown key; known keys: mask, rnn.layers, rnn.units$"):
        params.refuse_unknown({"x": {"y": 1}, "mask": {"any": 1}}, entries, path)


def test_a_stage_declares_what_it_reads():
    params.check_declared(Document, ["rnn"], {"rnn": GOOD})
    for entries, section, message in (
        (["rnn"], GOOD | {"mask": "relu"}, r"rnn\.mask: unknown key"),
        (["rnn.layers"], GOOD, r"params: the stage reads rnn\.bidirectional, .*, which it does not declare"),
        (["rnn", "mask"], GOOD, "params: mask is declared, but the stage does not read it"),
    ):
        with pytest.raises(UserError, match=message):
            params.check_declared(Document, entries, {"rnn": section})


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), json_like), st.binary(max_size=60))
def test_whatever_a_section_or_file_holds_it_is_read_or_one_line(tmp_path_factory, change, content):
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_bytes(content)
    try:
        section = params.parse(Section, GOOD | change, "rnn")
        assert section.layers >= 1 and type(section.layers) is int
        assert type(section.inner.seconds) is float and type(section.bidirectional) is bool
        assert isinstance(params.read_yaml(path), dict)
    except UserError as error:
        assert "\n" not in str(error)
