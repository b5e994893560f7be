import os
import signal
from functools import partial
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from rnnsep.running.errors import UserError
from rnnsep.running.workers import map_songs, nb_cores, nb_workers


def square(x: int) -> int:
    return x * x


def fail_at(bad: int, x: int) -> int:
    if x == bad:
        raise UserError(f"song {x}: broken")
    return x


def mark(folder: Path, x: int) -> int:
    (folder / str(x)).touch()
    return os.getpid()


def die(x: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def blas_threads(_: int) -> int:
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))
    return max(library["num_threads"] for library in threadpool_info())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_results_come_in_the_order_of_the_items(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", workers)
    assert map_songs(square, range(7), "squares") == [x * x for x in range(7)]
    assert map_songs(square, [], "nothing") == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_keeps_its_message(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", workers)
    with pytest.raises(UserError, match="^song 3: broken$"):
        map_songs(partial(fail_at, 3), range(6), "songs")


def test_two_workers_are_two_processes_and_neither_is_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "2")
    processes = set(map_songs(partial(mark, tmp_path), range(8), "marks"))
    assert os.getpid() not in processes
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(x) for x in range(8)]


def test_a_killed_worker_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "2")
    with pytest.raises(UserError, match="a worker process was killed"):
        map_songs(die, range(2), "songs")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_item_sees_one_blas_thread_and_the_environment_is_put_back(
    workers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", workers)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert map_songs(blas_threads, range(2), "threads") == [1, 1]
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_number_of_workers_comes_from_the_environment_or_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNSEP_WORKERS", raising=False)
    assert nb_workers() == nb_cores() >= 1
    monkeypatch.setenv("RNNSEP_WORKERS", "3")
    assert nb_workers() == 3
    for bad in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("RNNSEP_WORKERS", bad)
        with pytest.raises(UserError, match=f"RNNSEP_WORKERS: must be a whole number from 1, not '{bad}'"):
            nb_workers()
