import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rnnsep.learning import training
from rnnsep.learning.losses import LossParams
from rnnsep.learning.model import Model, load_model
from rnnsep.learning.network import Defects, NetworkParams, make_network
from rnnsep.learning.sampling import Sampler, SamplingParams
from rnnsep.learning.training import (
    BlendingParams,
    EnhancementParams,
    Trainer,
    TrainingParams,
    divided,
    plateau_scale,
    spectra,
    train,
)
from rnnsep.params import ParamError, parse
from rnnsep.running.errors import UserError
from rnnsep.signal.features import open_features, write_features
from rnnsep.signal.songs import Corpus
from rnnsep.signal.stft import stft
from tests.learning.conftest import STFT, write_bands
from tests.networks import SMALL

NETWORK = replace(SMALL, units=16, dropout=0.2)
LOSS = LossParams("sdr", 0.0, "mask", 1.0, 0, 1.0)
SAMPLING = SamplingParams(frames=32, batch=4, steps=6, remix=0.5, gain=3.0, equaliser=0.0, swap=0.5, shift=0.0)
SHORT = replace(SAMPLING, frames=8, steps=2)
TRAINING = TrainingParams(
    seed=1,
    epochs=3,
    pretraining=0,
    patience=3,
    optimizer="adam",
    momentum=0.9,
    learning_rate=0.01,
    warmup=3,
    schedule="cosine",
    weight_decay=0.0,
    clip=1.0,
    averaging=0.9,
    networks=1,
    threads=2,
    precision="float32",
)
UNBLENDED = BlendingParams(bands=0, units=4, dropout=0.0)
ALONE = EnhancementParams(layers=0, mask="relu", loss="magnitude", discrimination=0.0, share=0.0)


def run(
    features: Path,
    folder: Path,
    network: NetworkParams = NETWORK,
    loss: LossParams = LOSS,
    sampling: SamplingParams = SAMPLING,
    blending: BlendingParams = UNBLENDED,
    enhancement: EnhancementParams = ALONE,
    **changes: object,
) -> Path:
    """A small training; the folder of the model."""
    models = folder / "models"
    models.parent.mkdir(parents=True, exist_ok=True)
    train(features, models, network, loss, sampling, replace(TRAINING, **changes), blending, enhancement)  # type: ignore[arg-type]
    return models


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def trained(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(features, tmp_path_factory.mktemp("trained"))


def test_a_model_is_three_files_and_two_trainings_give_the_same_bytes(
    trained: Path, features: Path, tmp_path: Path
) -> None:
    assert list(contents(trained)) == ["history.tsv", "model.json", "model.weights.h5"]
    assert contents(run(features, tmp_path)) == contents(trained)


def test_another_seed_gives_another_model(trained: Path, features: Path, tmp_path: Path) -> None:
    other = contents(run(features, tmp_path, seed=2))
    assert other["model.weights.h5"] != contents(trained)["model.weights.h5"]


def test_the_history_has_a_row_for_each_epoch_and_the_loss_falls(trained: Path) -> None:
    history = pd.read_csv(trained / "history.tsv", sep="\t")
    assert list(history.columns) == ["epoch", "train_loss", "valid_loss", "learning_rate"]
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0] - 0.1


def test_the_masks_separate_what_training_has_not_heard(features: Path, bands: Path, tmp_path: Path) -> None:
    model = load_model(run(features, tmp_path, epochs=8))
    corpus = Corpus.read(bands)
    (song,) = corpus.of("test")
    spectra = {name: stft(corpus.stem(song, name), model.stft) for name in ("mixture", "low", "high")}
    masks = model.masks(spectra["mixture"])
    for mask, source in zip(masks, model.sources, strict=True):
        error = np.sum(np.abs(mask * spectra["mixture"] - spectra[source]) ** 2)
        before = np.sum(np.abs(spectra["mixture"] / 2 - spectra[source]) ** 2)
        assert error < before / 10


