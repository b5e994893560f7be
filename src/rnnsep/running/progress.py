"""Progress: a bar on a terminal, plain lines elsewhere."""

import sys
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts to `total` under a label. Away from a terminal it prints at most about ten lines."""

    def __init__(self, label: str, total: int):
        self.label, self.total, self.count = label, total, 0
        self._bar = tqdm(total=total, desc=label, leave=True) if sys.stderr.isatty() else None

    def advance(self, note: str = "") -> None:
        self.count += 1
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update()
        elif self.count * 10 // self.total > (self.count - 1) * 10 // self.total:
            print(f"{self.label}: {self.count}/{self.total} {note}".rstrip(), flush=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
