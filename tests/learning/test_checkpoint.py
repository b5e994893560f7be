from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rnnsep.learning.checkpoint import Checkpoint


def variables(seed: int) -> list[tf.Variable]:
    """A matrix, a step counter and the state of a random generator."""
    random = np.random.default_rng(seed)
    return [
        tf.Variable(random.normal(size=(3, 2)).astype(np.float32)),
        tf.Variable(random.integers(1, 99)),
        tf.Variable(random.integers(0, 2**32, size=2, dtype=np.uint32)),
    ]


def state() -> Checkpoint:
    checkpoint = Checkpoint()
    checkpoint.epoch, checkpoint.best_epoch, checkpoint.best_loss = 3, 2, -0.1
    checkpoint.best_weights = [np.full((2, 2), 0.5, np.float32), np.zeros(12, np.float32)]
    checkpoint.history = [(1, 1 / 3, float("nan"), 0.002), (2, 0.1, -0.1, 0.002), (3, 0.05, 0.0, 0.001)]
    return checkpoint


def test_what_is_read_is_what_was_written_and_variables_are_set(tmp_path: Path) -> None:
    written, stored, read = state(), variables(0), variables(1)
    written.write(tmp_path / "checkpoint.npz", stored)
    back = Checkpoint.read(tmp_path / "checkpoint.npz", read)
    for one, other in zip([*stored, *written.best_weights], [*read, *back.best_weights], strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    numbers = ("epoch", "best_epoch", "best_loss")
    assert [getattr(back, name) for name in numbers] == [getattr(written, name) for name in numbers]
    np.testing.assert_array_equal(back.history, written.history)
    assert all(isinstance(row, tuple) for row in back.history)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stored = tmp_path / "checkpoint.npz", variables(0)
    state().write(path, stored)
    before = path.read_bytes()

    def full(file: Path, **arrays: np.ndarray) -> None:
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        state().write(path, variables(2))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