KILLED = """
import os, signal, sys
from pathlib import Path
from rnnsep.learning import training
from tests.learning.test_training import run

after, how = int(sys.argv[3]), sys.argv[4]
steps = 0
step = training.Trainer.step
def killed(self, *arguments):
    global steps
    steps += 1
    if steps == after:
        os.kill(os.getpid(), signal.Signals[how])
    return step(self, *arguments)
training.Trainer.step = killed
run(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(("after", "how"), [(3, "SIGTERM"), (9, "SIGKILL")])
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    trained: Path, features: Path, tmp_path: Path, after: int, how: str
) -> None:
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(features), str(tmp_path), str(after), how],
        env=os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        check=False,
    )
    assert killed.returncode == -signal.Signals[how]
    assert (tmp_path / "checkpoint.npz").exists() == (after > SAMPLING.steps)
    assert contents(run(features, tmp_path)) == contents(trained)


def test_training_stops_when_validation_no_longer_improves(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.0, 2.5, 2.5, 1.0])
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: next(losses))
    models = run(features, tmp_path, epochs=9, patience=2)
    assert pd.read_csv(models / "history.tsv", sep="\t")["valid_loss"].tolist() == [3.0, 2.0, 2.5, 2.5]
    assert '"best_epoch": 2' in (models / "model.json").read_text()


def test_a_loss_that_is_no_number_stops_with_the_epoch_and_keeps_the_last_good_state(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, float("nan")])
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: next(losses))
    with pytest.raises(UserError, match=r"not a number any more in epoch 2; lower training.learning_rate"):
        run(features, tmp_path)
    with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as checkpoint:
        assert all(np.isfinite(checkpoint[name]).all() for name in checkpoint.files)
    assert not (tmp_path / "models").exists()


def test_plateau_lowers_the_rate_after_half_the_patience() -> None:
    params = replace(TRAINING, schedule="plateau", patience=4)
    losses = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    scales = [plateau_scale([(i, 0.0, loss, 0.0) for i, loss in enumerate(losses[:n])], params) for n in range(8)]
    assert scales == pytest.approx([1, 1, 1, 1, 0.3, 0.3, 0.3, 0.09])
    assert plateau_scale([(i, 0.0, 1.0, 0.0) for i in range(9)], TRAINING) == 1


def test_the_rate_rises_and_then_follows_the_cosine(features: Path) -> None:
    network = training.MaskNetwork(NETWORK, 2, 10, 1)
    trainer = Trainer(network, LOSS, TRAINING, steps_per_epoch=10)
    rates = []
    for step in (0, 1, 2, 15, 30):
        trainer.optimizer.iterations.assign(step)
        rates.append(float(trainer.learning_rate(1.0)))
    cosine = 0.5 * (1 + np.cos(np.pi * np.array([0, 1, 2, 15, 30]) / 30))
    np.testing.assert_allclose(rates, cosine * [1 / 3, 2 / 3, 1, 1, 1], atol=1e-6)


def without(split: str, features: Path, folder: Path) -> Path:
    """A copy of the features in which the songs of a split are for training, or for validation if that is it."""
    shutil.copytree(features, folder)
    index = folder / "features.json"
    index.write_text(index.read_text().replace(f'"{split}"', '"valid"' if split == "train" else '"train"'))
    return folder


def test_without_songs_for_validation_the_last_weights_are_kept(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "evaluate", None)  # there is nothing to evaluate on
    models = run(without("valid", features, tmp_path / "features"), tmp_path, sampling=SHORT, patience=1)
    assert '"best_epoch": 3' in (models / "model.json").read_text()
    history = pd.read_csv(models / "history.tsv", sep="\t")
    assert history["valid_loss"].isna().all() and history["train_loss"].notna().all()


def test_training_needs_songs_and_a_plateau_needs_validation(features: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no song of split train"):
        run(without("train", features, tmp_path / "valid"), tmp_path)
    with pytest.raises(UserError, match=r"training\.schedule: must be cosine or constant"):
        run(without("valid", features, tmp_path / "train"), tmp_path, schedule="plateau")


@pytest.fixture
def eager() -> Iterator[None]:
    """Without compilation, which would take most of the time of a small training."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def seen(features: Path, sampling: SamplingParams = SAMPLING, **changes: object) -> tuple[Trainer, Sampler]:
    """A trainer and a sampler of the first training songs."""
    keras.utils.set_random_seed(0)
    opened = open_features(features)
    network = make_network(replace(NETWORK, dropout=0.0), 2, opened.stft)
    params = replace(TRAINING, averaging=0.0, **changes)  # type: ignore[arg-type]
    return Trainer(network, LOSS, params, sampling.steps), Sampler(opened, "train", sampling, network.nb_bins)


