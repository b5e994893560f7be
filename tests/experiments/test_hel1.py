"""The study of HEL1's scores: fingerprint, simulated mistakes, networks with random weights, and a whole run."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from experiments.hel1 import __main__ as study
from experiments.hel1 import fingerprint, mistakes, networks
from experiments.hel1.fingerprint import SOURCES, Songs
from experiments.hel1.hypotheses import HYPOTHESES
from experiments.hel1.scene import Scene
from rnnsep import params
from rnnsep.learning.recipe import Recipe
from rnnsep.learning.training import train
from rnnsep.presets import catalogue
from rnnsep.signal.stft import StftParams
from tests.learning.conftest import STFT, bands, eager, features, write_bands

__all__ = ["bands", "eager", "features"]

NAMES = ("PR - Oh No", "Raft Monk - Tiring", "Zeno - Signs")  # of SiSEC 2018
ROOT = Path(__file__).resolve().parents[2]
STEREO = StftParams(sample_rate=8000, window=128, hop=64, channels="mono", taper="hann")


class Frames:
    """A stand-in for a model: random masks that differ between frames, bins and mixtures, and sum to one."""

    sources, stft = ("low", "high"), STEREO

    def masks(self, mixture: NDArray[np.complex64]) -> NDArray[np.float32]:
        first = np.random.default_rng(abs(int(mixture.real.sum() * 1000))).uniform(size=mixture.shape)
        return np.stack([first, 1 - first]).astype(np.float32)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    corpus = write_bands(tmp_path_factory.mktemp("scene"), nb_train=1, nb_channels=2, nb_test=2, seconds=0.5)
    return Scene(Frames(), corpus, corpus.of_split("test"), 0)


def test_the_fingerprint_is_that_of_the_published_medians() -> None:
    medians = fingerprint.published().medians()
    np.testing.assert_allclose(medians[0], [-1.03, -1.25, -1.00, -0.90], atol=0.011)  # from rounded medians
    np.testing.assert_allclose(medians[2], [-5.68, -6.20, -8.35, -5.06], atol=0.005)
    assert fingerprint.distance(medians, medians) == 0
    assert fingerprint.distance(medians, medians + 2) == pytest.approx(2)


def test_the_number_of_songs_makes_distances_of_its_own() -> None:
    few, many = (fingerprint.sampling_error(number) for number in (10, 40))
    assert (np.median(few, axis=0) > 1.5 * np.median(many, axis=0)).all()
    assert fingerprint.sampling_error(50).max() < 1e-12


def test_spreads_do_not_depend_on_how_hard_the_songs_are() -> None:
    random, names = np.random.default_rng(0), tuple("abcdefghijkl")
    mix, above = random.normal(size=(2, 4, len(names), 4))
    above[[1, 3]] = 0
    ours, harder = Songs(names, mix + above, mix), Songs(names, mix * 9 + above, mix * 9)
    np.testing.assert_allclose(ours.spreads()[[0, 2]], harder.spreads()[[0, 2]], atol=1e-9)
    assert fingerprint.agreement(ours, harder) == pytest.approx(1)
    assert fingerprint.agreement(ours, Songs(names, mix - above, mix)) == pytest.approx(-1)
    backwards = harder.of(np.arange(len(names))[::-1])
    assert fingerprint.agreement(ours, backwards) == fingerprint.agreement(backwards, ours) == pytest.approx(1)
    assert np.isnan(fingerprint.agreement(ours, Songs(names, mix, mix)))
    assert np.isnan(fingerprint.agreement(ours, Songs(("other",), mix[:, :1], mix[:, :1])))


MISTAKES: dict[str, mistakes.Mistake] = {
    "none": mistakes.none, "masks": mistakes.masks_of_the_next_song, "delayed": partial(mistakes.delayed, seconds=0.1),
    "permuted": partial(mistakes.permuted, by=1), "transposed": mistakes.transposed,
    "interleaved": mistakes.interleaved, "upside down": mistakes.reversed_bins,
    "input": partial(mistakes.other_input_level, factor=3),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_with_masks_share_the_mixture_in_other_ways(name: str, scene: Scene) -> None:
    estimates = MISTAKES[name](scene)
    np.testing.assert_allclose(estimates.sum(axis=0), scene.mixture, atol=1e-5)
    assert np.allclose(estimates, scene.estimates) == (name == "none")


def test_mistakes_are_what_they_are_called(scene: Scene) -> None:
    masks, mixture = scene.masks, scene.mixture
    np.testing.assert_array_equal(mistakes.permuted(scene, 1), scene.estimates[[1, 0]])
    np.testing.assert_allclose(mistakes.scaled(scene, 0.5), 0.5 * scene.estimates)
    mono = mistakes.mono(scene)
    np.testing.assert_array_equal(mono[..., 0], mono[..., 1])
    np.testing.assert_allclose(mono[..., 0], scene.estimates.mean(axis=-1))
    np.testing.assert_allclose(mistakes.mono_scaled(scene, 2), 2 * mono)
    # read as (nb_frames, nb_bins), the second value of a frame is the first bin of the second frame
    np.testing.assert_allclose(mistakes.transposed(scene)[:, 0, 1], masks[:, 1, 0] * mixture[0, 1])
    np.testing.assert_allclose(mistakes.delayed(scene, 2 * 64 / 8000)[:, 5], masks[:, 3] * mixture[5])
    used = (mistakes.interleaved(scene) / np.where(mixture == 0, 1, mixture)).real[0, :, 9, 0]
    np.testing.assert_allclose(np.sort(used), np.sort(masks[0, :, 9, 0]), atol=1e-5)
    other = mistakes.estimates_of_the_next_song(scene)
    np.testing.assert_array_equal(other[:, :40], scene.next.estimates[:, :40])
    assert scene.next.next.song == scene.song


def test_names_are_unique_and_every_change_is_a_parameter() -> None:
    names = [one.name for one in HYPOTHESES]
    assert len(set(names)) == len(names)
    for one in HYPOTHESES:
        setting = networks.Setting(networks.Study("musdb18-7s", Path("songs"), Path("folder")), one.changes)
        setting.recipe.check()
        assert setting.corpus_params.path == "songs"


@pytest.mark.usefixtures("eager")
def test_random_weights_are_those_of_the_preset(features: Path, tmp_path: Path) -> None:
    """The preset takes a training step with a learning rate of 0, which the study leaves out."""
    document = params.read_yaml(ROOT / "params.yaml")
    sizes = {"rnn.units": 6, "input.bandwidth": 4000.0, "sampling.frames": 8, "sampling.batch": 2, "training.seed": 3}
    for key, value in (catalogue.changes("hel1-untrained") | sizes).items():
        section, name = key.split(".")
        document[section][name] = value
    recipe = params.select(Recipe, document)
    train(features, tmp_path / "models", recipe)
    setting: Any = SimpleNamespace(features=lambda: features, features_folder=features, recipe=recipe)
    ours, theirs = networks.untrained(setting, 3), networks.load_model(tmp_path / "models")
    for mine, other in zip(ours.networks[0].weights, theirs.networks[0].weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())
    assert any(
        (mine.numpy() != other.numpy()).any()
        for mine, other in zip(
            networks.untrained(setting, 4).networks[0].weights, ours.networks[0].weights, strict=True
        )
    )
    assert ours.stft == STFT


def test_a_whole_run_resumes_and_writes_table_and_figure(
    tmp_path: Path, write_tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    songs = {
        song: {stem: random.integers(-3000, 3000, (60000, 2), np.int16) for stem in ("mixture", *SOURCES)}
        for song in ("train/A - B", "train/ANiMAL - Rockshow", *(f"test/{name}" for name in NAMES))
    }
    copy = write_tree(tmp_path / "copy", songs, rate=44100)
    (random_weights,) = [one for one in HYPOTHESES if one.name == "random"]
    small = replace(random_weights, seeds=2, changes={"rnn.units": 4, "rnn.layers": 1}, ways=(mistakes.mono,))
    monkeypatch.setattr(study, "HYPOTHESES", (small, HYPOTHESES[-1]))
    monkeypatch.setenv("RNNSEP_WORKERS", "1")
    folder = tmp_path / "study"
    arguments = ["--corpus", str(copy), "--name", "musdb18-hq", "--folder", str(folder), "--only", "random"]
    assert study.main(arguments) == 0
    printed = capsys.readouterr().out
    table = pd.read_csv(folder / "table.csv").set_index("name")
    assert list(table.index) == [
        "HEL1",
        "HEL1, these songs",
        "MIX",
        "IRM1",
        "IRM1, from its own published scores",
        "IRM1, these songs",
        "random",
    ]
    assert table.loc["random", "runs"] == 2
    assert table.loc["random", "distance min"] < table.loc["random", "distance max"]
    assert table.loc["IRM1", "SIR vocals"] > table.loc["MIX", "SIR vocals"] + 1
    assert (folder / "table.md").read_text(encoding="utf-8") in printed
    assert (folder / "figure.svg").read_text(encoding="utf-8").startswith("<svg")

    kept = (folder / "scores/random/0/test/Zeno - Signs.json").read_bytes()
    (folder / "scores/random/1/test/PR - Oh No.json").unlink()
    first = (folder / "table.csv").read_bytes()
    assert study.main(arguments) == 0
    assert (folder / "table.csv").read_bytes() == first
    assert (folder / "scores/random/0/test/Zeno - Signs.json").read_bytes() == kept


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert study.main([]) == 1
    assert capsys.readouterr().err == "hel1: --corpus: must be the folder of a copy of musdb18-7s, not None\n"
    assert study.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(HYPOTHESES)
