"""The learning rate: warm-up, cosine decay, and reduction on a plateau of the validation loss."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from rnnsep.learning.recipe import TrainingParams

PLATEAU_FACTOR = 0.3  # as Open-Unmix (Stöter et al., 2019)


def rate_of_step(rate: tf.Tensor, step: tf.Tensor, nb_steps: int, params: TrainingParams) -> tf.Tensor:
    """The learning rate of step `step`, counted from 0, of `nb_steps`; `rate` is that of its epoch."""
    rate *= tf.minimum(1.0, (step + 1) / max(1, params.warmup))
    if params.schedule == "cosine":
        rate *= 0.5 * (1 + tf.cos(np.pi * tf.minimum(step / nb_steps, 1.0)))
    return rate


def rate_of_epoch(valid_losses: Sequence[float], params: TrainingParams) -> float:
    """The learning rate of the epoch after those with `valid_losses`, before warm-up and decay.

    `valid_losses` are what `training.select` selects by; lower is better. With the plateau schedule the rate falls by
    `PLATEAU_FACTOR` whenever they have stalled for half the patience.
    """
    scale, best, stalled = 1.0, np.inf, 0
    for loss in valid_losses if params.schedule == "plateau" else ():
        stalled = 0 if loss < best else stalled + 1
        best = min(best, loss)
        if stalled >= max(1, params.patience // 2):
            scale, stalled = scale * PLATEAU_FACTOR, 0
    return params.learning_rate * scale