@pytest.mark.usefixtures("eager")
def test_the_slope_of_the_whole_loss_is_that_of_finite_differences(features: Path) -> None:
    trainer, sampler = seen(features)
    batch = next(sampler.whole())
    loss, gradients = trainer.slope(batch)
    direction = [np.random.default_rng(i).normal(size=g.shape) for i, g in enumerate(gradients)]
    slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, direction, strict=True))
    weights, step, losses = [w.numpy() for w in trainer.weights], 1e-3, []
    for sign in (1, -1):
        for weight, value, d in zip(trainer.weights, weights, direction, strict=True):
            weight.assign(value + sign * step * d)
        losses.append(trainer.slope(batch)[0])
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=0.02)
    assert min(losses) < loss < max(losses)


@pytest.mark.usefixtures("eager")
def test_lbfgs_lowers_the_loss_over_all_songs(features: Path) -> None:
    trainer, sampler = seen(features, replace(SHORT, batch=32), optimizer="lbfgs")
    trainer.restart_averages()
    before = float(np.mean([trainer.slope(batch)[0] for batch in sampler.whole()]))
    after = trainer.search(sampler.whole, 8)
    assert after < before - 0.1
    assert trainer.evaluate(sampler.whole()) == pytest.approx(after, rel=1e-4)


@pytest.mark.usefixtures("eager")
def test_lbfgs_goes_on_after_a_kill_with_the_same_bytes(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"optimizer": "lbfgs", "averaging": 0.0, "epochs": 2}
    network, sampling = replace(NETWORK, dropout=0.0), replace(SHORT, batch=32, shift=0.1)
    whole = run(features, tmp_path / "whole", network, sampling=sampling, **changes)
    search, calls = Trainer.search, []

    def killed(*arguments: object) -> float:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return search(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "search", killed)
    with pytest.raises(KeyboardInterrupt):
        run(features, tmp_path / "killed", network, sampling=sampling, **changes)
    assert contents(run(features, tmp_path / "killed", network, sampling=sampling, **changes)) == contents(whole)


@pytest.mark.parametrize(
    ("network", "training", "key"),
    [
        ({"dropout": 0.1}, {"averaging": 0.0}, "rnn.dropout"),
        ({"dropout": 0.0, "noise": 0.1}, {"averaging": 0.0}, "rnn.noise"),
    ],
)
def test_lbfgs_refuses_randomness(
    features: Path, tmp_path: Path, network: dict[str, float], training: dict[str, float], key: str
) -> None:
    with pytest.raises(ParamError, match=key):
        run(features, tmp_path, replace(NETWORK, **network), optimizer="lbfgs", **training)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["averaging", "weight_decay"])
def test_lbfgs_refuses_what_it_does_not_do(key: str) -> None:
    section = asdict(TRAINING) | {"optimizer": "lbfgs", "averaging": 0.0} | {key: 0.5}
    with pytest.raises(ParamError, match=rf"training\.{key}: must be 0"):
        parse(TrainingParams, section, "training")


