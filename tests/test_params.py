import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnsep import params
from rnnsep.params import ParamError, Range
from rnnsep.running.errors import UserError
from rnnsep.running.yaml12 import load_yaml


@dataclass(frozen=True)
class Inner:
    seconds: Annotated[float, Range(0.5, 10)]


@dataclass(frozen=True)
class Section:
    layers: Annotated[int, Range(1)]
    cell: Literal["gru", "lstm"]
    path: str | None
    names: tuple[str, ...]
    bidirectional: bool
    inner: Inner

    def check(self) -> None:
        if self.layers > 9 and self.bidirectional:
            raise ParamError("layers", "too many")


@dataclass(frozen=True)
class Document:
    rnn: Section


GOOD: dict[str, Any] = {
    "layers": 3,
    "cell": "gru",
    "path": None,
    "names": ["a", "b"],
    "bidirectional": False,
    "inner": {"seconds": 2},
}


def test_a_good_section_becomes_its_object() -> None:
    assert params.parse(Section, GOOD, "rnn") == Section(3, "gru", None, ("a", "b"), False, Inner(2.0))


def test_leaf_keys_go_down_to_the_values() -> None:
    assert params.leaf_keys(Document) == (
        "rnn.layers",
        "rnn.cell",
        "rnn.path",
        "rnn.names",
        "rnn.bidirectional",
        "rnn.inner.seconds",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": 3}, "rnn.layer: unknown key; did you mean layers?"),
        ({"layers": 0}, "rnn.layers: must be at least 1, not 0"),
        ({"layers": 2.5}, "rnn.layers: must be a whole number, not 2.5"),
        ({"layers": True}, "rnn.layers: must be a whole number, not True"),
        ({"layers": "3a"}, "rnn.layers: must be a whole number, not '3a'"),
        ({"layers": "2.5"}, "rnn.layers: must be a whole number, not '2.5'"),
        ({"inner": {"seconds": "inf"}}, "rnn.inner.seconds: must be a number, not 'inf'"),
        ({"inner": {"seconds": "1e999"}}, "rnn.inner.seconds: must be a number, not '1e999'"),
        ({"layers": 10, "bidirectional": True}, "rnn.layers: too many"),
        ({"cell": "rnn"}, "rnn.cell: must be one of gru, lstm, not 'rnn'"),
        ({"path": 3}, "rnn.path: must be text, not 3"),
        (
            {"layers": int("1" * 400)},
            "rnn.layers: must be a whole number, not 111111111111111111...1111111111111111111",
        ),
        (
            {"inner": {"seconds": 10**400}},
            "rnn.inner.seconds: must be a number, not 100000000000000000...0000000000000000000",
        ),
        ({"path": 2024}, "rnn.path: must be text, not 2024"),
        ({"names": "a"}, "rnn.names: must be a list, not 'a'"),
        ({"names": ["a", 1]}, "rnn.names[1]: must be text, not 1"),
        ({"bidirectional": 1}, "rnn.bidirectional: must be true or false, not 1"),
        ({"inner": {"seconds": 0.1}}, "rnn.inner.seconds: must be from 0.5 to 10, not 0.1"),
        ({"inner": {"seconds": float("nan")}}, "rnn.inner.seconds: must be a number, not nan"),
        ({"inner": {}}, "rnn.inner.seconds: missing; add it to params.yaml"),
        ({"inner": 3}, "rnn.inner: must be a section with keys, not 3"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_key(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamError) as error:
        params.parse(Section, GOOD | change, "rnn")
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1e-5", 1e-5),
        ("1e-05", 1e-5),
        ("1E-3", 1e-3),
        (".5", 0.5),
        ("1_000", 1000),
        ("+3", 3),
        ("3.0", 3),
        ("3.", 3),
        ("010", 10),
        ("0x10", 16),
    ],
)
def test_numbers_are_read_as_people_and_dvc_write_them(text: str, number: float) -> None:
    @dataclass(frozen=True)
    class Numbers:
        rate: float
        rates: tuple[float, ...]

    document = load_yaml(f"{{rate: {text}, rates: [{text}, 1]}}")
    assert params.parse(Numbers, document) == Numbers(rate=number, rates=(number, 1.0))


