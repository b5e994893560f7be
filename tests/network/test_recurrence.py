"""The recurrent layers against those of Keras: same weights, same numbers, same gradients."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnsep.network.recurrence import layers
from rnnsep.network.recurrence.layers import GRU, LSTM, VanillaRNN
from rnnsep.network.recurrence.scan import compiled, padded

KINDS = ["gru", "lstm", "relu", "tanh"]
# largest difference, relative to the largest value of the same tensor
TOLERANCE = {"float64": 1e-12, "float32": 5e-6, "mixed_bfloat16": 6e-2, "mixed_float16": 8e-3}


def pair(kind: str, units: int, bidirectional: bool, nb_features: int, **kwargs: Any) -> tuple[Any, Any]:
    """Our layer and that of Keras, with the same random weights."""
    if kind == "gru":
        ours = GRU(units, bidirectional, **kwargs)
        theirs = keras.layers.GRU(units, return_sequences=True, return_state=True, **kwargs)
    elif kind == "lstm":
        ours = LSTM(units, bidirectional, **kwargs)
        theirs = keras.layers.LSTM(units, return_sequences=True, return_state=True, **kwargs)
    else:
        ours = VanillaRNN(units, kind, bidirectional, **kwargs)
        theirs = keras.layers.SimpleRNN(units, kind, return_sequences=True, return_state=True, **kwargs)
    if bidirectional:
        theirs = keras.layers.Bidirectional(theirs, **kwargs)
    ours.build((None, None, nb_features))
    theirs.build((None, None, nb_features))
    random = np.random.default_rng(0)
    weights = [random.normal(0, 0.4, weight.shape) for weight in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def random_tensor(shape: tuple[int, ...], dtype: str = "float32", seed: int = 1) -> Any:
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def nested(flat: list[Any], layer: Any) -> list[list[Any]]:
    """A flat list of state tensors, as Keras wants it, in our nested form."""
    return [flat[i : i + layer.nb_states] for i in range(0, len(flat), layer.nb_states)]


def flat(state: list[list[Any]]) -> list[Any]:
    return [one for states in state for one in states]


def assert_close(ours: list[Any], theirs: list[Any], tolerance: float) -> None:
    assert len(ours) == len(theirs)
    for mine, peer in zip(ours, theirs, strict=True):
        mine, peer = np.asarray(mine, np.float64), np.asarray(peer, np.float64)
        assert mine.shape == peer.shape
        assert np.abs(mine - peer).max() <= tolerance * np.abs(peer).max()


def outputs_and_gradients(call: Any, inputs: list[Any], variables: list[Any]) -> list[Any]:
    """Outputs and states of call(*inputs), and the gradients of a weighted sum of them all."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        results = [tf.cast(one, tf.float64) for one in call(*inputs)]
        weights = [random_tensor(one.shape, "float64", seed=7 + i) for i, one in enumerate(results)]
        total = tf.add_n([tf.reduce_sum(one * weight) for one, weight in zip(results, weights, strict=True)])
    return [*results, *tape.gradient(total, [*inputs, *(variable.value for variable in variables)])]


def compare(ours: Any, theirs: Any, x: Any, states: list[Any], tolerance: float, compiled: Any) -> None:
    def run_ours(x: Any, *states: Any) -> list[Any]:
        outputs, state = ours(x, initial_state=nested(list(states), ours) or None, return_state=True)
        return [outputs, *flat(state)]

    def run_theirs(x: Any, *states: Any) -> list[Any]:
        return list(theirs(x, initial_state=list(states) or None))

    expected = outputs_and_gradients(run_theirs, [x, *states], theirs.trainable_variables)
    found = compiled(lambda: outputs_and_gradients(run_ours, [x, *states], ours.trainable_variables))()
    assert_close(found, expected, tolerance)


MODES = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_states_and_gradients_are_those_of_keras(kind: str, mode: str) -> None:
    ours, theirs = pair(kind, 5, True, 3)
    nb_states = ours.nb_states * 2
    states = [random_tensor((4, 5), seed=20 + i) for i in range(nb_states)]
    compare(ours, theirs, random_tensor((4, 7, 3)), states, TOLERANCE["float32"], MODES[mode])


