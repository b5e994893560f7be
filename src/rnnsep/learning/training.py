"""Training: our own loop, so that a killed run goes on exactly where it was.

Everything that the next epoch depends on is in one checkpoint (weights, optimiser, moving average, random state of
dropout, history), written whole after each epoch; batches are pure functions of (seed, epoch, step).

With `blending` a network of another kind is trained beside the first, and the masks of both are averaged. With
`enhancement` a second network is trained after the first, on songs that the first has not seen: it sees what the first
makes of all sources, and enhances them together.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from pathlib import Path, PurePath
from typing import Annotated

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from rnnsep.features.extraction import Features, open_features, to_single
from rnnsep.learning.checkpoint import Checkpoint
from rnnsep.learning.distribution import nb_workers, replicas
from rnnsep.learning.losses import LossName, LossParams
from rnnsep.learning.sampling import Sampler, SamplingParams
from rnnsep.learning.trainer import Trainer, TrainingParams, assign
from rnnsep.network.model import Model, save_model
from rnnsep.network.network import (
    NOT_BAND_SPLIT,
    MaskName,
    MaskNetwork,
    NetworkParams,
    computing,
    make_enhancer,
    make_network,
    seen,
)
from rnnsep.params import ParamError, Range
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.progress import Progress
from rnnsep.running.workers import map_songs

HISTORY = ("epoch", "train_loss", "valid_loss", "learning_rate")
PLATEAU_FACTOR = 0.3  # as Open-Unmix (Stöter et al., 2019)


@dataclass(frozen=True)
class BlendingParams:
    """Section `blending` of params.yaml: a band-split RNN beside the network, like it but for what is said here.

    Networks of unlike kinds make unlike mistakes, so the mean of their masks is better than either (Uhlich et al.,
    2017).
    """

    bands: Annotated[int, Range(0)]  # its groups of bins; 0: no such network
    units: Annotated[int, Range(1)]
    dropout: Annotated[float, Range(0, 0.99)]

    def kinds(self, network: NetworkParams, nb_networks: int) -> list[NetworkParams]:
        """What each network is: `nb_networks` like `network`, and the band-split RNN after them, if there is any.

        Raises `ParamError` where the network has what a band-split RNN cannot have.
        """
        if not self.bands:
            return [network] * nb_networks
        if network.bands or network.mel:
            other = "rnn.bands" if network.bands else "rnn.mel"
            raise ParamError("blending.bands", f"must be 0 where {other} is not")
        own = NOT_BAND_SPLIT | {"bands": self.bands, "units": self.units, "dropout": self.dropout}
        return [network] * nb_networks + [replace(network, **own)]


@dataclass(frozen=True)
class EnhancementParams:
    """Section `enhancement` of params.yaml: a second network, like the first but for what is said here."""

    layers: Annotated[int, Range(0)]  # 0: no second network
    mask: MaskName
    loss: LossName
    discrimination: Annotated[float, Range(0, 0.99)]
    share: Annotated[float, Range(0, 0.9)]  # of the training songs, kept from the first network; 0: both see all


def train(
    features_folder: Path,
    models: Path,
    network_params: NetworkParams,
    loss_params: LossParams,
    sampling_params: SamplingParams,
    params: TrainingParams,
    blending: BlendingParams,
    enhancement: EnhancementParams,
) -> None:
    """Train on the split `train`, keep the weights of the epoch with the best loss on `valid`, if there is any.

    Writes the model (see `save_model`) and `history.tsv` to `models`, and for further networks `history-2.tsv` and so
    on, or `enhancement.tsv`. State to resume from lies beside `models`, in `checkpoint.npz`, `checkpoint-2.npz` and so
    on, or `enhancement.npz`. Raises `UserError` when the loss is no longer a number.
    """
    features = open_features(features_folder)
    kinds = blending.kinds(network_params, params.networks)
    _check(features, kinds, loss_params, sampling_params, params, enhancement)
    songs, kept = divided([song.name for song in features.songs if song.split == "train"], enhancement.share)
    fit_one = partial(_fit_network, features, songs, models, kinds, loss_params, sampling_params, params)
    numbers = range(1, len(kinds) + 1)
    if len(kinds) > 1 and nb_workers() == 1 and not tf.config.list_physical_devices("GPU"):
        # each in a process, which leaves its end in its checkpoint; what follows then only reads these
        map_songs(partial(_fit_alone, fit_one), numbers, "networks")
    networks, states = zip(*map(fit_one, numbers), strict=True)
    provenance, enhancer = {"best_epoch": states[0].best_epoch}, None
    if enhancement.layers:
        second = replace(network_params, layers=enhancement.layers, mask=enhancement.mask)
        second_loss = replace(loss_params, name=enhancement.loss, discrimination=enhancement.discrimination)
        keras.utils.set_random_seed(params.seed)
        second_params = replace(params, pretraining=0)
        with replicas().scope(), computing(params.precision):
            enhancer = make_enhancer(second, len(features.sources), features.stft)
            trainer = Trainer(enhancer, second_loss, second_params, sampling_params.steps, before=networks[0])
        enhanced = fit(trainer, features, sampling_params, kept, models.parent / "enhancement.npz", "second network, ")
        provenance["best_epoch_of_enhancement"] = enhanced.best_epoch
        write_history(models / "enhancement.tsv", enhanced)
    save_model(models, Model(features.sources, features.stft, networks[0], enhancer, networks[1:]), provenance)


def _check(
    features: Features,
    kinds: Sequence[NetworkParams],
    loss: LossParams,
    sampling: SamplingParams,
    params: TrainingParams,
    enhancement: EnhancementParams,
) -> None:
    """Raise `UserError` where sections of params.yaml do not fit each other or the songs."""
    splits = {song.split for song in features.songs}
    if "train" not in splits:
        raise UserError(f"{features.root}: no song of split train; training needs some")
    if "valid" not in splits and params.schedule == "plateau":
        raise ParamError("training.schedule", "must be cosine or constant, since no song is for validation")
    for kind in kinds:
        if params.optimizer == "lbfgs" and (kind.dropout or kind.noise):
            key = "dropout" if kind.dropout else "noise"
            section = "rnn" if kind is kinds[0] else "blending"
            reason = "since training.optimizer is lbfgs, which cannot do with randomness"
            raise ParamError(f"{section}.{key}", f"must be 0, {reason}")
    if loss.segment and sampling.frames % loss.segment:
        raise ParamError("loss.segment", f"must divide sampling.frames ({sampling.frames})")
    if enhancement.layers and len(kinds) > 1:
        key, value = ("training.networks", 1) if params.networks > 1 else ("blending.bands", 0)
        raise ParamError(key, f"must be {value} where enhancement has layers")


def _fit_network(
    features: Features,
    songs: Collection[str],
    models: Path,
    kinds: Sequence[NetworkParams],
    loss: LossParams,
    sampling: SamplingParams,
    params: TrainingParams,
    number: int,
) -> tuple[MaskNetwork, Checkpoint]:
    """Train network `number`, counted from 1, and write its history."""
    use_threads(params.threads)
    suffix = f"-{number}" if number > 1 else ""
    own, network_params = replace(params, seed=params.seed + number - 1), kinds[number - 1]
    replicas().check(sampling.batch, params.optimizer, (network_params, loss, sampling, params, features.songs))
    keras.utils.set_random_seed(own.seed)
    with replicas().scope(), computing(own.precision):
        network = make_network(network_params, len(features.sources), features.stft)
        trainer = Trainer(network, loss, own, sampling.steps)
    label = f"network {number}, " if len(kinds) > 1 else ""
    state = fit(trainer, features, sampling, songs, models.parent / f"checkpoint{suffix}.npz", label)
    write_history(models / f"history{suffix}.tsv", state)
    return network, state


def _fit_alone(fit_one: Callable[[int], object], number: int) -> None:
    fit_one(number)


def use_threads(number: int) -> None:
    """Compute with so many threads, whatever the cores at hand, and the same bytes each time.

    Products are divided among the threads, and so is the order of their sums.
    """
    with suppress(RuntimeError):  # too late to choose where something else in this process has used TensorFlow
        tf.config.threading.set_intra_op_parallelism_threads(number)
    tf.config.experimental.enable_op_determinism()


def divided(songs: list[str], share: float) -> tuple[list[str], list[str]]:
    """The songs of the first and of the second network: disjoint, spread evenly, or the same for a share of 0.

    Raises `UserError` where one of them would have no song.
    """
    if not share:
        return songs, songs
    originals = list(dict.fromkeys(PurePath(name).name for name in songs))  # at all speeds
    kept = {name for i, name in enumerate(originals) if int((i + 1) * share) > int(i * share)}
    if not 0 < len(kept) < len(originals):
        raise UserError(f"enhancement.share: {share} of {len(originals)} training songs leaves one network without any")
    seconds = [PurePath(name).name in kept for name in songs]
    return list(compress(songs, (not second for second in seconds))), list(compress(songs, seconds))


def fit(
    trainer: Trainer,
    features: Features,
    sampling: SamplingParams,
    songs: Collection[str],
    checkpoint: Path,
    label: str = "",
) -> Checkpoint:
    """Train a network on `songs`, up to the last epoch or until patience ends; it is left with its best weights.

    Without songs for validation these are the last. Goes on where `checkpoint`, if it exists, ends. `label` begins
    each line that is printed.
    """
    network, params = trainer.network, trainer.params
    trainer.replicas.share(checkpoint)
    if network.standardisation is not None and not checkpoint.exists():
        network.adapt(*statistics(features, trainer, songs))
        trainer.restart_averages()
    sampler = Sampler(features, "train", sampling, network.pooling.nb_bins, songs)
    validation = None
    if any(song.split == "valid" for song in features.songs):
        validation = Sampler(features, "valid", sampling, network.pooling.nb_bins)
    print(f"{label}{network.count_params():,} weights, {len(sampler.songs)} songs to train on", flush=True)

    state = Checkpoint.read(checkpoint, trainer.variables) if checkpoint.exists() else Checkpoint()
    if state.epoch:
        print(f"{label}going on after epoch {state.epoch}", flush=True)
    while state.epoch < params.epochs and state.epoch - max(state.best_epoch, params.pretraining) < params.patience:
        epoch = state.epoch + 1
        rate = params.learning_rate * plateau_scale(state.history, params)
        train_loss = _mean_loss(trainer, sampler, epoch, rate)
        valid_loss = trainer.evaluate(validation.whole()) if validation else float("nan")
        if not np.isfinite([train_loss, valid_loss if validation else 0.0]).all():
            raise UserError(
                f"the loss is not a number any more in epoch {epoch}; lower training.learning_rate"
                f" ({params.learning_rate}) or training.clip ({params.clip}); {checkpoint} holds epoch {state.epoch}"
            )
        best = valid_loss < state.best_loss if validation else True
        state.epoch = epoch
        state.history.append((epoch, train_loss, valid_loss, rate))
        if best:
            state.best_epoch, state.best_loss = epoch, valid_loss
            state.best_weights = [w.numpy() for w in trainer.averages]
        state.write(checkpoint, trainer.variables)
        valid = f", valid {valid_loss:.4f}{' (best)' if best else ''}" if validation else ""
        print(f"{label}epoch {epoch}/{params.epochs}: train {train_loss:.4f}{valid}", flush=True)
    assign(network.trainable_variables, state.best_weights)
    return state


def write_history(path: Path, state: Checkpoint) -> None:
    """The losses of a training, a row for each epoch."""
    history = pd.DataFrame(state.history, columns=list(HISTORY))
    files.write_text(path, history.to_csv(sep="\t", index=False, float_format="%.6g"))


def statistics(features: Features, trainer: Trainer, songs: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the network's compressed inputs in `songs`, each (nb_bands, nb_inputs)."""
    network = trainer.network
    total, count = np.zeros((2, network.nb_bands, network.nb_inputs)), 0
    for song in features.songs:
        if song.name not in songs or song.start:
            continue
        arrays = features.arrays(song.name).values()
        for start in range(0, song.nb_frames, 1024):
            parts = [to_single(array[start : start + 1024, : network.pooling.nb_bins]) for array in arrays]
            mixture = np.sum(parts, axis=0).view(np.complex64)[None, ..., 0]
            x = network.compress(trainer.inputs(tf.constant(seen(mixture, trainer.first))))
            x = x[0].numpy().astype(np.float64)
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


def _mean_loss(trainer: Trainer, sampler: Sampler, epoch: int, rate: float) -> float:
    """Train for an epoch; the mean loss of its steps, or with L-BFGS the loss after it."""
    seed, pretraining = trainer.params.seed, epoch <= trainer.params.pretraining
    if trainer.params.optimizer == "lbfgs":
        return trainer.search(
            lambda: sampler.whole(np.random.default_rng((seed, epoch))), sampler.params.steps, pretraining
        )
    losses = []
    with Progress(f"epoch {epoch}", sampler.params.steps, lines=False) as progress:
        for batch in sampler.epoch(seed, epoch):
            losses.append(trainer.step(batch, rate, pretraining))
            progress.advance(f"loss {losses[-1]:.4f}")
    return float(np.mean(losses))
