import os
import signal
import time
from functools import partial

import psutil
import pytest

from rnnsep.running import progress, workers
from rnnsep.running.errors import UserError
from rnnsep.running.workers import nb_cores, nb_workers, parallel_map
from tests import processes
from tests.running.functions import blas_threads, die, fail_at, mark, square


@pytest.mark.parametrize("number", ["1", "2"])
def test_results_are_in_order_errors_keep_their_message_and_blas_has_one_thread(number, tmp_path, monkeypatch):
    monkeypatch.setenv("RNNSEP_WORKERS", number)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert parallel_map(square, range(7), "squares") == [x * x for x in range(7)]
    assert parallel_map(square, [], "nothing") == []
    assert parallel_map(blas_threads, range(2), "threads") == [1, 1]
    assert "OMP_NUM_THREADS" not in os.environ
    with pytest.raises(UserError, match="^song 3: broken$"):
        parallel_map(partial(fail_at, 3), range(6), "songs")
    processes = set(parallel_map(partial(mark, tmp_path), range(8), "marks"))
    assert (os.getpid() in processes) == (number == "1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(x) for x in range(8)]


def test_a_killed_worker_is_one_clear_line(monkeypatch):
    monkeypatch.setenv("RNNSEP_WORKERS", "2")
    with pytest.raises(UserError, match="a worker process was killed"):
        parallel_map(die, range(2), "songs")


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_ends_all_at_once_and_leaves_nothing_half_written(tmp_path, times):
    process = processes.start("-m", "tests.running.functions", tmp_path, RNNSEP_WORKERS="2")
    while len(list(tmp_path.iterdir())) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    others = psutil.Process(process.pid).children(recursive=True)
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    _, said = process.communicate(timeout=60)  # on a machine however busy; none of the songs ever ends
    assert process.returncode == 130
    assert said == "interrupted (songs: 0 of 6 finished)\n" if times == 1 else said.startswith("interrupted")
    assert psutil.wait_procs(others, timeout=60)[1] == []
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_workers_comes_from_the_environment_or_from_cores_and_memory(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"  # of a container
    monkeypatch.setattr(workers, "LIMITS", (limit,))
    monkeypatch.delenv("RNNSEP_WORKERS", raising=False)
    for content in (None, "max\n"):
        if content:
            limit.write_text(content)
        assert workers.available_memory() > 1 << 20
    limit.write_text(f"{workers.MEMORY - 1}\n")
    assert workers.available_memory() < workers.MEMORY
    assert nb_workers() == 1
    monkeypatch.setattr(workers, "available_memory", lambda: 1 << 50)
    assert nb_workers() == nb_cores() >= 1
    monkeypatch.setenv("RNNSEP_WORKERS", "3")
    assert nb_workers() == 3
    for bad in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("RNNSEP_WORKERS", bad)
        with pytest.raises(UserError, match=f"RNNSEP_WORKERS: must be a whole number from 1, not '{bad}'"):
            nb_workers()


@pytest.mark.parametrize(("total", "expected"), [(3, 3), (10, 10), (1000, 10)])
def test_away_from_a_terminal_there_are_at_most_ten_lines_or_none(total, expected, capsys):
    with progress.Progress("songs", total) as shown:
        for _ in range(total):
            shown.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == expected
    assert lines[-1] == f"songs: {total}/{total}"
    with progress.Progress("steps", 2, lines=False) as shown:
        shown.advance("loss 1")
    assert capsys.readouterr() == ("", "")


def test_the_time_left_leaves_out_a_slow_first_round(monkeypatch):
    times = iter([0.0, 100.0, 110.0, 130.0, 140.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    clock = progress.Clock(4)
    assert [clock.left() for _ in range(4)] == ["0:05:00 left", "0:00:20 left", "0:00:15 left", ""]
