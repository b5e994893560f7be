"""A user's folder of songs as DVC sees it: changes, odd paths, experiments in copies of the repository."""

import os
import re
import shutil

import numpy as np
import pytest
import soundfile
import yaml

from rnnsep.signal.corpus import Corpus
from tests.repository import make_repository
from tests.sound import samples, write_tree

NAME = 'it\'s my "songs" & ünï, (live) [1] $HOME'


def song(seed):
    return {"drums": samples(seed, 4000, 1), "vocals": samples(seed + 1, 4000, 1)}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A repository whose corpus is a folder next to it, and the folder."""
    base = tmp_path_factory.mktemp("own")
    folder = base / NAME
    write_tree(folder, {"train/a": song(0), "train/b": song(2), "test/e": song(4)})
    repository = make_repository(base / "repository")
    repository.environment["HOME"] = str(base)
    set_path(repository, f"../{NAME}")
    repository.commit("own songs")
    return repository, folder


def set_path(repository, path):
    file = repository.root / "params.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["corpus"] |= {"name": "folder", "path": path, "validation": "none"}
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def download(repository):
    """What `dvc repro download` does: the stages that ran, how many songs were processed, and the songs there are."""
    output = repository.dvc("repro", "download")
    stages = set(re.findall(r"^Running stage '(\w+)'", output, re.MULTILINE))
    corpus = Corpus.read(repository.root / "data" / "corpus")
    for song in corpus.songs:
        assert np.asarray(corpus.stem(song, "mixture")).any()
    return stages, len(re.findall(r"^corpus: \d", output, re.MULTILINE)), {song.name for song in corpus.songs}


def test_songs_that_are_added_replaced_or_removed_are_seen(own):
    repository, folder = own
    assert download(repository) == ({"links", "download"}, 3, {"a", "b", "e"})
    assert "up to date" in repository.dvc("status", "download")

    write_tree(folder, {"train/c": song(20)})
    path = folder / "train" / "a" / "drums.wav"
    before = path.stat()
    soundfile.write(path, np.full((4000, 1), 77, np.int16), 8000)  # as large as before, and no younger
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns - 10**9))
    assert "modified" in repository.dvc("status", "download")
    assert download(repository) == ({"download"}, 4, {"a", "b", "c", "e"})
    shutil.rmtree(folder / "train" / "c")
    assert download(repository) == ({"download"}, 3, {"a", "b", "e"})
    copy, _ = soundfile.read(repository.root / "data/corpus/train/a/drums.wav", dtype="int16")
    assert (copy == 77).all()


@pytest.mark.parametrize(
    ("where", "parent"),
    [("", "~"), *(pytest.param(where, "..", marks=pytest.mark.long) for where in ("--temp", "--queue"))],
)
def test_odd_paths_are_found_from_the_workspace_and_from_copies_of_it(own, where, parent):
    repository, folder = own
    escaped = f"{parent}/{NAME}".replace("'", "\\'")  # as in docs/own-data.md
    name = f"odd{where}"
    flags = [where] if where else []
    repository.dvc("exp", "run", *flags, "--name", name, "download", "-S", f"corpus.path='{escaped}'")
    if where == "--queue":
        repository.dvc("exp", "run", "--run-all")
    reference = repository.run("git", "for-each-ref", "--format=%(refname)", f"refs/exps/**/{name}").strip()
    lock = yaml.safe_load(repository.run("git", "show", f"{reference}:dvc.lock"))
    (songs,) = (dep for dep in lock["stages"]["download"]["deps"] if dep["path"] == "data/songs")
    assert songs["nfiles"] == sum(file.is_file() for file in folder.rglob("*"))
    repository.run("git", "checkout", "--quiet", ".")


def test_a_folder_there_and_back_is_linked_again_although_dvc_has_committed_the_stage(own):
    repository, folder = own
    other, link = folder.parent / "other", repository.root / "data" / "songs"
    other.mkdir()
    for path in (folder, other, folder):
        set_path(repository, str(path))
        assert repository.ran("repro", "links") == {"links"}
        repository.dvc("commit", "--force", "links")  # as dvc exp save does: fills the run-cache
        assert link.resolve() == path
    shutil.rmtree(repository.root / "data")
    assert repository.ran("repro", "links") == {"links"}
    assert link.resolve() == folder
