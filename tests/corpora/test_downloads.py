"""Downloads against a local server that truncates, stalls, changes and lies; zips that mean harm."""

import contextlib
import hashlib
import io
import resource
import stat
import subprocess
import sys
import threading
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnsep.corpora import downloads as download
from rnnsep.corpora.downloads import Archive, fetch, fetch_folder, unpack
from rnnsep.running.errors import UserError

SIZE = 100_000
CONTENT = np.random.default_rng(0).bytes(SIZE)
CHANGED = np.random.default_rng(1).bytes(SIZE)


class Handler(BaseHTTPRequestHandler):
    """Answers with the next entry of the server's script, and when that is at its end as a good server does."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.requests.append(dict(self.headers))
        answer = self.server.script.pop(0) if self.server.script else good()
        with contextlib.suppress(ConnectionError):
            answer(self)

    def send(self, status: int, length: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag = CONTENT, '"1"'
        self.script: list[Answer] = []
        self.requests: list[dict[str, str]] = []
        self.released = threading.Event()

    @property
    def ranges(self) -> list[str | None]:
        return [request.get("Range") for request in self.requests]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/songs.zip"


Answer = Callable[[Handler], None]


def good(nb_bytes: int | None = None, ranges: bool = True, stall: bool = False, tag: bool = True) -> Answer:
    """An answer of all that was asked for, or only the first `nb_bytes` of it, then the end or nothing more."""

    def answer(handler: Handler) -> None:
        server, asked = handler.server, handler.headers.get("Range", "")
        headers = {"ETag": server.tag} if tag else {}
        if asked and ranges and handler.headers.get("If-Range", server.tag) == server.tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                handler.send(416, 0, b"")
                return
            body = server.content[start:]
            span = f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
            handler.send(206, len(body), body[:nb_bytes], Content_Range=span, **headers)
        else:
            handler.send(200, len(server.content), server.content[:nb_bytes], **headers)
        if stall:
            server.released.wait(60)
        handler.close_connection = True

    return answer


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.send(code, 0, b"", **headers)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were to be waited between attempts; no test waits them."""
    waited: list[float] = []
    monkeypatch.setattr(download.time, "sleep", waited.append)
    monkeypatch.setattr(download, "CHUNK", 1000)
    return waited


