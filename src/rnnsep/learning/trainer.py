"""A network with its optimiser: single steps, L-BFGS, and the moving average of the weights."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import keras
import numpy as np
import scipy.optimize
import tensorflow as tf

from rnnsep.learning.distribution import gpus, replicas
from rnnsep.learning.losses import LossParams, loss_of
from rnnsep.learning.sampling import Batch
from rnnsep.network.network import MaskNetwork, masked_channels
from rnnsep.params import ParamError, Range


@dataclass(frozen=True)
class TrainingParams:
    """Section `training` of params.yaml."""

    seed: Annotated[int, Range(0, 2**32 - 1)]
    epochs: Annotated[int, Range(1)]
    pretraining: Annotated[int, Range(0)]  # epochs
    patience: Annotated[int, Range(1)]
    optimizer: Literal["adam", "sgd", "lbfgs"]
    momentum: Annotated[float, Range(0, 0.9999)]
    learning_rate: Annotated[float, Range(0)]
    warmup: Annotated[int, Range(0)]
    schedule: Literal["cosine", "plateau", "constant"]
    weight_decay: Annotated[float, Range(0)]
    clip: Annotated[float, Range(1e-9)]
    averaging: Annotated[float, Range(0, 0.99999)]
    networks: Annotated[int, Range(1, 16)]
    threads: Annotated[int, Range(1, 1024)]
    precision: Literal["float32", "bfloat16"]

    def check(self) -> None:
        if self.optimizer == "lbfgs" and (self.averaging or self.weight_decay):
            key = "averaging" if self.averaging else "weight_decay"
            raise ParamError(key, "must be 0, since the optimizer is lbfgs")


class Trainer:
    """A network with its optimiser, its moving average and the compiled steps.

    `before` is a trained network, whose estimates of the sources this network then sees in place of the mixture.
    """

    def __init__(
        self,
        network: MaskNetwork,
        loss: LossParams,
        params: TrainingParams,
        steps_per_epoch: int,
        before: MaskNetwork | None = None,
    ):
        self.network, self.loss, self.params, self.before = network, loss, params, before
        self.replicas = replicas()
        self.first = before or network  # what sees the mixture
        self.nb_steps = params.epochs * steps_per_epoch
        self.weights = network.trainable_variables
        self.optimizer = optimizer(params)
        self.optimizer.build(self.weights)
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA  # all have the same
        self.averages = [tf.Variable(w.value, trainable=False, aggregation=first) for w in self.weights]
        self.variables = [*network.variables, *self.optimizer.variables, *self.averages]
        xla = not gpus()  # XLA cannot compile cuDNN's recurrent layers
        self._slope = tf.function(self._slope_of, jit_compile=xla)
        self._step = self.replicas.compiled(self._step_of, xla)
        self._evaluate = self.replicas.compiled(self._loss_of, xla)

    def restart_averages(self) -> None:
        """Let the moving average begin at the weights as they are."""
        assign(self.averages, [w.value for w in self.weights])

    def inputs(self, magnitude: tf.Tensor) -> tf.Tensor:
        """What the network sees where the first one sees `magnitude`."""
        if self.before is None:
            return magnitude
        return masked_channels(self.before(magnitude), magnitude[..., : self.before.nb_channels])

    def learning_rate(self, rate: tf.Tensor) -> tf.Tensor:
        """`rate` with the warm-up and the cosine applied, at the optimiser's current step."""
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        rate *= tf.minimum(1.0, (step + 1) / max(1, self.params.warmup))
        if self.params.schedule == "cosine":
            rate *= 0.5 * (1 + tf.cos(np.pi * tf.minimum(step / self.nb_steps, 1.0)))
        return rate

    def step(self, batch: Batch, rate: float, pretraining: bool = False) -> float:
        """One step of the optimiser; the loss before it. `rate` is the learning rate before `learning_rate`."""
        return float(self._step(*batch, tf.constant(rate, tf.float32), pretraining))

    def slope(self, batch: Batch, pretraining: bool = False) -> tuple[float, list[np.ndarray]]:
        """The loss on a batch, with dropout, and its gradient."""
        loss, gradients = self._slope(*batch, pretraining)
        return float(loss), [gradient.numpy() for gradient in gradients]

    def _slope_of(self, sources: tf.Tensor, gains: tf.Tensor, pretraining: bool) -> tuple[tf.Tensor, list[tf.Tensor]]:
        loss_params = self.loss.first if pretraining else self.loss
        u, x, s, r = spectra(sources, gains, self.first)
        inputs = self.inputs(u)
        with tf.GradientTape() as tape:
            loss = loss_of(loss_params, self.network(inputs, training=True), x, s, r)
        return loss, tape.gradient(loss, [w.value for w in self.weights])

    def _step_of(self, sources: tf.Tensor, gains: tf.Tensor, rate: tf.Tensor, pretraining: bool) -> tf.Tensor:
        loss, gradients = self._slope_of(sources, gains, pretraining)
        loss, *gradients = self.replicas.mean([loss, *gradients])
        gradients, _ = tf.clip_by_global_norm(gradients, self.params.clip)
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        self.optimizer.learning_rate.assign(self.learning_rate(rate))
        self.optimizer.apply(gradients, self.weights)
        momentum = tf.minimum(self.params.averaging, (1 + step) / (10 + step))
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign_add((1 - momentum) * (weight.value - average))
        return loss

    def search(self, batches: Callable[[], Iterable[Batch]], nb_iterations: int, pretraining: bool = False) -> float:
        """Iterations of L-BFGS on the mean loss over all `batches`; the loss after them.

        Memory of the curvature lasts for one call, so that a run can go on from the weights alone.
        """

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            assign_flat(self.weights, flat)
            total, gradient, count = 0.0, np.zeros(len(flat)), 0
            for batch in batches():
                loss, gradients = self.slope(batch, pretraining)
                total, count = total + loss, count + 1
                gradient += np.concatenate([g.reshape(-1) for g in gradients])
            return total / count, gradient / count

        start = np.concatenate([w.numpy().reshape(-1) for w in self.weights]).astype(np.float64)
        weights, loss, _ = scipy.optimize.fmin_l_bfgs_b(
            objective, start, maxiter=nb_iterations, maxfun=3 * nb_iterations, factr=0, pgtol=0
        )
        assign_flat(self.weights, weights)
        self.restart_averages()
        return float(loss)

    def _loss_of(self, sources: tf.Tensor, gains: tf.Tensor) -> tf.Tensor:
        u, x, s, r = spectra(sources, gains, self.first)
        (loss,) = self.replicas.mean([loss_of(self.loss, self.network(self.inputs(u)), x, s, r)])
        return loss

    def evaluate(self, batches: Iterable[Batch]) -> float:
        """Mean loss of the averaged weights, without dropout."""
        current = [w.numpy() for w in self.weights]
        assign(self.weights, self.averages)
        loss = float(np.mean([float(self._evaluate(*batch)) for batch in batches]))
        assign(self.weights, current)
        return loss


