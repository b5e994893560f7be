"""
Curves, spectrograms and sound of a training while it runs: event files for TensorBoard, and files in DVCLive's format.

TensorBoard finds the runs `train` and `valid` next to the checkpoint (`train-2`, … for further networks). DVC and its
extension for VS Code find `dvclive` in the working folder until the training ends; then `history.tsv` has the losses.
Nothing here changes a training.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rnnsep.features.float16 import to_single
from rnnsep.features.storage import Features
from rnnsep.learning.distribution import helps
from rnnsep.learning.recipe import Recipe
from rnnsep.learning.trainer import Trainer
from rnnsep.network.model import Model
from rnnsep.running import files
from rnnsep.signal.stft import Inverse

LIVE = Path("dvclive")
VARIABLE = "RNNSEP_WATCH"
SECONDS = 4.0  # of the excerpt
TIMES = 4  # so many times in a training, and after its first epoch, the excerpt is separated
RANGE = 70.0  # dB between black and white in a spectrogram
ROWS, LOWEST, HIGHEST = 200, 40.0, 16000.0  # of a spectrogram; Hz
PALETTE = ((0, 0, 0, 4), (64, 81, 18, 124), (128, 183, 55, 121), (192, 252, 137, 97), (255, 252, 253, 191))
SCALARS, IMAGES, AUDIO = ("scalars", b"", 1), ("images", b"", 3), ("audio", b"\x10\x0b", 3)  # 10 0b: encoded as WAV
DVC_YAML = "metrics:\n- metrics.json\nplots:\n- plots/metrics:\n    x: step\n"

Figures = Mapping[str, Mapping[str, float]]  # run -> name -> value


def wanted() -> bool:
    """Whether this process is to write curves: not with RNNSEP_WATCH=0, nor in one that helps the chief."""
    return os.environ.get(VARIABLE) != "0" and not helps()


class Watch:
    """The curves of network `number` of a training, whose checkpoint lies in `folder`."""

    def __init__(self, folder: Path, number: int, recipe: Recipe):
        self.folder, self.suffix, self.recipe = folder, f"-{number}" if number > 1 else "", recipe
        self.live = LIVE if number == 1 else None
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def epoch(self, figures: Figures, history: Sequence[tuple[float, ...]]) -> None:
        """Write the figures of an epoch; `history` has the rows of all epochs so far (see `training.HISTORY`)."""
        epoch = int(history[-1][0])
        for run, values in figures.items():
            for name, value in values.items():
                self._write(run, f"epoch/{name}", tf.constant(value, tf.float32), epoch, SCALARS)
        if self.live:
            _write_live(self.live, history)
        self._flush()

    def has_excerpt(self, epoch: int) -> bool:
        """Whether the excerpt is separated after `epoch`."""
        epochs = self.recipe.training.epochs
        return epoch in (1, epochs) or epoch % -(-epochs // TIMES) == 0

    def excerpt(self, excerpt: "Excerpt", epoch: int) -> None:
        """Write spectrogram and sound of each estimate of the excerpt, and once those of sources and mixture."""
        sound = excerpt.estimates()
        if epoch == 1:
            settings = "\n".join(f"    {line}" for line in json.dumps(asdict(self.recipe), indent=1).splitlines())
            self._write("train", "parameters", tf.constant(settings), 0, ("text", b"", 2))
            sound = {f"reference/{name}": spectra for name, spectra in excerpt.sources.items()} | sound
            sound["reference/mixture"] = excerpt.mixture
        for name, spectra in sound.items():
            tag = name if "/" in name else f"estimate/{name}"
            image, audio = tf.io.encode_png(excerpt.picture(spectra)), tf.audio.encode_wav(*excerpt.audio(spectra))
            height, width = excerpt.picture(spectra).shape[:2]
            self._write("valid", tag, tf.stack([str(width), str(height), image]), epoch, IMAGES)
            self._write("valid", f"{tag} (sound)", tf.stack([[audio, ""]]), epoch, AUDIO)
        self._flush()

    def close(self) -> None:
        """Close the event files and remove the live ones."""
        for writer in self._writers.values():
            writer.close()
        if self.live:
            shutil.rmtree(self.live, ignore_errors=True)

    def _write(self, run: str, tag: str, value: tf.Tensor, step: int, kind: tuple[str, bytes, int]) -> None:
        """Write one value for the plugin `kind`: name, content and data class, as TensorBoard's own summaries."""
        if run not in self._writers:
            self._writers[run] = tf.summary.create_file_writer(str(self.folder / f"{run}{self.suffix}"))
        name, content, data_class = kind
        data = tf.compat.v1.SummaryMetadata.PluginData(plugin_name=name, content=content)
        metadata = tf.compat.v1.SummaryMetadata(plugin_data=data, data_class=data_class)
        with self._writers[run].as_default(), tf.summary.record_if(True):
            tf.summary.write(tag, value, step=step, metadata=metadata)

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()


