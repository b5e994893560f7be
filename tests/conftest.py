"""What several test files share."""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
from filelock import FileLock
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from tests.repository import Repository, make_repository

# on a busy machine Hypothesis takes slowness for a fault; where CI is set, the same examples every time
settings.register_profile(
    "rnnsep", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("rnnsep")

NAME = "a repository [x]"
Tree = Mapping[str, Mapping[str, NDArray[np.generic]]]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of research audio next to the repository."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no research audio in ../shared/data")
    return path


@pytest.fixture
def noise() -> Callable[..., NDArray[np.int16]]:
    """Noise `(nb_samples, nb_channels)`, the same for the same seed, quiet enough to be summed."""

    def make(seed: int, nb_samples: int = 800, nb_channels: int = 2) -> NDArray[np.int16]:
        return np.random.default_rng(seed).integers(-4000, 4000, (nb_samples, nb_channels), np.int16)

    return make


@pytest.fixture
def write_tree() -> Callable[..., Path]:
    """Writes `{"train/Song": {"vocals": audio, ...}, ...}` as sound files under a folder, which it returns."""

    def write(root: Path, songs: Tree, rate: int = 8000, suffix: str = ".wav", subtype: str = "PCM_16") -> Path:
        for song, stems in songs.items():
            (root / song).mkdir(parents=True)
            for name, audio in stems.items():
                soundfile.write(root / song / f"{name}{suffix}", audio, rate, subtype=subtype)
        return root

    return write


@pytest.fixture
def small_tree(tmp_path, noise, write_tree) -> Path:
    """A user's folder: four training songs and two test songs of drums and vocals, and their mixtures."""
    songs = {}
    for seed, song in enumerate(["train/a", "train/b", "train/c", "train/d", "test/e", "test/f"]):
        drums, vocals = noise(2 * seed), noise(2 * seed + 1)
        songs[song] = {"mixture": drums + vocals, "drums": drums, "vocals": vocals}
    return write_tree(tmp_path / "songs", songs)


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Repository:
    """A repository in which the whole pipeline has run, with one worker, and the results are committed.

    The processes of pytest-xdist share one run, of which each has a copy. Further runs have two workers.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    first, stages = shared / "first run", shared / "stages.json"
    with FileLock(shared / "first run.lock"):
        if not stages.exists():
            first.mkdir()
            made = make_repository(first / NAME)
            made.environment["RNNSEP_WORKERS"] = "1"
            ran = re.findall(r"^Running stage '(\w+)'", made.dvc("repro"), re.MULTILINE)
            made.commit("first results")
            stages.write_text(json.dumps(ran))
    root = tmp_path_factory.mktemp("end to end") / NAME
    shutil.copytree(first / NAME, root, symlinks=True)
    repository = Repository(root)
    repository.stages = json.loads(stages.read_text())
    repository.environment["RNNSEP_WORKERS"] = "2"
    return repository