@pytest.mark.parametrize(("text", "number"), [("3.0", 3), ("1_000", 1000), ("+3", 3), ("1e3", 1000), ("1E+2", 100)])
def test_whole_numbers_are_read_as_people_and_dvc_write_them(text: str, number: int) -> None:
    section = params.parse(Section, GOOD | {"layers": load_yaml(text)}, "rnn")
    assert section.layers == number
    assert type(section.layers) is int


@pytest.mark.parametrize(
    ("text", "expected"), [("yes", True), ("On", True), ("true", True), ("No", False), ("off", False)]
)
def test_yes_and_no_are_truths_where_one_is_asked_for_and_text_elsewhere(text: str, expected: bool) -> None:
    values = {"bidirectional": load_yaml(text), "path": load_yaml(text) if text != "true" else None}
    section = params.parse(Section, GOOD | values, "rnn")
    assert section.bidirectional is expected
    assert section.path in (text, None)


SCALARS = {
    "010": 10, "08": 8, "0o17": 15, "0x1F": 31, "1e-5": 1e-5, "1E3": 1000.0, ".5": 0.5, "+3": 3, "1e400": math.inf,
    "yes": "yes", "No": "No", "1:30": "1:30", "e5": "e5", "'2024'": "2024", "~": None, "TRUE": True, "tRue": "tRue",
}  # fmt: skip


@pytest.mark.parametrize("text", SCALARS)
def test_scalars_are_those_of_yaml_1_2(text: str) -> None:
    assert repr(load_yaml(f"[{text}]")) == repr([SCALARS[text]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {", "line 1: expected the node content"),
        ("a: 1\nb: [1,\nc: 2", "line 3: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\na: 2", 'line 2: found duplicate key "a" with value "2"'),
        ("x: 1\n y: 2", "line 2: mapping values are not allowed here"),
        ("\ta: 1", "line 1: found character '\\t' that cannot start any token"),
        ("a: !!python/object:os.system x", "line 1: could not determine a constructor for the tag"),
        ("[" * 10_000, "it is nested too deeply"),
        ("9" * 5000, "Exceeds the limit"),
        ("a: \0", "unacceptable character"),
    ],
)
def test_what_is_no_yaml_is_one_line_with_its_number(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        params.read_yaml(tmp_path / "params.yaml")
    assert f"params.yaml: not valid YAML: {message}" in str(error.value)
    assert "\n" not in str(error.value)


def test_select_takes_only_its_own_keys_out_of_a_document() -> None:
    document = {"rnn": GOOD | {"of_another_stage": 1}, "training": {"epochs": 3}}
    assert params.select(Document, document).rnn.layers == 3


def test_changed_replaces_dotted_keys_only() -> None:
    document = Document(rnn=params.parse(Section, GOOD, "rnn"))
    other = params.changed(document, {"rnn.layers": 5, "rnn.inner.seconds": 3.0})
    assert (other.rnn.layers, other.rnn.inner.seconds) == (5, 3.0)
    assert params.changed(other, {"rnn.layers": 3, "rnn.inner.seconds": 2.0}) == document


def test_unknown_keys_of_a_document_are_rejected_by_name() -> None:
    with pytest.raises(ParamError, match=r"params.yaml: rnn.layrs: unknown key; did you mean rnn.layers\?"):
        params.refuse_unknown({"rnn": {"layrs": 5}}, {"rnn.layers", "rnn.units"}, Path("params.yaml"))


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), json_like))
def test_whatever_a_section_holds_it_parses_or_raises_param_error(change: dict[str, Any]) -> None:
    try:
        section = params.parse(Section, GOOD | change, "rnn")
    except ParamError as error:
        assert "\n" not in str(error)
    else:
        assert section.layers >= 1
        assert isinstance(section.names, tuple)


@given(st.binary(max_size=60))
def test_whatever_a_file_holds_it_reads_or_raises_user_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_bytes(content)
    try:
        assert isinstance(params.read_yaml(path), dict)
    except UserError as error:
        assert "\n" not in str(error)


def test_a_key_with_a_line_break_is_still_one_line() -> None:
    assert str(params.ParamError("stft.\n", "unknown key")) == "'stft.\\n': unknown key"