@pytest.mark.usefixtures("eager")
def test_sgd_is_momentum_times_the_last_step_less_the_gradient(features: Path) -> None:
    trainer, sampler = seen(features, optimizer="sgd", momentum=0.5, clip=1e9, warmup=0, schedule="constant")
    batch, velocity = next(sampler.whole()), 0.0
    expected = trainer.weights[-1].numpy().astype(np.float64)
    for _ in range(3):
        velocity = 0.5 * velocity - 0.1 * trainer.slope(batch)[1][-1]
        expected += velocity
        trainer.step(batch, 0.1)
        np.testing.assert_allclose(trainer.weights[-1], expected, atol=1e-5)


@pytest.mark.usefixtures("eager")
def test_pretraining_is_with_the_other_loss_and_patience_waits_for_its_end(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: next(losses))
    loss = LossParams("sdr", 0.0, "mask", 1.0, 0, 1.0)
    models = run(features, tmp_path, loss=loss, sampling=SHORT, epochs=9, pretraining=3, patience=2)
    history = pd.read_csv(models / "history.tsv", sep="\t")["train_loss"].tolist()
    assert len(history) == 5
    assert all(value > 0 for value in history[:3])  # (m - m*)²
    assert all(value < 0 for value in history[3:])  # logarithms


@pytest.mark.usefixtures("eager")
def test_a_second_network_enhances_what_the_first_makes_of_other_songs(features: Path, tmp_path: Path) -> None:
    stage = EnhancementParams(layers=1, mask="relu", loss="magnitude", discrimination=0.1, share=0.5)
    models = run(features, tmp_path, replace(NETWORK, mask="sigmoid"), sampling=SHORT, enhancement=stage, epochs=1)
    names = ["enhancement.tsv", "enhancer.weights.h5", "history.tsv", "model.json", "model.weights.h5"]
    assert list(contents(models)) == names
    model = load_model(models)
    assert model.enhancer is not None and len(model.enhancer.recurrent) == 1
    random = np.random.default_rng(0)
    mixture = (random.normal(size=(20, 129, 1)) + 1j * random.normal(size=(20, 129, 1))).astype(np.complex64)
    masks = model.masks(mixture)
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-5)  # the last mask is a ratio
    first = Model(model.sources, model.stft, model.network).masks(mixture)
    assert np.abs(first.sum(axis=0) - 1).max() > 1e-3
    seen = (first * np.abs(mixture)).transpose(1, 2, 0, 3).reshape(1, 20, 129, 2)
    np.testing.assert_allclose(model.enhancer(seen)[:, 0], masks, atol=1e-5)
    # a run that is killed during the second stage finds the first one done
    (tmp_path / "enhancement.npz").unlink()
    shutil.move(models, tmp_path / "before")
    assert contents(
        run(features, tmp_path, replace(NETWORK, mask="sigmoid"), sampling=SHORT, enhancement=stage, epochs=1)
    ) == contents(tmp_path / "before")


@pytest.mark.parametrize(("share", "nb_kept"), [(0.5, 5), (0.1, 1), (0.25, 2), (0.9, 9)])
def test_the_stages_have_disjoint_songs(share: float, nb_kept: int) -> None:
    songs = [f"{i}" for i in range(10)]
    first, second = divided(songs, share)
    assert sorted(first + second) == songs
    assert len(second) == nb_kept
    assert divided(songs, 0.0) == (songs, songs)
    with pytest.raises(UserError, match=r"enhancement\.share"):
        divided(songs[:1], share)


