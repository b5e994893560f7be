"""The training loop. A killed run resumes from a checkpoint and ends with the same bytes.

The checkpoint, written atomically after each epoch, holds all that later epochs depend on: weights, optimiser, EMA,
random state of dropout, history. Batches are pure functions of (seed, epoch, step).

With `enhancement`, a second network is trained after the first: its input is the first network's estimates of all
sources.
"""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePath

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from rnnsep.features.storage import Features, open_features
from rnnsep.layers.network import MaskNetwork
from rnnsep.learning.checkpoint import Checkpoint
from rnnsep.learning.distribution import replicas
from rnnsep.learning.recipe import Recipe
from rnnsep.learning.sampling import Sampler
from rnnsep.learning.schedule import rate_of_epoch
from rnnsep.learning.trainer import Trainer, assign
from rnnsep.learning.transfer import start_from
from rnnsep.learning.watching import Watch
from rnnsep.network.input import seen
from rnnsep.network.model import Model, model_digest, save_model, versions
from rnnsep.network.network import Architecture, Network
from rnnsep.params import ParamError
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.helpers import helps, nb_processes
from rnnsep.running.progress import Clock, Progress
from rnnsep.running.workers import parallel_map

HISTORY = ("epoch", "train_loss", "valid_loss", "learning_rate", "valid_sdr")  # the last only where it selects epochs


def train_model(features: Path, start: Path, models: Path, recipe: Recipe) -> None:
    """Train on the features; `start` is the link to the model of `training.start`, if there is one."""
    try:
        train(features, models, recipe, start.resolve() if recipe.training.start else None, watched=not helps())
    except tf.errors.ResourceExhaustedError as error:
        message = "not enough memory; lower sampling.batch, sampling.frames or rnn.units"
        raise UserError(f"{message} ({error.message.splitlines()[0]})") from None


def train(
    features_folder: Path, models: Path, recipe: Recipe, start: Path | None = None, watched: bool = False
) -> None:
    """Train on the split `train` and keep the weights of the epoch that is best on the split `valid`, if any.

    The weights begin with those of the model in the folder `start`, or random. Writes the model (see `save_model`) and
    `history.tsv` to `models`; `history-2.tsv`, … for further networks; `enhancement.tsv` for the enhancement network.
    Checkpoints lie next to `models`: `checkpoint.npz`, `checkpoint-2.npz`, …, `enhancement.npz`; if `watched`, so do
    curves (see `watching`).

    Raises `UserError` if the recipe does not fit the songs or the loss becomes NaN or infinite.
    """
    recipe.check()
    features = open_features(features_folder)
    _check(features, recipe)
    train_one = partial(_train_network, features, models, recipe, start, watched)
    numbers = range(1, recipe.training.networks + 1)
    if len(numbers) > 1 and nb_processes() == 1 and not tf.config.list_physical_devices("GPU"):
        found = parallel_map(train_one, numbers, "networks")
    else:
        found = [train_one(number) for number in numbers]
    networks, enhancers, provenances = zip(*found, strict=True)
    model = Model(features.sources, features.stft, networks, enhancers[0])
    origin = {"start": f"{start.name} {_key(start)}"} if start else {}
    save_model(models, model, provenances[0] | origin | versions())


def _key(model: Path) -> str:
    """SHA-256 of the files of a model, shortened."""
    return model_digest(model)[:12]


def _check(features: Features, recipe: Recipe) -> None:
    """Raise `UserError` if the recipe does not fit the songs."""
    splits = {song.split for song in features.songs}
    if "train" not in splits:
        raise UserError(f"{features.root}: no song of split train; add training songs to the corpus")
    if "valid" not in splits and recipe.training.schedule == "plateau":
        raise ParamError("training.schedule", "plateau needs validation songs; use cosine or constant")
    if "valid" not in splits and recipe.training.select == "sdr":
        raise ParamError("training.select", "sdr needs validation songs; use loss")