def archive(server: Server, content: bytes = CONTENT, algorithm: str = "md5") -> Archive:
    digest = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    return Archive(server.url, len(content), f"{algorithm}:{digest}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "songs.zip"


def fetched(path: Path) -> bytes:
    """The content, when nothing else is left in the folder."""
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_is_fetched_and_verified(server: Server, path: Path, algorithm: str) -> None:
    fetch(archive(server, algorithm=algorithm), path)
    assert fetched(path) == CONTENT


def test_what_is_there_is_verified_before_it_is_used(server: Server, path: Path) -> None:
    fetch(archive(server), path)
    fetch(archive(server), path)
    assert len(server.requests) == 1
    path.write_bytes(CHANGED)
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert len(server.requests) == 2


def test_a_truncated_file_is_resumed(server: Server, path: Path) -> None:
    server.script = [good(40_000), good(30_000)]
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert server.ranges == [None, "bytes=40000-", "bytes=70000-"]
    assert server.requests[1]["If-Range"] == '"1"'


def test_a_stalled_connection_is_given_up_and_resumed(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STALL", 0.2)
    server.script = [good(40_000, stall=True), good(0, stall=True)]
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert server.ranges[-1] == "bytes=40000-"


def test_without_ranges_a_file_restarts(server: Server, path: Path) -> None:
    server.script = [good(40_000), good(60_000, ranges=False), good(ranges=False)]
    fetch(archive(server), path)
    assert fetched(path) == CONTENT


def test_a_file_that_always_ends_early_is_given_up_and_kept(server: Server, path: Path) -> None:
    server.script = [good(40_000, ranges=False) for _ in range(20)]
    with pytest.raises(UserError, match="ended early; the partial download is kept"):
        fetch(archive(server), path)
    assert len(server.requests) == 1 + download.ATTEMPTS
    assert not path.exists()
    server.script = []
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert server.ranges[-1] == "bytes=40000-"


def test_without_tag_a_file_is_resumed_too(server: Server, path: Path) -> None:
    server.script = [good(40_000, tag=False)]
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert server.ranges == [None, "bytes=40000-"]
    assert "If-Range" not in server.requests[1]


def test_versions_of_a_file_are_not_mixed(server: Server, path: Path) -> None:
    def change(handler: Handler) -> None:
        good(40_000)(handler)
        server.content, server.tag = CHANGED, '"2"'

    server.script = [change]
    fetch(archive(server, CHANGED), path)
    assert fetched(path) == CHANGED


def test_versions_without_tag_are_told_by_the_checksum(server: Server, path: Path) -> None:
    def change(handler: Handler) -> None:
        good(40_000, tag=False)(handler)
        server.content = CHANGED

    server.script = [change]
    fetch(archive(server, CHANGED), path)
    assert fetched(path) == CHANGED
    assert server.ranges == [None, "bytes=40000-", None]


def test_a_damaged_part_is_downloaded_again(server: Server, path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "songs.zip.part").write_bytes(CHANGED[:40_000])
    (path.parent / "songs.zip.tag").write_text('"1"')
    fetch(archive(server), path)
    assert fetched(path) == CONTENT


def test_a_part_that_is_too_long_is_downloaded_again(server: Server, path: Path) -> None:
    path.parent.mkdir()
    (path.parent / "songs.zip.part").write_bytes(CONTENT + b"more")
    fetch(archive(server), path)
    assert fetched(path) == CONTENT


def test_a_wrong_checksum_leaves_nothing(server: Server, path: Path) -> None:
    server.content = CHANGED
    with pytest.raises(UserError, match="its md5 is .*, not .*; the download was removed"):
        fetch(archive(server), path)
    assert not list(path.parent.glob("*.zip")) + list(path.parent.glob("*.part"))


def test_another_size_is_rejected_before_it_is_fetched(server: Server, path: Path) -> None:
    server.content = CONTENT * 2
    with pytest.raises(UserError, match="another version: 200000 bytes, not 100000"):
        fetch(archive(server), path)
    assert not path.exists()


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_file_that_is_not_there_is_not_asked_for_again(server: Server, path: Path, code: int) -> None:
    server.script = [status(code)]
    with pytest.raises(UserError, match=f"the server answers {code} .*corpus.path"):
        fetch(archive(server), path)
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again(server: Server, path: Path, pauses: list[float]) -> None:
    server.script = [status(503), status(429, Retry_After="30"), status(503, Retry_After="soon")]
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert pauses == [1.0, 30.0, 4.0]


def test_a_server_that_stays_busy_is_given_up(server: Server, path: Path, pauses: list[float]) -> None:
    server.script = [status(503, Retry_After="86400") for _ in range(20)]
    with pytest.raises(UserError, match="the server answers 503"):
        fetch(archive(server), path)
    assert len(server.requests) == download.ATTEMPTS
    assert max(pauses) <= download.LONGEST_PAUSE


def test_a_server_that_sends_another_part_is_not_believed(server: Server, path: Path) -> None:
    def lie(handler: Handler) -> None:
        handler.send(206, SIZE, CONTENT, Content_Range=f"bytes 0-{SIZE - 1}/{SIZE}")

    server.script = [good(40_000), lie]
    fetch(archive(server), path)
    assert fetched(path) == CONTENT


def test_no_server_is_one_clear_line(path: Path) -> None:
    with pytest.raises(UserError, match=r"refused; .*set corpus\.path"):
        fetch(Archive("http://127.0.0.1:9/songs.zip", SIZE, "md5:0"), path)


def test_a_full_disk_is_one_clear_line_and_what_came_is_resumed(server: Server, path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_500, hard))
    try:
        with pytest.raises(UserError, match="cannot be written: File too large; the partial download is kept"):
            fetch(archive(server), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert server.ranges == [None, "bytes=40500-"]


def test_a_killed_download_is_resumed(server: Server, path: Path) -> None:
    server.script = [good(SIZE // 2, stall=True)]
    code = (
        "import sys; from pathlib import Path; from rnnsep.corpora import downloads as download;"
        "download.CHUNK = 1000;"
        "download.fetch(download.Archive(sys.argv[1], int(sys.argv[2]), sys.argv[3]), Path(sys.argv[4]))"
    )
    wanted = archive(server)
    arguments = [wanted.url, str(wanted.size), wanted.checksum, str(path)]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("50/100" in line for line in process.stdout)
        process.kill()
    fetch(wanted, path)
    assert fetched(path) == CONTENT
    assert server.ranges == [None, f"bytes={SIZE // 2}-"]


Entries = list[tuple[zipfile.ZipInfo | str, bytes]]


def zipped(path: Path, entries: Entries) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def test_a_zip_becomes_a_folder_and_is_removed(server: Server, tmp_path: Path) -> None:
    buffer = zipped(tmp_path / "made.zip", [("train/", b""), ("train/ü.wav", b"1" * 5000), ("test/x.wav", b"2")])
    server.content = buffer.read_bytes()
    wanted, downloads = archive(server, server.content), tmp_path / "downloads"
    for _ in range(2):
        assert fetch_folder("songs", wanted, downloads) == downloads / "songs"
    assert len(server.requests) == 1
    assert [path.name for path in downloads.iterdir()] == ["songs"]
    assert (downloads / "songs" / "train" / "ü.wav").read_bytes() == b"1" * 5000
    assert (downloads / "songs" / "test" / "x.wav").read_bytes() == b"2"


def test_an_interrupted_unpacking_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "songs.unpacking" / "old").mkdir(parents=True)
    unpack(zipped(tmp_path / "songs.zip", [("new", b"1")]), tmp_path / "songs")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "songs", "songs.zip"]


def link(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


HARMFUL: list[tuple[Entries, str]] = [
    ([("/etc/passwd", b"x")], "absolute"),
    ([("C:/windows", b"x")], "absolute"),
    ([("../x", b"x")], "leaves"),
    ([("a/../../x", b"x")], "leaves"),
    ([("..\\x", b"x")], "leaves"),
    ([(link("a", stat.S_IFLNK), b"/etc/passwd")], "link"),
    ([(link("a", stat.S_IFIFO), b"")], "link or device"),
    ([("A", b"x"), ("a", b"y")], "same path as another"),
    ([("é", b"x"), (unicodedata.normalize("NFD", "é"), b"y")], "same path as another"),
    ([("a", b"x"), ("a/b", b"y")], "same path as another"),
    ([("a/b", b"x"), ("a", b"y")], "same path as another"),
    ([(".", b"x")], "not a file name"),
    ([("a", bytes(10_000_000))], "implausible size"),
    ([(f"{i}", b"") for i in range(11)], "number of files"),
]


def test_an_empty_zip_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no files"):
        unpack(zipped(tmp_path / "songs.zip", [("train/", b"")]), tmp_path / "songs")


@pytest.mark.parametrize(("entries", "reason"), HARMFUL)
def test_a_malicious_zip_is_rejected_before_anything_is_written(
    tmp_path: Path, entries: Entries, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MEMBERS", 10)
    path = zipped(tmp_path / "in" / "songs.zip", [("good", b"x" * 1000), *entries])
    with pytest.raises(UserError, match=f"rejected: .*{reason}"):
        unpack(path, tmp_path / "in" / "songs")
    assert [file.name for file in tmp_path.rglob("*")] == ["in", "songs.zip"]


def test_the_same_name_twice_is_rejected(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "songs.zip", [("a", b"x"), ("a", b"y")])
    with pytest.raises(UserError, match="same path as another"):
        unpack(path, tmp_path / "songs")
    assert list(tmp_path.iterdir()) == [path]


def test_encrypted_files_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "songs.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", b"x")
        file.infolist()[0].flag_bits |= 1
    with pytest.raises(UserError, match="encrypted"):
        unpack(path, tmp_path / "songs")


def test_a_damaged_zip_is_rejected(tmp_path: Path) -> None:
    content = zipped(tmp_path / "good.zip", [("a", CONTENT)]).read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 255
    for damaged in (b"", b"no zip", content[: len(content) // 2], bytes(flipped)):
        (tmp_path / "songs.zip").write_bytes(damaged)
        with pytest.raises(UserError, match=r"songs\.zip: not a complete zip"):
            unpack(tmp_path / "songs.zip", tmp_path / "songs")
        assert not (tmp_path / "songs").exists()


PART = st.sampled_from(["..", ".", "a", "A", "b", "", "C:", "a\\..", "é", "\0"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.lists(PART, min_size=1, max_size=4).map("/".join), min_size=1, max_size=4, unique=True))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_whatever_the_names_nothing_is_written_outside(tmp_path: Path, names: list[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(zipfile.ZipInfo(name), b"")
    place = tmp_path / hashlib.sha256(repr(names).encode()).hexdigest()
    place.mkdir(exist_ok=True)
    (place / "in.zip").write_bytes(buffer.getvalue())
    with contextlib.suppress(UserError):
        unpack(place / "in.zip", place / "out")
    assert {path.name for path in place.iterdir()} <= {"in.zip", "out"}
    assert {path.name for path in tmp_path.iterdir()} >= {place.name}
    assert all(len(path.name) == 64 for path in tmp_path.iterdir())
