"""Downloads against a local server that truncates, stalls, changes and lies."""

import contextlib
import hashlib
import resource
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from rnnsep.corpora import downloads as download
from rnnsep.corpora.downloads import ATTEMPTS, Archive, fetch, fetch_folder
from rnnsep.running.errors import UserError
from tests import processes

SIZE = 100_000
CONTENT = np.random.default_rng(0).bytes(SIZE)
CHANGED = np.random.default_rng(1).bytes(SIZE)


class Handler(BaseHTTPRequestHandler):
    """Answers with the next entry of the server's script, and when that is at its end as a good server does."""

    def do_GET(self):
        self.server.requests.append(dict(self.headers))
        answer = self.server.script.pop(0) if self.server.script else good()
        with contextlib.suppress(ConnectionError):
            answer(self)

    def send(self, status, length, body, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.script = []
        self.requests = []
        self.released = threading.Event()

    @property
    def ranges(self):
        return [request.get("Range") for request in self.requests]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/songs.zip"


def good(nb_bytes=None, ranges=True, stall=False):
    """An answer of all that was asked for, or only the first `nb_bytes` of it, then the end or nothing more."""

    def answer(handler):
        server, asked = handler.server, handler.headers.get("Range", "")
        if asked and ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                handler.send(416, 0, b"")
                return
            body = server.content[start:]
            span = f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
            handler.send(206, len(body), body[:nb_bytes], Content_Range=span)
        else:
            handler.send(200, len(server.content), server.content[:nb_bytes])
        if stall:
            server.released.wait(60)
        handler.close_connection = True

    return answer


def status(code, **headers):
    return lambda handler: handler.send(code, 0, b"", **headers)


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Seconds that were to be waited between attempts; no test waits them."""
    waited = []
    monkeypatch.setattr(download.time, "sleep", waited.append)
    monkeypatch.setattr(download, "CHUNK", 1000)
    return waited


def archive(server, content=CONTENT, algorithm="md5"):
    digest = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    return Archive(server.url, len(content), f"{algorithm}:{digest}")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "downloads" / "songs.zip"


def fetched(path):
    """The content, when nothing else is left in the folder."""
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_what_is_there_is_verified_before_it_is_used(server, path, algorithm):
    wanted = archive(server, algorithm=algorithm)
    for _ in range(2):
        fetch(wanted, path)
        assert fetched(path) == CONTENT
    assert len(server.requests) == 1
    path.write_bytes(CHANGED)
    fetch(wanted, path)
    assert fetched(path) == CONTENT
    assert len(server.requests) == 2


def lying(handler):
    handler.send(206, SIZE, CONTENT, Content_Range=f"bytes 0-{SIZE - 1}/{SIZE}")


@pytest.mark.parametrize(
    ("script", "ranges"),
    [
        ([good(40_000), good(30_000)], [None, "bytes=40000-", "bytes=70000-"]),
        ([good(40_000, stall=True), good(0, stall=True)], [None, "bytes=40000-", "bytes=40000-"]),
        ([good(40_000), good(60_000, ranges=False)], [None, "bytes=40000-", "bytes=60000-"]),
        ([good(40_000), lying], [None, "bytes=40000-", "bytes=40000-"]),
    ],
)
def test_an_interrupted_download_is_resumed_or_restarted(server, path, monkeypatch, script, ranges):
    monkeypatch.setattr(download, "STALL", 0.2)
    server.script = [*script]
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert server.ranges == ranges


def test_a_part_that_is_too_long_or_damaged_is_downloaded_again(server, path):
    path.parent.mkdir()
    part = path.parent / "songs.zip.part"
    part.write_bytes(CONTENT + b"more")
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    path.unlink()
    part.write_bytes(CHANGED[:40_000])
    with pytest.raises(UserError, match=r"its md5 is .*; the download was removed, run again"):
        fetch(archive(server), path)
    fetch(archive(server), path)
    assert fetched(path) == CONTENT


@pytest.mark.parametrize(
    ("script", "content", "line", "nb_requests", "resumed"),
    [
        ([good(40_000, ranges=False)], CONTENT, "ended early; the partial download is kept", 1 + ATTEMPTS, True),
        ([], CHANGED, "its md5 is .*, not .*; the download was removed", 1, False),
        ([], CONTENT * 2, "another version: 200000 bytes, not 100000", 1, False),
        ([], CONTENT[:30_000], "another version: 30000 bytes, not 100000", 1, False),
        ([status(503, Retry_After="86400")], CONTENT, "the server answers 503 .*corpus.path", ATTEMPTS, False),
        *(([status(code)], CONTENT, f"the server answers {code} .*corpus.path", 1, False) for code in (403, 404, 410)),
    ],
)
def test_a_download_that_fails_is_one_line_and_nothing_stands_in_the_way_of_the_next(
    server, path, pauses, script, content, line, nb_requests, resumed
):
    wanted, server.script, server.content = archive(server), script * 20, content
    with pytest.raises(UserError, match=line):
        fetch(wanted, path)
    assert len(server.requests) == nb_requests
    assert not path.exists()
    assert max(pauses, default=0) <= download.LONGEST_PAUSE
    server.script, server.content = [], CONTENT
    fetch(wanted, path)
    assert fetched(path) == CONTENT
    assert server.ranges[-1] == ("bytes=40000-" if resumed else None)


def test_a_busy_server_is_asked_again(server, path, pauses):
    server.script = [status(503), status(429, Retry_After="30"), status(503, Retry_After="soon")]
    fetch(archive(server), path)
    assert fetched(path) == CONTENT
    assert pauses == [1.0, 30.0, 4.0]


def test_a_full_disk_is_one_clear_line_and_what_came_is_resumed(server, path):
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


def test_a_killed_download_is_resumed(server, path):
    server.script = [good(SIZE // 2, stall=True)]
    code = (
        "import sys; from pathlib import Path; from rnnsep.corpora import downloads as download;"
        "download.CHUNK = 1000;"
        "download.fetch(download.Archive(sys.argv[1], int(sys.argv[2]), sys.argv[3]), Path(sys.argv[4]))"
    )
    wanted = archive(server)
    with processes.start("-c", code, wanted.url, wanted.size, wanted.checksum, path) as process:
        assert any("50/100" in line for line in process.stderr)
        process.kill()
    fetch(wanted, path)
    assert fetched(path) == CONTENT
    assert server.ranges == [None, f"bytes={SIZE // 2}-"]


def test_a_zip_becomes_a_folder_and_is_removed(server, tmp_path):
    with zipfile.ZipFile(tmp_path / "made.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {"train/": b"", "train/ü.wav": b"1" * 5000, "test/x.wav": b"2"}.items():
            file.writestr(name, content)
    server.content = (tmp_path / "made.zip").read_bytes()
    wanted, downloads = archive(server, server.content), tmp_path / "downloads"
    (downloads / "songs.unpacking" / "left over").mkdir(parents=True)
    for _ in range(2):
        assert fetch_folder("songs", wanted, downloads) == downloads / "songs"
    assert len(server.requests) == 1
    found = {str(file.relative_to(downloads)): file.read_bytes() for file in downloads.rglob("*") if file.is_file()}
    assert found == {"songs/train/ü.wav": b"1" * 5000, "songs/test/x.wav": b"2"}
    assert [path.name for path in downloads.iterdir()] == ["songs"]
