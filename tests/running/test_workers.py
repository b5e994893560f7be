import os
from functools import partial
from pathlib import Path

import pytest

from rnnsep.running import workers
from rnnsep.running.errors import UserError
from rnnsep.running.workers import nb_cores, nb_workers, parallel_map
from tests.running.functions import blas_threads, die, fail_at, mark, square


@pytest.mark.parametrize("number", ["1", "2"])
def test_results_come_in_the_order_of_the_items(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", number)
    assert parallel_map(square, range(7), "squares") == [x * x for x in range(7)]
    assert parallel_map(square, [], "nothing") == []


@pytest.mark.parametrize("number", ["1", "2"])
def test_an_error_keeps_its_message(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", number)
    with pytest.raises(UserError, match="^song 3: broken$"):
        parallel_map(partial(fail_at, 3), range(6), "songs")


def test_two_workers_are_two_processes_and_neither_is_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "2")
    processes = set(parallel_map(partial(mark, tmp_path), range(8), "marks"))
    assert os.getpid() not in processes
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(x) for x in range(8)]


def test_a_killed_worker_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "2")
    with pytest.raises(UserError, match="a worker process was killed"):
        parallel_map(die, range(2), "songs")


@pytest.mark.parametrize("number", ["1", "2"])
def test_every_item_sees_one_blas_thread_and_the_environment_is_put_back(
    number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", number)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert parallel_map(blas_threads, range(2), "threads") == [1, 1]
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_number_of_workers_comes_from_the_environment_or_from_cores_and_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RNNSEP_WORKERS", raising=False)
    monkeypatch.setattr(workers, "available_memory", lambda: 1 << 50)
    assert nb_workers() == nb_cores() >= 1
    monkeypatch.setattr(workers, "available_memory", lambda: workers.MEMORY - 1)
    assert nb_workers() == 1
    monkeypatch.setenv("RNNSEP_WORKERS", "3")
    assert nb_workers() == 3
    for bad in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("RNNSEP_WORKERS", bad)
        with pytest.raises(UserError, match=f"RNNSEP_WORKERS: must be a whole number from 1, not '{bad}'"):
            nb_workers()


def test_the_memory_at_hand_is_at_most_that_of_the_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(workers, "LIMITS", (limit,))
    free = workers.available_memory()
    assert free > 1 << 20
    limit.write_text("max\n")
    assert workers.available_memory() > 1 << 20
    limit.write_text("4096\n")
    assert workers.available_memory() == 4096