@pytest.mark.parametrize("kind", KINDS)
def test_one_direction_from_the_zero_state(kind: str) -> None:
    ours, theirs = pair(kind, 5, False, 3)
    compare(ours, theirs, random_tensor((4, 7, 3)), [], TOLERANCE["float32"], MODES["graph"])


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("kind", ["gru", "lstm", "relu"])
def test_other_precisions_are_those_of_keras(kind: str, policy: str) -> None:
    ours, theirs = pair(kind, 5, False, 3, dtype=policy)
    assert {weight.dtype for weight in ours.weights} == {"float64" if policy == "float64" else "float32"}
    x = random_tensor((4, 7, 3), ours.compute_dtype)
    compare(ours, theirs, x, [], TOLERANCE[policy], MODES["graph"])


@pytest.mark.parametrize(("nb_batch", "nb_frames"), [(4, 1), (1, 9), (1, 1), (17, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_frames_and_any_batch(kind: str, nb_batch: int, nb_frames: int) -> None:
    ours, theirs = pair(kind, 5, False, 3)
    compare(ours, theirs, random_tensor((nb_batch, nb_frames, 3)), [], TOLERANCE["float32"], MODES["eager"])


@pytest.mark.parametrize(("nb_batch", "nb_frames", "units"), [(4, 5, 5), (3, 2, 9)])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_odd_shapes_in_double_precision(kind: str, nb_batch: int, nb_frames: int, units: int) -> None:
    """XLA of TensorFlow 2.21 gave wrong gradients for the first of these when products were concatenated."""
    ours, theirs = pair(kind, units, False, 3, dtype="float64")
    x = random_tensor((nb_batch, nb_frames, 3), "float64")
    compare(ours, theirs, x, [], TOLERANCE["float64"], MODES["graph"])


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize(("kind", "units"), [("lstm", 128), ("relu", 512)])
def test_rows_a_page_apart(kind: str, units: int, mode: str) -> None:
    """Products of these matrices use padded copies (see `padded`)."""
    ours, theirs = pair(kind, units, False, 3, dtype="float64")
    kernel = tf.convert_to_tensor(ours.directions[0].cell.kernel)
    assert padded(kernel).shape[1] > kernel.shape[1]
    compare(ours, theirs, random_tensor((2, 3, 3), "float64"), [], TOLERANCE["float64"], MODES[mode])


@pytest.mark.parametrize("kind", KINDS)
def test_one_trace_serves_sequences_of_all_lengths(kind: str) -> None:
    ours, theirs = pair(kind, 5, True, 3)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3))])
    def run(x: Any) -> Any:
        traces.append(x.shape)
        return tf.gradients(tf.reduce_sum(ours(x) ** 2), x)[0]

    for shape in [(4, 7, 3), (2, 1, 3), (3, 12, 3)]:
        x = random_tensor(shape)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(theirs(x)[0] ** 2)
        assert_close([run(x)], [tape.gradient(total, x)], TOLERANCE["float32"])
    assert traces == [(None, None, 3)]


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_with_carried_state_are_the_whole_sequence(kind: str) -> None:
    ours, _ = pair(kind, 5, False, 3)
    x = random_tensor((4, 11, 3))
    whole, last = ours(x, return_state=True)
    state, chunks = None, []
    for chunk in (x[:, :4], x[:, 4:5], x[:, 5:]):
        outputs, state = ours(chunk, initial_state=state, return_state=True)
        chunks.append(outputs)
    assert_close([np.concatenate(chunks, 1), *flat(state)], [whole, *flat(last)], TOLERANCE["float32"])


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("kind", ["gru", "relu"])
def test_two_runs_give_the_same_bytes(kind: str, mode: str) -> None:
    ours, _ = pair(kind, 32, False, 24)
    x = random_tensor((8, 20, 24))
    run = MODES[mode](lambda: outputs_and_gradients(lambda x: [ours(x)], [x], ours.trainable_variables))
    for first, second in zip(run(), run(), strict=True):
        assert np.asarray(first).tobytes() == np.asarray(second).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_initial_weights_are_those_of_keras(kind: str) -> None:
    keras.utils.set_random_seed(5)
    ours = {"gru": GRU, "lstm": LSTM}.get(kind, VanillaRNN)(6, bidirectional=True)
    ours.build((None, None, 4))
    keras.utils.set_random_seed(5)
    theirs = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}.get(kind, keras.layers.SimpleRNN)(6)
    theirs.build((None, None, 4))
    forward, backward = ours.get_weights()[:3], ours.get_weights()[3:]
    for mine, peer in zip(forward, theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, peer)
    assert [weight.shape for weight in backward] == [weight.shape for weight in forward]
    assert np.abs(forward[0] - backward[0]).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_configuration_makes_the_layer_again(kind: str) -> None:
    ours, _ = pair(kind, 5, True, 3, name="recurrent", dtype="mixed_bfloat16")
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    assert (again.units, again.bidirectional, again.name) == (5, True, "recurrent")
    assert again.compute_dtype == "bfloat16"
    assert getattr(again, "activation", None) == getattr(ours, "activation", None)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15, NumPy 2.4
