import json
import os
from pathlib import Path

import pytest

from rnnsep.running import files


def test_a_file_appears_whole_or_the_old_one_stays_and_nothing_else(tmp_path):
    target = tmp_path / "sub" / "a.txt"
    with files.whole(target) as temporary:
        temporary.write_text("old")
        assert not target.exists()

    def fail():
        with files.whole(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert os.listdir(target.parent) == ["a.txt"]


def test_a_name_as_long_as_the_file_system_allows(tmp_path):
    target = tmp_path / ("é" * 125 + ".json")  # 255 bytes
    files.write_json(target, {"ü": 1.5})
    assert json.loads(target.read_text(encoding="utf-8")) == {"ü": 1.5}


def test_leftovers_of_killed_writers_are_removed_and_files_are_not(tmp_path):
    (tmp_path / "song").mkdir()
    (tmp_path / "song" / f"{files.PARTIAL}1-2-a.wav").touch()
    (tmp_path / "song" / "a.wav").touch()
    (tmp_path / f"{files.PARTIAL}new-out" / f"{files.PARTIAL}3-4-b.wav").mkdir(parents=True)
    files.remove_partial(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["song", "a.wav"]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("before", ["nothing", "file", "folder"])
def test_a_folder_is_published_over_what_stands_there(tmp_path, before, links, monkeypatch):
    source, target = tmp_path / "scratch" / "out", tmp_path / "data" / "out"
    (source / "song").mkdir(parents=True)
    (source / "song" / "new").write_text("1")
    if before == "folder":
        target.mkdir(parents=True)
        (target / "old").touch()
    if before == "file":
        source = source / "song" / "new"
        target.parent.mkdir()
        target.write_text("old")
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    kept = sorted(source.parent.iterdir())
    files.publish(source, target)
    published, scratch = (target, source) if before == "file" else (target / "song" / "new", source / "song" / "new")
    assert published.read_text() == "1"
    assert published.samefile(scratch) == links
    assert sorted(source.parent.iterdir()) == kept
    assert not (target / "old").exists()


def test_the_digest_sees_names_and_bytes_and_no_dates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("data")
    folder.mkdir()
    (folder / "a").write_text("1")
    (folder / "b").write_text("2")
    first = files.digest([folder])
    os.utime(folder / "a", (0, 0))
    assert files.digest([folder]) == first
    (folder / "b").rename(folder / "c")
    renamed = files.digest([folder])
    (folder / "c").write_text("3")
    assert len({first, renamed, files.digest([folder])}) == 3