def test_with_the_defect_the_mixture_is_half_the_sum_of_its_targets(features: Path) -> None:
    trainer, sampler = seen(features)
    batch = next(sampler.whole())
    halved = replace(NETWORK, defects=Defects(half_mixture=True, reset=0))
    _, x, s, r = spectra(*batch, trainer.network)
    _, half_x, half_s, half_r = spectra(*batch, make_network(halved, 2, STFT))
    np.testing.assert_allclose(half_x, x / 2, rtol=1e-6)
    np.testing.assert_array_equal(half_s, s)
    np.testing.assert_allclose(half_r, r / 2, rtol=1e-5, atol=1e-6)
    # masks see it, too, when they separate
    network = replace(NETWORK, input="linear", defects=Defects(half_mixture=True, reset=0))
    model = Model(("low", "high"), STFT, make_network(network, 2, STFT))
    spectrum = np.random.default_rng(0).normal(size=(6, 129, 1)).astype(np.complex64)
    whole = Model(("low", "high"), STFT, make_network(replace(network, defects=NETWORK.defects), 2, STFT))
    whole.network.set_weights(model.network.get_weights())
    np.testing.assert_allclose(model.masks(spectrum), whole.masks(spectrum / 2), atol=1e-6)
    assert np.abs(model.masks(spectrum) - whole.masks(spectrum)).max() > 1e-3


def test_networks_of_several_seeds_are_averaged(features: Path, bands: Path, tmp_path: Path, trained: Path) -> None:
    whole = run(features, tmp_path / "whole", networks=2)
    assert list(contents(whole)) == [
        "history-2.tsv", "history.tsv", "model-2.weights.h5", "model.json", "model.weights.h5",
    ]  # fmt: skip
    assert contents(whole)["model.weights.h5"] == contents(trained)["model.weights.h5"]
    second = contents(run(features, tmp_path / "second", seed=TRAINING.seed + 1))
    assert contents(whole)["model-2.weights.h5"] == second["model.weights.h5"]
    corpus = Corpus.read(bands)
    model = load_model(whole)
    mixture = stft(corpus.stem(corpus.of("test")[0], "mixture"), model.stft)
    alone = [Model(model.sources, model.stft, one).masks(mixture) for one in (model.network, *model.others)]
    np.testing.assert_allclose(model.masks(mixture), np.mean(alone, axis=0), atol=1e-6)


def test_a_network_of_another_kind_is_blended_in(features: Path, bands: Path, tmp_path: Path, trained: Path) -> None:
    both = replace(UNBLENDED, bands=3)
    whole = run(features, tmp_path / "whole", blending=both)
    assert contents(whole)["model.weights.h5"] == contents(trained)["model.weights.h5"]
    alone = run(features, tmp_path / "alone", both.kinds(NETWORK, 1)[1], seed=TRAINING.seed + 1)
    assert contents(whole)["model-2.weights.h5"] == contents(alone)["model.weights.h5"]
    corpus = Corpus.read(bands)
    mixture = stft(corpus.stem(corpus.of("test")[0], "mixture"), STFT)
    masks = [load_model(models).masks(mixture) for models in (whole, trained, alone)]
    np.testing.assert_allclose(masks[0], (masks[1] + masks[2]) / 2, atol=1e-6)
    assert np.abs(masks[1] - masks[2]).max() > 1e-3


def test_a_blended_network_is_like_the_first_but_for_what_a_band_split_rnn_cannot_have() -> None:
    first = replace(NETWORK, bottleneck=8, local=(2,), context=1, recurrent=(1,), bidirectional=True)
    assert UNBLENDED.kinds(first, 2) == [first, first]
    *same, other = BlendingParams(bands=3, units=5, dropout=0.3).kinds(first, 2)
    assert same == [first, first]
    other.check()
    assert other == replace(first, bands=3, units=5, dropout=0.3, bottleneck=0, local=None, context=0, recurrent=None)
    for changes, key in [({"bands": 2}, r"rnn\.bands"), ({"mel": 12}, r"rnn\.mel")]:
        with pytest.raises(ParamError, match=rf"blending\.bands: must be 0 where {key} is not"):
            replace(UNBLENDED, bands=3).kinds(replace(NETWORK, **changes), 1)  # type: ignore[arg-type]


