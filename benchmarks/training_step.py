"""
One training step of a recurrent separation network on a CPU, against PyTorch and against Keras.

Network: three recurrent layers of 256 units on 513 bins, a dense layer with a sigmoid mask for each of four
sources, mean squared error of the masked mixture, Adam. Batch of 16 sequences of 128 frames, float32.
Our side has the memory allocator that training has; PyTorch and Keras have their defaults.

Run: OMP_NUM_THREADS=1 python -m benchmarks.training_step [gru lstm blstm relu] [--rounds 9]
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import _timing
from rnnsep.layers.backend import import_tensorflow

NB_BATCH, NB_FRAMES, NB_BINS, NB_SOURCES = 16, 128, 513, 4
UNITS, NB_LAYERS = 256, 3
NB_STEPS = 4  # per timed call
CELLS = ("gru", "lstm", "blstm", "relu")


def _data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    sources = random.random((NB_BATCH, NB_FRAMES, NB_SOURCES, NB_BINS), np.float32)
    return sources.sum(2), sources


def torch_side(cell: str) -> Callable[[], object]:
    """Stock `torch.nn`, with Adam as it comes."""
    import torch

    torch.set_num_threads(1)
    mixture, sources = (torch.from_numpy(array) for array in _data())
    kind = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "blstm": torch.nn.LSTM, "relu": torch.nn.RNN}[cell]
    options: dict[str, Any] = {"nonlinearity": "relu"} if cell == "relu" else {}
    both = cell == "blstm"
    recurrent = kind(NB_BINS, UNITS, NB_LAYERS, batch_first=True, bidirectional=both, **options)
    dense = torch.nn.Linear(UNITS * (2 if both else 1), NB_SOURCES * NB_BINS)
    optimizer = torch.optim.Adam([*recurrent.parameters(), *dense.parameters()], 1e-4)

    def steps() -> None:
        for _ in range(NB_STEPS):
            hidden, _ = recurrent(mixture)
            mask = torch.sigmoid(dense(hidden)).unflatten(-1, (NB_SOURCES, NB_BINS))
            loss = torch.nn.functional.mse_loss(mask * mixture[:, :, None], sources)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()

    return steps


def _keras_model(recurrent: Callable[[], Any]) -> Any:
    import keras

    mixture = keras.Input((NB_FRAMES, NB_BINS), NB_BATCH)
    hidden = mixture
    for _ in range(NB_LAYERS):
        hidden = recurrent()(hidden)
    mask = keras.layers.Dense(NB_SOURCES * NB_BINS, "sigmoid")(hidden)
    mask = keras.layers.Reshape((NB_FRAMES, NB_SOURCES, NB_BINS))(mask)
    return keras.Model(mixture, mask * keras.layers.Reshape((NB_FRAMES, 1, NB_BINS))(mixture))


def keras_side(cell: str) -> Callable[[], object]:
    """`keras.layers` and `fit`, an epoch of a few batches, without XLA, which makes it slower."""
    import keras

    def recurrent() -> Any:
        if cell == "relu":
            return keras.layers.SimpleRNN(UNITS, "relu", return_sequences=True)
        layer = (keras.layers.GRU if cell == "gru" else keras.layers.LSTM)(UNITS, return_sequences=True)
        return keras.layers.Bidirectional(layer) if cell == "blstm" else layer

    model = _keras_model(recurrent)
    model.compile(keras.optimizers.Adam(1e-4), "mse", jit_compile=False)
    mixture, sources = (np.concatenate([array] * NB_STEPS) for array in _data())
    return lambda: model.fit(mixture, sources, NB_BATCH, shuffle=False, verbose=0)


def our_side(cell: str, jit_compile: bool) -> Callable[[], object]:
    """`rnnsep`'s layers in a training step of our own."""
    import_tensorflow()
    import keras
    import tensorflow as tf

    from rnnsep.layers.recurrence.layer import Recurrent

    kinds = {
        "gru": lambda: Recurrent("gru", UNITS),
        "lstm": lambda: Recurrent("lstm", UNITS),
        "blstm": lambda: Recurrent("lstm", UNITS, bidirectional=True),
        "relu": lambda: Recurrent("vanilla", UNITS),
    }
    model = _keras_model(kinds[cell])
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    mixture, sources = (tf.constant(array) for array in _data())

    @tf.function(jit_compile=True)
    def update(gradients: Any) -> None:
        optimizer.apply(gradients)

    @tf.function(jit_compile=jit_compile)
    def step(mixture: Any, sources: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.math.squared_difference(model(mixture, training=True), sources))
        update(tape.gradient(loss, [variable.value for variable in model.trainable_variables]))
        return loss

    def steps() -> None:
        for _ in range(NB_STEPS):
            float(step(mixture, sources))

    return steps


def sgemm_side() -> Callable[[], object]:
    """Square products, whose rate bounds everything else: 2 x 2048^3 operations."""
    import tensorflow as tf

    a = tf.random.normal((2048, 2048))
    return lambda: float(tf.matmul(a, a)[0, 0])


def operations(cell: str) -> float:
    """Floating-point operations of all matrix products in a step."""
    gates = {"gru": 3, "lstm": 4, "blstm": 4, "relu": 1}[cell]
    directions = 2 if cell == "blstm" else 1
    inputs = [NB_BINS] + [UNITS * directions] * (NB_LAYERS - 1)
    weights = [directions * gates * UNITS * (features + UNITS) for features in inputs]
    head = UNITS * directions * NB_SOURCES * NB_BINS
    not_needed = directions * gates * UNITS * NB_BINS  # no gradient of the mixture
    return 2.0 * NB_BATCH * NB_FRAMES * (3 * (sum(weights) + head) - not_needed)


def run(cell: str, rounds: int = 9) -> str:
    """Times all sides and returns the section that reports them."""
    sides = {
        "rnnsep": functools.partial(our_side, cell, False),
        "rnnsep, all of the step in XLA": functools.partial(our_side, cell, True),
        "torch.nn (stock wheel)": functools.partial(torch_side, cell),
        "keras.layers and fit": functools.partial(keras_side, cell),
        "a product of 2048 x 2048 matrices": sgemm_side,
    }
    timings = _timing.alternate(sides, rounds)
    rate = 2.0 * 2048**3 / min(timings.pop("a product of 2048 x 2048 matrices").cpu)
    for timing in timings.values():
        timing.cpu = [one / NB_STEPS for one in timing.cpu]
        timing.wall = [one / NB_STEPS for one in timing.wall]
    ours = timings["rnnsep"].median_cpu
    return "\n".join(
        [
            f"### Training step, {cell.upper()} {NB_LAYERS} x {UNITS}, one thread",
            "",
            _timing.table(timings, "rnnsep"),
            "",
            f"{NB_BATCH * NB_FRAMES / ours:.0f} frames/s; {operations(cell) / 1e9:.1f} GF of products in a step, "
            f"{operations(cell) / ours / 1e9:.0f} GF/s, {100 * operations(cell) / ours / rate:.0f} % of the "
            f"measured sgemm rate ({rate / 1e9:.0f} GF/s).",
            "",
        ]
    )


def main() -> None:
    cells = {"nargs": "*", "metavar": "|".join(CELLS)}
    arguments = _timing.begin(__doc__, 9, "tensorflow", "keras", "torch", "numpy", cells=cells)
    for cell in arguments.cells or CELLS:
        print(run(cell, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
