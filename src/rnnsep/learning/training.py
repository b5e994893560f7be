"""Training: our own loop, so that a killed run goes on exactly where it was.

Everything that the next epoch depends on is in one checkpoint (weights, optimiser, moving average, random state of
dropout, history), written whole after each epoch; batches are pure functions of (seed, epoch, step).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from rnnsep.learning.losses import LossParams, loss_of
from rnnsep.learning.model import Model, save_model
from rnnsep.learning.network import MaskNetwork, NetworkParams
from rnnsep.learning.sampling import Batch, Sampler, SamplingParams
from rnnsep.params import Range
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.progress import Progress
from rnnsep.signal.features import Features, open_features, to_single

HISTORY = ("epoch", "train_loss", "valid_loss", "learning_rate")
PLATEAU_FACTOR = 0.3  # as Open-Unmix (Stöter et al., 2019)


@dataclass(frozen=True)
class TrainingParams:
    """Section `training` of params.yaml."""

    seed: Annotated[int, Range(0, 2**32 - 1)]
    epochs: Annotated[int, Range(1)]
    patience: Annotated[int, Range(1)]
    learning_rate: Annotated[float, Range(0)]
    warmup: Annotated[int, Range(0)]
    schedule: Literal["cosine", "plateau", "constant"]
    weight_decay: Annotated[float, Range(0)]
    clip: Annotated[float, Range(1e-9)]
    averaging: Annotated[float, Range(0, 0.99999)]


def train(
    features_folder: Path,
    models: Path,
    network_params: NetworkParams,
    loss_params: LossParams,
    sampling_params: SamplingParams,
    params: TrainingParams,
) -> None:
    """Train on the split `train`, keep the weights of the epoch with the best loss on `valid`.

    Writes `model.json`, `model.weights.h5` and `history.tsv` to `models`. State to resume from lies beside
    `models`, in `checkpoint.npz`. Raises `UserError` when the loss is no longer a number.
    """
    features = open_features(features_folder)
    for split in ("train", "valid"):
        if not any(song.split == split for song in features.songs):
            raise UserError(f"{features_folder}: no song of split {split}; training needs some of train and valid")
    keras.utils.set_random_seed(params.seed)
    tf.config.experimental.enable_op_determinism()
    stft = features.stft
    nb_bins = network_params.nb_bins(stft.sample_rate, stft.window)
    nb_channels = 1 if stft.channels == "mono" else 2
    network = MaskNetwork(network_params, len(features.sources), nb_bins, nb_channels)
    network.standardisation.adapt(*statistics(features, network))
    trainer = Trainer(network, loss_params, params, sampling_params.steps)
    sampler = Sampler(features, "train", sampling_params, nb_bins)
    validation = Sampler(features, "valid", sampling_params, nb_bins)
    print(f"{network.count_params():,} weights, {len(sampler.songs)} songs to train on", flush=True)

    checkpoint = models.parent / "checkpoint.npz"
    state = Checkpoint.read(checkpoint, trainer.variables) if checkpoint.exists() else Checkpoint()
    if state.epoch:
        print(f"going on after epoch {state.epoch}", flush=True)
    while state.epoch < params.epochs and state.epoch - state.best_epoch < params.patience:
        epoch = state.epoch + 1
        rate = params.learning_rate * plateau_scale(state.history, params)
        train_loss = _mean_loss(trainer, sampler, params.seed, epoch, rate)
        valid_loss = trainer.evaluate(validation.whole())
        if not (np.isfinite(train_loss) and np.isfinite(valid_loss)):
            raise UserError(
                f"the loss is not a number any more in epoch {epoch}; lower training.learning_rate"
                f" ({params.learning_rate}) or training.clip ({params.clip}); {checkpoint} holds epoch {state.epoch}"
            )
        best = valid_loss < state.best_loss
        state.epoch = epoch
        state.history.append((epoch, train_loss, valid_loss, rate))
        if best:
            state.best_epoch, state.best_loss = epoch, valid_loss
            state.best_weights = [w.numpy() for w in trainer.averages]
        state.write(checkpoint, trainer.variables)
        print(
            f"epoch {epoch}/{params.epochs}: train {train_loss:.4f}, valid {valid_loss:.4f}{' (best)' if best else ''}",
            flush=True,
        )
    for weight, value in zip(network.trainable_variables, state.best_weights, strict=True):
        weight.assign(value)
    save_model(models, Model(features.sources, stft, network), {"best_epoch": state.best_epoch})
    history = pd.DataFrame(state.history, columns=list(HISTORY))
    files.write_text(models / "history.tsv", history.to_csv(sep="\t", index=False, float_format="%.6g"))


def statistics(features: Features, network: MaskNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the compressed mixtures of split `train`, each (nb_bins, nb_channels)."""
    total, count = np.zeros((2, network.nb_bins, network.nb_channels)), 0
    for song in features.songs:
        if song.split != "train":
            continue
        arrays = features.arrays(song.name).values()
        for start in range(0, song.nb_frames, 1024):
            mixture = np.sum([to_single(array[start : start + 1024, : network.nb_bins]) for array in arrays], axis=0)
            x = network.compress(np.hypot(mixture[..., 0], mixture[..., 1])).numpy().astype(np.float64)
            total += x.sum(axis=0), np.square(x).sum(axis=0)
            count += len(x)
    mean = total[0] / count
    deviation = np.sqrt(np.maximum(total[1] / count - mean**2, 0))
    return mean, np.maximum(deviation, 1e-3 * deviation.max() + 1e-12)