class Excerpt:
    """The middle seconds of the first validation song, as the trainer's network separates it."""

    def __init__(self, features: Features, trainer: Trainer):
        self.stft, self.trainer = features.stft, trainer
        song = next(song for song in features.songs if song.split == "valid")
        nb_frames = min(song.nb_frames, round(SECONDS * self.stft.sample_rate / self.stft.hop))
        start = (song.nb_frames - nb_frames) // 2
        self.sources = {
            name: to_single(np.ascontiguousarray(array[start : start + nb_frames])).view(np.complex64)[..., 0]
            for name, array in features.arrays(song.name).items()
        }
        self.mixture: NDArray[np.complex64] = np.sum(list(self.sources.values()), axis=0)
        self.top = float(20 * np.log10(np.abs(self.mixture).max() + 1e-9))

    @cached_property
    def model(self) -> Model:
        network, before = self.trainer.network, self.trainer.before
        return Model(tuple(self.sources), self.stft, (before or network,), network if before else None)

    def estimates(self) -> dict[str, NDArray[np.complex64]]:
        """STFT of each estimate with the EMA of the weights, (nb_frames, nb_bins, nb_channels)."""
        with self.trainer.averaged():
            masks = self.model.masks(self.mixture)
        return {name: mask * self.mixture for name, mask in zip(self.sources, masks, strict=True)}

    def audio(self, spectra: NDArray[np.complex64]) -> tuple[NDArray[np.float32], int]:
        """Samples (nb_samples, nb_channels) and sample rate."""
        inverse = Inverse(self.stft, (len(spectra) - 1) * self.stft.hop)
        return np.clip(inverse(spectra), -1, 1), self.stft.sample_rate

    def picture(self, spectra: NDArray[np.complex64]) -> NDArray[np.uint8]:
        """Spectrogram as an image (height, width, 3): logarithmic, low frequencies at the bottom."""
        magnitude = np.abs(spectra).mean(axis=-1)  # (nb_frames, nb_bins)
        highest = min(HIGHEST, self.stft.sample_rate / 2)
        edges = np.geomspace(LOWEST, highest, ROWS + 1) * self.stft.window / self.stft.sample_rate  # bins
        rows = np.maximum.reduceat(magnitude[:, : int(edges[-1]) + 1], edges[:-1].astype(int), axis=1)
        level = 20 * np.log10(rows.T[::-1] + 1e-9)
        shades = np.clip((level - self.top + RANGE) / RANGE, 0, 1) * 255
        stops = np.array(PALETTE, float)
        colours = np.stack([np.interp(shades, stops[:, 0], stops[:, i]) for i in (1, 2, 3)], axis=-1)
        return np.repeat(colours.round().astype(np.uint8), 2, axis=1)


def _write_live(folder: Path, history: Sequence[tuple[float, ...]]) -> None:
    """Write the losses of all epochs so far as DVCLive does."""
    epochs, train, valid, rate, *_ = map(list, zip(*history, strict=True))
    columns = {"train/loss": train, "valid/loss": valid, "learning_rate": rate}
    metrics: dict[str, object] = {}
    for name, values in columns.items():
        if np.isnan(values).any():
            continue  # there are no validation songs
        rows = "".join(f"{epoch}\t{value:.6g}\n" for epoch, value in zip(epochs, values, strict=True))
        files.write_text(folder / "plots" / "metrics" / f"{name}.tsv", f"step\t{Path(name).name}\n{rows}")
        section, key = metrics, Path(name).name
        for part in Path(name).parts[:-1]:
            section = section.setdefault(part, {})  # type: ignore[assignment]
        section[key] = values[-1]
    files.write_json(folder / "metrics.json", metrics | {"step": epochs[-1]})
    files.write_text(folder / "dvc.yaml", DVC_YAML)
