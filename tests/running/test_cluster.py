"""Maps over songs on Dask clusters: two workers of a `LocalCluster`, and a scheduler and workers started by hand."""

import os
import shutil
import sys
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest

from rnnsep.features.extraction import write_features
from rnnsep.running import cluster
from rnnsep.running.errors import UserError
from rnnsep.running.workers import parallel_map
from rnnsep.scoring.evaluation import score_estimates
from rnnsep.signal.corpus import EvaluationParams
from tests.learning.conftest import STFT, write_bands
from tests.running.functions import blas_threads, die, fail_at, say, square, whose

distributed = pytest.importorskip("distributed", reason="needs the extra distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed"),
    pytest.mark.usefixtures("on_two_workers"),
]

EVALUATION = EvaluationParams(engine="fast", window=1.0, hop=1.0, version="v4", split="test")


@pytest.fixture(scope="module")
def address():
    """A scheduler in this process and two workers that are processes of their own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, memory_limit=None
    ) as started:
        yield started.scheduler_address


@pytest.fixture
def on_two_workers(address, monkeypatch):
    monkeypatch.setenv(cluster.ADDRESS, address)


def test_results_come_in_the_order_of_the_items_and_progress_is_shown(capfd):
    assert parallel_map(square, range(5), "squares") == [x * x for x in range(5)]
    assert capfd.readouterr().err.splitlines()[-1] == "squares: 5/5"
    assert parallel_map(square, [], "nothing") == []
    assert parallel_map(say, range(2), "prints") == [0, 1]


def test_a_task_has_this_folder_this_code_and_one_blas_thread(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = parallel_map(whose, range(2), "songs")
    assert {(folder, code) for _, folder, code in found} == {(str(tmp_path), cluster.__file__)}
    assert os.getpid() not in {parent for parent, *_ in found}
    assert list(tmp_path.iterdir()) == []
    assert parallel_map(blas_threads, range(2), "threads") == [1, 1]


def test_an_error_keeps_its_message():
    with pytest.raises(UserError, match=r"^song 3: broken$"):
        parallel_map(partial(fail_at, 3), range(4), "songs")
    with pytest.raises(ValueError, match="invalid literal") as error:
        parallel_map(int, ["one"], "songs")
    assert "Traceback" in error.value.__notes__[0]


def test_a_song_that_kills_its_process_each_time_is_one_clear_line():
    with pytest.raises(UserError, match=r"killed repeatedly.*\(song 0 is too large\); run again"):
        parallel_map(die, range(1), "songs")


def test_workers_that_do_not_see_these_files_are_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster.Path, "cwd", lambda: tmp_path / "elsewhere")
    unseen = nullcontext(SimpleNamespace(name=str(tmp_path / "witness")))
    monkeypatch.setattr(cluster.tempfile, "NamedTemporaryFile", lambda **_: unseen)
    with pytest.raises(UserError, match=r"a worker does not see .*elsewhere; all need .*elsewhere at the same path"):
        parallel_map(square, [1], "songs")
    monkeypatch.setattr(cluster.Path, "cwd", lambda: tmp_path)
    with pytest.raises(UserError, match=rf"a worker on .* has other files in {tmp_path} than this run"):
        parallel_map(square, [1], "songs")


def test_no_scheduler_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 0.1)
    for bad in ("tcp://127.0.0.1:1", "nonsense://x"):
        monkeypatch.setenv(cluster.ADDRESS, bad)
        with pytest.raises(UserError, match=rf"^DASK_SCHEDULER_ADDRESS: no scheduler answers at {bad}; unset it"):
            parallel_map(square, range(2), "songs")


def test_without_the_extra_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setenv(cluster.ADDRESS, "tcp://127.0.0.1:1")
    with pytest.raises(UserError, match="uv sync --extra distributed"):
        parallel_map(square, range(2), "songs")


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A corpus of two test songs, whose sources also serve as estimates, and in `local` what stages make of it here."""
    root = tmp_path_factory.mktemp("local")
    write_bands(root / "corpus", nb_test=2, seconds=1.5)
    shutil.copytree(root / "corpus" / "test", root / "estimates")
    run_stages(root, root / "local")
    return root


def run_stages(root, to):
    """Two maps over songs, and the files that they write."""
    write_features(root / "corpus", to / "features", STFT)
    score_estimates(root / "corpus", root / "estimates", to / "RNN", EVALUATION)
    return {path.relative_to(to).as_posix(): path.read_bytes() for path in to.rglob("*") if path.is_file()}


def test_stages_write_the_bytes_that_they_write_locally(local, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CHUNKS", 1)
    assert run_stages(local, tmp_path) == run_stages(local, local / "local")
