import pytest

from rnnsep.running import progress as module
from rnnsep.running.progress import Clock, Progress


@pytest.mark.parametrize(("total", "expected"), [(3, 3), (10, 10), (1000, 10)])
def test_away_from_a_terminal_there_are_at_most_ten_lines(total, expected, capsys):
    with Progress("songs", total) as progress:
        for _ in range(total):
            progress.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == expected
    assert lines[-1] == f"songs: {total}/{total}"


def test_lines_can_be_left_out(capsys):
    with Progress("steps", 2, lines=False) as progress:
        progress.advance("loss 1")
    assert capsys.readouterr() == ("", "")


def test_the_time_left_leaves_out_a_slow_first_round(monkeypatch):
    times = iter([0.0, 100.0, 110.0, 130.0, 140.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(times))
    clock = Clock(4)
    assert [clock.left() for _ in range(4)] == ["0:05:00 left", "0:00:20 left", "0:00:15 left", ""]