def test_networks_are_trained_side_by_side_to_the_same_bytes(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []
    for workers in ("1", "2"):
        monkeypatch.setenv("RNNSEP_WORKERS", workers)
        folders.append(run(features, tmp_path / workers, sampling=SHORT, epochs=1, networks=2, threads=1))
    assert contents(folders[0]) == contents(folders[1])


def test_what_excludes_each_other_is_refused(features: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamError, match=r"loss\.segment: must divide sampling\.frames \(32\)"):
        run(features, tmp_path, loss=replace(LOSS, segment=5))
    with pytest.raises(ParamError, match=r"training\.networks: must be 1"):
        run(features, tmp_path, enhancement=replace(ALONE, layers=1), networks=2)
    with pytest.raises(ParamError, match=r"blending\.bands: must be 0 where enhancement has layers"):
        run(features, tmp_path, blending=replace(UNBLENDED, bands=3), enhancement=replace(ALONE, layers=1))
    first, lbfgs = replace(NETWORK, dropout=0.0), {"optimizer": "lbfgs", "averaging": 0.0}
    with pytest.raises(ParamError, match=r"blending\.dropout: must be 0, since training\.optimizer is lbfgs"):
        run(features, tmp_path, first, blending=BlendingParams(bands=3, units=4, dropout=0.1), **lbfgs)


@pytest.mark.parametrize("changes", [{}, {"side": True}, {"pooling": 1000.0}, {"pooling": 500.0, "side": True}])
def test_a_network_sees_the_same_in_training_and_in_separation(tmp_path: Path, changes: dict[str, object]) -> None:
    write_bands(tmp_path / "corpus", seconds=0.5, nb_channels=2)
    params = replace(STFT, channels="stereo")
    write_features(tmp_path / "corpus", tmp_path / "features", params)
    opened = open_features(tmp_path / "features")
    network = make_network(replace(NETWORK, **changes), 2, params)  # type: ignore[arg-type]
    sources, gains = next(Sampler(opened, "train", SHORT, network.pooling.nb_bins).whole())
    u, x, s, r = (one.numpy() for one in spectra(tf.constant(sources), tf.constant(gains), network))
    parts = sources.astype(np.float32) * gains[:, :, None, :, None, None]
    complex_sources = parts.view(np.complex64)[..., 0]
    mixture = complex_sources.sum(axis=0)
    np.testing.assert_allclose(u, training.seen(mixture, network), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(x, u[..., :2])
    sums = network.pooling.sums
    np.testing.assert_allclose(s, np.sqrt(sums(np.abs(complex_sources) ** 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(r, sums((complex_sources * mixture.conj()).real), rtol=1e-3, atol=1e-4)


def test_a_stereo_network_with_everything_trains_and_separates(tmp_path: Path) -> None:
    write_bands(tmp_path / "corpus", seconds=0.5, nb_channels=2)
    params = replace(STFT, channels="stereo")
    write_features(tmp_path / "corpus", tmp_path / "features", params, [0.944, 1.059])
    network = replace(SMALL, side=True, pooling=1000.0, residual=True, bottleneck=12, bidirectional=True, dropout=0.2)
    model = load_model(run(tmp_path / "features", tmp_path, network, replace(LOSS, segment=4), SHORT))
    mixture = np.random.default_rng(0).normal(size=(7, 129, 2, 2)).astype(np.float32).view(np.complex64)[..., 0]
    masks = model.masks(mixture)
    assert masks.shape == (2, 7, 129, 2)
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(masks[:, :, 126], masks[:, :, 127])  # of one band


def test_copies_at_other_speeds_stay_with_their_song() -> None:
    songs = ["a", "b", "c", "d", "x0.944/a", "x0.944/b", "x0.944/c", "x0.944/d"]
    first, second = divided(songs, 0.5)
    assert sorted(first + second) == sorted(songs)
    assert {name[-1] for name in first}.isdisjoint(name[-1] for name in second)
