"""A network with its optimiser: single steps, L-BFGS, and the EMA of the weights."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import scipy.optimize
import tensorflow as tf

from rnnsep.layers.input import magnitudes
from rnnsep.layers.mask import masked_channels
from rnnsep.layers.network import MaskNetwork
from rnnsep.learning.distribution import gpus, replicas
from rnnsep.learning.losses import loss_of
from rnnsep.learning.recipe import Recipe
from rnnsep.learning.sampling import Batch, Sampler
from rnnsep.learning.schedule import rate_of_step


class Trainer:
    """A network with its optimiser, the EMA of its weights and the compiled steps.

    `before` is a trained network; this network then sees its estimates of the sources instead of the mixture.
    """

    def __init__(self, network: MaskNetwork, recipe: Recipe, before: MaskNetwork | None = None):
        self.network, self.recipe, self.before = network, recipe, before
        self.replicas = replicas()
        self.first = before or network  # the network that sees the mixture
        self.nb_steps = recipe.training.epochs * recipe.sampling.steps
        self.norm = float("nan")
        self.weights = network.trainable_variables
        rate, decay = recipe.training.learning_rate, recipe.optimizer.weight_decay
        self.optimizer = keras.optimizers.AdamW(rate, weight_decay=decay)  # L-BFGS: see `search`
        self.optimizer.build(self.weights)
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA  # all replicas have the same
        self.averages = [tf.Variable(w.value, trainable=False, aggregation=first) for w in self.weights]
        self.variables = [*network.variables, *self.optimizer.variables, *self.averages]
        xla = not gpus()  # XLA cannot compile cuDNN's recurrent layers
        self._gradient = tf.function(self._gradient_of, jit_compile=xla, autograph=False)
        self._step = self.replicas.compiled(self._step_of, xla)
        self._energies = tf.function(self._energies_of, jit_compile=xla, autograph=False)
        self._evaluate = self.replicas.compiled(self._loss_of, xla)

    def restart_averages(self) -> None:
        assign(self.averages, [w.value for w in self.weights])

    def inputs(self, magnitude: tf.Tensor) -> tf.Tensor:
        """The network's input from `magnitude`, what the first network sees of the mixture."""
        if self.before is None:
            return magnitude
        return masked_channels(self.before(magnitude), magnitude[..., : self.before.architecture.nb_channels])

    def step(self, batch: Batch, rate: float, pretraining: bool = False) -> float:
        """Take one optimiser step and return the loss before it. `rate` is the learning rate of the epoch.

        `norm` is then the norm of the gradient before it was clipped.
        """
        loss, norm = self._step(*batch, tf.constant(rate, tf.float32), pretraining)
        self.norm = float(norm)
        return float(loss)

    def gradient(self, batch: Batch, pretraining: bool = False) -> tuple[float, list[np.ndarray]]:
        """The loss on a batch, with dropout, and its gradient."""
        loss, gradients = self._gradient(*batch, pretraining)
        return float(loss), [gradient.numpy() for gradient in gradients]

    def _gradient_of(
        self, sources: tf.Tensor, gains: tf.Tensor, pretraining: bool
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        loss_params = (self.recipe.first_epochs if pretraining else self.recipe).loss
        u, x, s, r = spectra(sources, gains, self.first)
        inputs = self.inputs(u)
        with tf.GradientTape() as tape:
            loss = loss_of(loss_params, self.network(inputs, training=True), x, s, r)
        return loss, tape.gradient(loss, [w.value for w in self.weights])

    def _step_of(self, sources: tf.Tensor, gains: tf.Tensor, rate: tf.Tensor, pretraining: bool) -> list[tf.Tensor]:
        loss, gradients = self._gradient_of(sources, gains, pretraining)
        loss, *gradients = self.replicas.mean([loss, *gradients])
        gradients, norm = tf.clip_by_global_norm(gradients, self.recipe.optimizer.clip)
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        self.optimizer.learning_rate.assign(rate_of_step(rate, step, self.nb_steps, self.recipe.training))
        self.optimizer.apply(gradients, self.weights)
        decay = tf.minimum(self.recipe.training.averaging, (1 + step) / (10 + step))
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign_add((1 - decay) * (weight.value - average))
        return [loss, norm]

    def search(self, batches: Callable[[], Iterable[Batch]], nb_iterations: int, pretraining: bool = False) -> float:
        """Run L-BFGS on the mean loss over all `batches` and return the loss after it.

        The curvature memory lasts for one call, so that a run can resume from the weights alone.
        """

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            assign_flat(self.weights, flat)
            total, gradient, count = 0.0, np.zeros(len(flat)), 0
            for batch in batches():
                loss, gradients = self.gradient(batch, pretraining)
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
        (loss,) = self.replicas.mean([loss_of(self.recipe.loss, self.network(self.inputs(u)), x, s, r)])
        return loss

    def evaluate(self, batches: Iterable[Batch]) -> float:
        """Mean loss of the averaged weights, without dropout."""
        with self.averaged():
            return float(np.mean([float(self._evaluate(*batch)) for batch in batches]))

    def _energies_of(self, sources: tf.Tensor, gains: tf.Tensor) -> list[tf.Tensor]:
        u, x, s, r = spectra(sources, gains, self.first)
        m = self.network(self.inputs(u))
        error = tf.square(m * x) - 2 * m * r + tf.square(s)
        return [tf.reduce_sum(one, axis=[2, 3, 4]) for one in (tf.square(s), error)]

    def sdr(self, sampler: Sampler) -> float:
        """
        SDR (dB) of the averaged weights, the mean over sources and songs, from spectra below the network's bandwidth.

        The SDR of a song is the energy of the source over that of the error, both of the whole song; silent sources are
        left out.
        """
        songs = [song for song, _ in sampler.sequences()]
        energies = np.zeros((2, len(sampler.songs), len(sampler.songs[0])))  # of sources and errors
        with self.averaged():
            at = 0
            for batch in sampler.whole():
                parts = np.transpose(self._energies(*batch), (2, 0, 1))  # (nb_batch, 2, nb_sources)
                for song, part in zip(songs[at : at + len(parts)], parts, strict=False):  # the last is filled up
                    energies[:, song] += part
                at += len(parts)
        signal, error = energies[:, energies[0] > 0]
        return float(np.mean(10 * np.log10(signal / np.maximum(error, 1e-10 * signal))))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """A block in which the network has the EMA of its weights."""
        current = [w.numpy() for w in self.weights]
        assign(self.weights, self.averages)
        try:
            yield
        finally:
            assign(self.weights, current)


def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Set each variable to its value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def assign_flat(weights: list[Any], flat: np.ndarray) -> None:
    """Set all weights from one concatenated vector."""
    parts = np.split(flat, np.cumsum([np.prod(w.shape, dtype=int) for w in weights])[:-1])
    assign(weights, [part.reshape(weight.shape) for weight, part in zip(weights, parts, strict=True)])


def spectra(
    sources: tf.Tensor, gains: tf.Tensor, network: MaskNetwork
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """What `network` sees of a `Batch`'s mixture, u, and what losses take, x, s, r (see `losses`).

    The mixture is the sum of the sources, times the network's `mixture_gain`.
    """
    pooling, gain = network.architecture.pooling, network.params.mixture_gain
    scaled = tf.cast(sources, tf.float32) * gains[:, :, None, :, None, None]
    real, imaginary = scaled[..., 0], scaled[..., 1]
    mixture_real, mixture_imaginary = tf.reduce_sum(real, axis=0), tf.reduce_sum(imaginary, axis=0)
    u = network.see(mixture_real, mixture_imaginary)
    x = u[..., : network.architecture.nb_channels] if network.params.input.side else u
    s = magnitudes(real, imaginary, pooling)
    r = pooling.sums(real * mixture_real + imaginary * mixture_imaginary, tf.concat)
    return u, x, s, r if gain == 1 else gain * r