@pytest.mark.parametrize("kind", ["lstm", "relu"])
def test_models_are_saved_and_loaded(kind: str, tmp_path: Any) -> None:
    def model() -> Any:
        first, _ = pair(kind, 5, True, 3)
        first = type(first).from_config(first.get_config())
        sequence = keras.Input((None, 3))
        return keras.Model(sequence, keras.layers.Dense(2)(first(sequence)))

    keras.utils.set_random_seed(3)
    saved, other = model(), model()
    x = random_tensor((2, 6, 3))
    assert np.abs(saved(x) - other(x)).max() > 1e-3
    saved.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    saved.save(tmp_path / "model.keras")
    whole = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(saved(x), other(x))
    np.testing.assert_array_equal(saved(x), whole(x))


def test_a_subclassed_model_learns() -> None:
    class Model(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stack = [GRU(6), VanillaRNN(6, bidirectional=True)]
            self.head = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            for layer in self.stack:
                x = layer(x)
            return self.head(x)

    keras.utils.set_random_seed(2)
    x = random_tensor((16, 8, 2))
    y = tf.cumsum(x, 1)[..., :1]
    model = Model()
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    losses = model.fit(x, y, epochs=25, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_way_taken_on_a_gpu_gives_the_same(kind: str, bidirectional: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = pair(kind, 5, bidirectional, 3)
    x = random_tensor((4, 7, 3))
    run = lambda x: (lambda y, s: [y, *flat(s)])(*ours(x, return_state=True))  # noqa: E731
    expected = outputs_and_gradients(run, [x], ours.trainable_variables)
    monkeypatch.setattr(layers, "has_cudnn_device", lambda: True)
    monkeypatch.setattr(type(ours), "run", None)
    found = outputs_and_gradients(run, [x], ours.trainable_variables)
    assert_close(found, expected, TOLERANCE["float32"])


def test_xla_never_meets_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda _: ["GPU:0"])
    found["eager"] = layers.has_cudnn_device()
    for mode in ("graph", "xla"):

        def trace(x: Any, mode: str = mode) -> Any:
            found[mode] = layers.has_cudnn_device()
            return x

        MODES[mode](trace)(1.0)
    assert found == {"eager": True, "graph": True, "xla": False}


@pytest.mark.parametrize("jit", [False, True])
def test_layers_of_the_same_shapes_are_traced_once(jit: bool) -> None:
    traced: list[Any] = []

    @compiled
    def times(x: Any, factor: int) -> Any:
        traced.append((x.shape[2], factor))
        return factor * x

    @tf.function(jit_compile=jit, autograph=False, input_signature=[tf.TensorSpec((1, None, 3))])
    def deep(x: Any) -> Any:
        for factor in (2, 3, 2, 3):
            x = times(x, factor)
        return times(x[..., :1], 2)

    for nb_frames in (2, 5):
        x = random_tensor((1, nb_frames, 3))
        np.testing.assert_allclose(deep(x), 72 * x[..., :1], rtol=1e-6)
    assert traced == [(3, 2), (3, 3), (1, 2)]


def test_an_empty_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        GRU(4)(tf.zeros((2, 0, 3)))


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="'relu' or 'tanh'"):
        VanillaRNN(4, activation="sigmoid")