def _train_network(
    features: Features, models: Path, recipe: Recipe, start: Path | None, watched: bool, number: int
) -> tuple[Network, Network | None, dict[str, object]]:
    """Train network `number` of the ensemble, counted from 1, and its enhancement network, if the recipe has one.

    Returns both and their best epochs.
    """
    member, several, folder = recipe.member(number), recipe.training.networks > 1, models.parent
    use_threads(member.training.threads)
    replicas().check(member.sampling.batch, member.optimizer.name, (member, features.songs))
    songs = reserved = [song.name for song in features.songs if song.split == "train"]
    if recipe.enhancement.layers:
        songs, reserved = divided(songs)
    trainer = _trainer(member, Architecture.of(member.network, len(features.sources), features.stft))
    suffix, origin, begin = f"-{number}" if number > 1 else "", "", None
    if start:
        origin, begin = f"-{_key(start)}", partial(start_from, start, number, features)
    watch = Watch(folder, number) if watched else None
    label = f"network {number}, " if several else ""
    state = fit(trainer, features, songs, folder / f"checkpoint{suffix}{origin}.npz", label, watch, begin)
    write_history(models / f"history{suffix}.tsv", state)
    best: dict[str, object] = {"best_epoch": state.best_epoch}
    if not recipe.enhancement.layers:
        return trainer.network.trained(), None, best
    shape = Architecture.of_enhancer(member.enhancing.network, len(features.sources), features.stft)
    second = _trainer(member.enhancing, shape, before=trainer.network)
    state = fit(second, features, reserved, folder / "enhancement.npz", "second network, ")
    write_history(models / "enhancement.tsv", state)
    best["best_epoch_of_enhancement"] = state.best_epoch
    return trainer.network.trained(), second.network.trained(), best


def _trainer(recipe: Recipe, architecture: Architecture, before: MaskNetwork | None = None) -> Trainer:
    keras.utils.set_random_seed(recipe.training.seed)
    with replicas().scope():
        return Trainer(MaskNetwork(architecture), recipe, before)


def use_threads(number: int) -> None:
    """Compute with `number` threads, whatever the number of cores, and deterministically.

    Matrix products are split among the threads, which determines the order of their sums.
    """
    with suppress(RuntimeError):  # too late if this process has used TensorFlow already
        tf.config.threading.set_intra_op_parallelism_threads(number)
    tf.config.experimental.enable_op_determinism()


def divided(songs: list[str]) -> tuple[list[str], list[str]]:
    """The training songs of the first and of the enhancement network: every other one (Grais et al., 2017).

    All copies of a song go to the same network. Raises `UserError` if there is only one song.
    """
    reserved = set(list(dict.fromkeys(PurePath(name).name for name in songs))[1::2])
    if not reserved:
        raise UserError("enhancement.layers: needs two training songs at least, one for each network")
    second = [name for name in songs if PurePath(name).name in reserved]
    return [name for name in songs if name not in second], second


def fit(
    trainer: Trainer,
    features: Features,
    songs: Collection[str],
    checkpoint: Path,
    label: str = "",
    watch: Watch | None = None,
    begin: Callable[[MaskNetwork], str] | None = None,
) -> Checkpoint:
    """Train the trainer's network on `songs` until the last epoch or early stopping; it ends with its best weights.

    Without validation songs these are the last weights. Resumes from `checkpoint` if it exists and has no more epochs
    than the recipe; otherwise `begin` may set the first weights, and returns a line that says so. `label` precedes each
    line that is printed.
    """
    network, recipe, params = trainer.network, trainer.recipe, trainer.recipe.training
    if (epochs := Checkpoint.epochs_in(checkpoint)) > params.epochs:
        print(f"{label}restarting, since {checkpoint} is the end of {epochs} epochs", flush=True)
        checkpoint.unlink()
    trainer.replicas.share(checkpoint)
    if not checkpoint.exists():
        if network.standardisation is not None:
            network.standardisation.adapt(*statistics(features, trainer, songs))
        if begin:
            print(label + begin(network), flush=True)
        trainer.restart_averages()
    sampler = Sampler(features, "train", recipe.sampling, network.architecture.pooling.nb_bins, songs)
    validation = None
    if any(song.split == "valid" for song in features.songs):
        validation = Sampler(features, "valid", recipe.sampling, network.architecture.pooling.nb_bins)
    print(f"{label}{network.count_params():,} weights, {len(sampler.songs)} training songs", flush=True)

    state = Checkpoint.read(checkpoint, trainer.variables) if checkpoint.exists() else Checkpoint()
    if state.epoch:
        print(f"{label}resuming after epoch {state.epoch}", flush=True)
    pretraining, clock, left = recipe.loss.pretraining_epochs, Clock(params.epochs - state.epoch), ""
    while state.epoch < params.epochs and state.epoch - max(state.best_epoch, pretraining) < params.patience:
        epoch = state.epoch + 1
        rate = rate_of_epoch([criterion(row) for row in state.history], params)
        figures = _epoch(trainer, sampler, epoch, rate, left)
        train_loss = figures["loss"]
        valid_loss = trainer.evaluate(validation.whole()) if validation else float("nan")
        if not np.isfinite([train_loss, valid_loss if validation else 0.0]).all():
            kept = f"; {checkpoint} holds epoch {state.epoch}" if state.epoch else ""
            raise UserError(
                f"the loss is NaN or infinite in epoch {epoch}; lower training.learning_rate"
                f" ({params.learning_rate}) or optimizer.clip ({recipe.optimizer.clip}){kept}"
            )
        row: tuple[float, ...] = (epoch, train_loss, valid_loss, rate)
        scores = {"loss": valid_loss}
        if validation and params.select == "sdr":
            scores["sdr"] = trainer.sdr(validation)
            row = (*row, scores["sdr"])
        best = criterion(row) < state.best_loss if validation else True
        state.epoch = epoch
        state.history.append(row)
        if best:
            state.best_epoch, state.best_loss = epoch, criterion(row)
            state.best_weights = [w.numpy() for w in trainer.averages]
        if watch:
            watch.epoch(epoch, {"train": figures} | ({"valid": scores} if validation else {}))
        state.write(checkpoint, trainer.variables)
        sdr = f", SDR {scores['sdr']:.2f} dB" if "sdr" in scores else ""
        valid = f", valid {valid_loss:.4f}{sdr}{' (best)' if best else ''}" if validation else ""
        left = clock.left()
        line = f"{label}epoch {epoch}/{params.epochs}: train {train_loss:.4f}{valid}"
        print(f"{line}, {left}" if left else line, flush=True)
    assign(network.trainable_variables, state.best_weights)
    return state