def plateau_scale(history: list[tuple[int, float, float, float]], params: TrainingParams) -> float:
    """Factor on the learning rate: x 0.3 each time the validation loss stalled for half the patience."""
    if params.schedule != "plateau":
        return 1.0
    scale, best, stalled = 1.0, np.inf, 0
    for _, _, valid_loss, _ in history:
        stalled = 0 if valid_loss < best else stalled + 1
        best = min(best, valid_loss)
        if stalled >= max(1, params.patience // 2):
            scale, stalled = scale * PLATEAU_FACTOR, 0
    return scale


class Trainer:
    """A network with its optimiser, its moving average and the compiled steps."""

    def __init__(self, network: MaskNetwork, loss: LossParams, params: TrainingParams, steps_per_epoch: int):
        self.network, self.loss, self.params = network, loss, params
        self.nb_steps = params.epochs * steps_per_epoch
        self.weights = network.trainable_variables
        self.optimizer = keras.optimizers.AdamW(params.learning_rate, weight_decay=params.weight_decay)
        self.optimizer.build(self.weights)
        self.averages = [tf.Variable(w.value, trainable=False) for w in self.weights]
        self.variables = [*network.variables, *self.optimizer.variables, *self.averages]
        xla = not tf.config.list_logical_devices("GPU")  # XLA cannot compile cuDNN's recurrent layers
        self._step = tf.function(self._step_of, jit_compile=xla)
        self._evaluate = tf.function(self._loss_of, jit_compile=xla)

    def learning_rate(self, rate: tf.Tensor) -> tf.Tensor:
        """`rate` with the warm-up and the cosine applied, at the optimiser's current step."""
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        rate *= tf.minimum(1.0, (step + 1) / max(1, self.params.warmup))
        if self.params.schedule == "cosine":
            rate *= 0.5 * (1 + tf.cos(np.pi * tf.minimum(step / self.nb_steps, 1.0)))
        return rate

    def step(self, batch: Batch, rate: float) -> float:
        """One step of the optimiser; the loss before it. `rate` is the learning rate before `learning_rate`."""
        return float(self._step(*batch, tf.constant(rate, tf.float32)))

    def _step_of(self, sources: tf.Tensor, gains: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        x, s, r = spectra(sources, gains)
        with tf.GradientTape() as tape:
            loss = loss_of(self.loss, self.network(x, training=True), x, s, r)
        gradients = tape.gradient(loss, [w.value for w in self.weights])
        gradients, _ = tf.clip_by_global_norm(gradients, self.params.clip)
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        self.optimizer.learning_rate.assign(self.learning_rate(rate))
        self.optimizer.apply(gradients, self.weights)
        momentum = tf.minimum(self.params.averaging, (1 + step) / (10 + step))
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign_add((1 - momentum) * (weight.value - average))
        return loss

    def _loss_of(self, sources: tf.Tensor, gains: tf.Tensor) -> tf.Tensor:
        x, s, r = spectra(sources, gains)
        return loss_of(self.loss, self.network(x), x, s, r)

    def evaluate(self, batches: Iterable[Batch]) -> float:
        """Mean loss of the averaged weights, without dropout."""
        current = [w.numpy() for w in self.weights]
        for weight, average in zip(self.weights, self.averages, strict=True):
            weight.assign(average)
        loss = float(np.mean([float(self._evaluate(*batch)) for batch in batches]))
        for weight, value in zip(self.weights, current, strict=True):
            weight.assign(value)
        return loss


def spectra(sources: tf.Tensor, gains: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """`Batch` to the magnitudes and products that losses take: x, s, r (see `losses`)."""
    scaled = tf.cast(sources, tf.float32) * gains[:, :, None, None, None, None]
    real, imaginary = scaled[..., 0], scaled[..., 1]
    mixture_real, mixture_imaginary = tf.reduce_sum(real, axis=0), tf.reduce_sum(imaginary, axis=0)
    x = tf.sqrt(tf.square(mixture_real) + tf.square(mixture_imaginary))
    s = tf.sqrt(tf.square(real) + tf.square(imaginary))
    return x, s, real * mixture_real + imaginary * mixture_imaginary


def _mean_loss(trainer: Trainer, sampler: Sampler, seed: int, epoch: int, rate: float) -> float:
    losses = []
    with Progress(f"epoch {epoch}", sampler.params.steps, lines=False) as progress:
        for batch in sampler.epoch(seed, epoch):
            losses.append(trainer.step(batch, rate))
            progress.advance(f"loss {losses[-1]:.4f}")
    return float(np.mean(losses))


class Checkpoint:
    """What a run needs to go on after its last finished epoch."""

    def __init__(self) -> None:
        self.epoch = self.best_epoch = 0
        self.best_loss = float("inf")
        self.best_weights: list[np.ndarray] = []
        self.history: list[tuple[int, float, float, float]] = []

    def write(self, path: Path, variables: list[Any]) -> None:
        """Everything in one npz: `state_i`, `best_i`, and the rest as JSON."""
        numbers = {"epoch": self.epoch, "best_epoch": self.best_epoch, "best_loss": self.best_loss}
        arrays = {f"state_{i}": variable.numpy() for i, variable in enumerate(variables)}
        arrays |= {f"best_{i}": weight for i, weight in enumerate(self.best_weights)}
        text = json.dumps({**numbers, "history": self.history})
        with files.whole(path) as temporary:
            np.savez(temporary, json=np.frombuffer(text.encode(), np.uint8), **arrays)

    @classmethod
    def read(cls, path: Path, variables: list[Any]) -> "Checkpoint":
        """The stored state; `variables` are set to the stored values."""
        state = cls()
        with np.load(path, allow_pickle=False) as stored:
            for i, variable in enumerate(variables):
                variable.assign(stored[f"state_{i}"])
            numbers = json.loads(stored["json"].tobytes())
            nb_best = sum(name.startswith("best_") for name in stored.files)
            state.best_weights = [stored[f"best_{i}"] for i in range(nb_best)]
        state.epoch, state.best_epoch = numbers["epoch"], numbers["best_epoch"]
        state.best_loss, state.history = numbers["best_loss"], [tuple(row) for row in numbers["history"]]
        return state
