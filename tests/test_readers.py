"""Whatever is in a file that a user can spoil, it is read, or one line says what is wrong with it."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnsep.network.model import load_model
from tests.fuzz import READERS, Reader, attempt

edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)), max_size=4
)  # where, how many bytes go, what comes for them
endings = st.none() | st.floats(0, 1)


def changed(content: bytes, edits: list[tuple[float, int, bytes]], ending: float | None) -> bytes:
    for where, nb_bytes, new in edits:
        at = int(where * len(content))
        content = content[:at] + new + content[at + nb_bytes :]
    return content if ending is None else content[: int(ending * len(content))]


@pytest.mark.parametrize("name", READERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(edits=edits, ending=endings)
def test_a_changed_file_is_read_or_one_line(
    tmp_path: Path, name: str, edits: list[tuple[float, int, bytes]], ending: float | None
) -> None:
    reader = READERS[name]
    attempt(reader, changed(reader.good(), edits, ending), tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_a_good_file_is_read(tmp_path: Path, name: str) -> None:
    reader = READERS[name]
    path = tmp_path / reader.name
    path.write_bytes(reader.good())
    reader.read(path)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"[" * 10_000, b"{" * 10_000, b"9" * 5000, b"\xff\xfe\0"])
def test_what_no_such_file_holds_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    attempt(READERS[name], content, tmp_path)


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    content=st.binary(max_size=40)
    | st.dictionaries(st.sampled_from(["sources", "stft", "rnn", "networks", "blended", "enhancer"]), nested).map(
        lambda content: json.dumps(content).encode()
    )
)
def test_whatever_describes_a_model_one_line_comes(tmp_path: Path, content: bytes) -> None:
    attempt(Reader("model.json", bytes, lambda path: load_model(path.parent)), content, tmp_path)
