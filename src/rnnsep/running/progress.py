"""Progress and warnings on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from datetime import timedelta

from rnnsep.running.errors import one_line


class Progress:
    """Counts to `total` under a label, with the time left.

    Without a terminal it prints about ten lines, or none if `lines` is false.
    """

    def __init__(self, label: str, total: int, lines: bool = True):
        self.label, self.total, self.lines, self.count = label, total, lines, 0
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm  # 0.03 s

            self._bar = tqdm(total=total, desc=label, leave=lines)

    def advance(self, note: str = "") -> None:
        self.count += 1
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update()
        elif self.lines and self.count * 10 // self.total > (self.count - 1) * 10 // self.total:
            print(f"{self.label}: {self.count}/{self.total} {note}".rstrip(), file=sys.stderr, flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


class Clock:
    """Estimates the time left for `total` rounds of similar length."""

    def __init__(self, total: int):
        self.total = total
        self.ends = [time.monotonic()]

    def left(self) -> str:
        """The text ", 1:05:09 left" at the end of a round, and nothing at the end of the last.

        The first round counts only while it is the only one, since it includes compilation.
        """
        self.ends.append(time.monotonic())
        done = len(self.ends) - 1
        first = min(1, done - 1)
        seconds = (self.ends[-1] - self.ends[first]) / (done - first) * (self.total - done)
        return f"{timedelta(seconds=round(seconds))} left" if done < self.total else ""


def warn(message: str) -> None:
    """Print one line about a file that is used although something is wrong with it."""
    print(f"warning: {one_line(message)}", file=sys.stderr, flush=True)