def criterion(row: tuple[float, ...]) -> float:
    """The criterion that the best epoch minimises: the validation loss, or minus the SDR if the row has one."""
    return -row[4] if len(row) > 4 else row[2]


def write_history(path: Path, state: Checkpoint) -> None:
    """Write the losses of a training to a TSV file, one row per epoch."""
    history = pd.DataFrame(state.history, columns=list(HISTORY[: len(state.history[0])]))
    files.write_text(path, history.to_csv(sep="\t", index=False, float_format="%.6g"))


def statistics(features: Features, trainer: Trainer, songs: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the network's compressed inputs in `songs`, each (nb_bands, nb_inputs)."""
    network, first = trainer.network, trainer.first.architecture
    total, count = np.zeros((2, network.architecture.nb_bands, network.architecture.nb_inputs)), 0
    side, gain = first.params.input.side, first.params.mixture_gain
    for song in features.songs:
        if song.name not in songs:
            continue
        arrays = features.arrays(song.name).values()
        for start in range(0, song.nb_frames, 1024):
            parts = [array[start : start + 1024, : network.architecture.pooling.nb_bins] for array in arrays]
            # (nb_frames, nb_bins, nb_channels)
            mixture = np.asarray(sum(part.astype(np.float32) for part in parts)).view(np.complex64)[..., 0]
            magnitude = tf.constant(seen(mixture, first.pooling, side, gain)[None])
            x = network.compress(trainer.inputs(magnitude))[0].numpy().astype(np.float64)
            total += x.sum(axis=0), np.square(x).sum(axis=0)
            count += len(x)
    mean = total[0] / count
    deviation = np.sqrt(np.maximum(total[1] / count - mean**2, 0))
    return mean, np.maximum(deviation, 1e-3 * deviation.max() + 1e-12)


def _epoch(trainer: Trainer, sampler: Sampler, epoch: int, rate: float, left: str) -> dict[str, float]:
    """Train for an epoch and return its figures by name. `left` is the time left for the whole training, for the bar.

    `loss` is the mean loss of the steps, or with L-BFGS the loss after them; single steps have more figures.
    """
    recipe = trainer.recipe
    seed, pretraining = recipe.training.seed, epoch <= recipe.loss.pretraining_epochs
    if recipe.optimizer.name == "lbfgs":
        loss = trainer.search(
            lambda: sampler.whole(np.random.default_rng((seed, epoch))), sampler.params.steps, pretraining
        )
        return {"loss": loss}
    losses, norms, begin = [], [], time.perf_counter()
    with Progress(f"epoch {epoch}/{recipe.training.epochs}", sampler.params.steps, lines=False) as progress:
        for batch in sampler.epoch(seed, epoch):
            losses.append(trainer.step(batch, rate, pretraining))
            norms.append(trainer.norm)
            progress.advance(f"loss {losses[-1]:.4f}{f', training: {left}' if left else ''}")
    frames = sampler.params.steps * sampler.params.batch * sampler.params.frames
    return {
        "loss": float(np.mean(losses)),
        "learning_rate": float(trainer.optimizer.learning_rate.numpy()),
        "gradient_norm": float(np.mean(norms)),
        "frames_per_second": frames / (time.perf_counter() - begin),
    }