def optimizer(params: TrainingParams) -> keras.optimizers.Optimizer:
    """The optimiser of single steps. (L-BFGS searches by itself, see `Trainer.search`.)"""
    if params.optimizer == "adam":
        return keras.optimizers.AdamW(params.learning_rate, weight_decay=params.weight_decay)
    return keras.optimizers.SGD(params.learning_rate, params.momentum, weight_decay=params.weight_decay or None)


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Set each variable to its value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def assign_flat(weights: list[Any], flat: np.ndarray) -> None:
    """Set all weights from one vector that holds them one after the other."""
    parts = np.split(flat, np.cumsum([np.prod(w.shape, dtype=int) for w in weights])[:-1])
    assign(weights, [part.reshape(weight.shape) for weight, part in zip(weights, parts, strict=True)])


def spectra(
    sources: tf.Tensor, gains: tf.Tensor, network: MaskNetwork
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """`Batch` to what `network` sees of the mixture (see `seen`), and to what losses take: u, x, s, r (see `losses`).

    The mixture is the sum of the sources, times the network's `mixture_gain`.
    """
    sums, gain = network.pooling.sums, network.params.mixture_gain
    scaled = tf.cast(sources, tf.float32) * gains[:, :, None, :, None, None]
    real, imaginary = scaled[..., 0], scaled[..., 1]
    mixture_real, mixture_imaginary = tf.reduce_sum(real, axis=0), tf.reduce_sum(imaginary, axis=0)
    if gain != 1:
        mixture_real, mixture_imaginary = gain * mixture_real, gain * mixture_imaginary
    x = tf.sqrt(sums(tf.square(mixture_real) + tf.square(mixture_imaginary)))
    s = tf.sqrt(sums(tf.square(real) + tf.square(imaginary)))
    r = sums(real * mixture_real + imaginary * mixture_imaginary)
    if not network.params.side:
        return x, x, s, r
    differences = (part[..., :1] - part[..., 1:] for part in (mixture_real, mixture_imaginary))
    side = tf.sqrt(sums(0.5 * sum(tf.square(difference) for difference in differences)))
    return tf.concat([x, side], axis=-1), x, s, r
