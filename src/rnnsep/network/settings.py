"""Keras' settings, which a user's script may have changed before it imports rnnsep."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def standard_settings() -> Iterator[None]:
    """Networks are made and run with Keras' own default settings inside; the user's are restored afterwards."""
    config = keras.config
    policy, kind, epsilon, layout = config.dtype_policy(), config.floatx(), config.epsilon(), config.image_data_format()
    _set("float32", "float32", 1e-7, "channels_last")
    try:
        yield
    finally:
        _set(policy, kind, epsilon, layout)


def _set(policy: object, kind: str, epsilon: float, layout: str) -> None:
    keras.config.set_floatx(kind)
    keras.config.set_dtype_policy(policy)  # after floatx, which changes it
    keras.config.set_epsilon(epsilon)
    keras.config.set_image_data_format(layout)
