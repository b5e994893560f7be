import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnsep.features.extraction import write_features
from rnnsep.learning.losses import LossParams
from rnnsep.learning.trainer import Trainer
from rnnsep.learning.training import BlendingParams, EnhancementParams, divided, plateau_scale
from rnnsep.network.model import Model, load_model
from rnnsep.params import ParamError
from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import Corpus
from rnnsep.signal.stft import stft
from tests.learning.conftest import STFT, write_bands
from tests.learning.small import ALONE, LOSS, NETWORK, SAMPLING, SHORT, TRAINING, UNBLENDED, run
from tests.networks import SMALL


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
from rnnsep.learning.trainer import Trainer
from tests.learning.small import run

after, how = int(sys.argv[3]), sys.argv[4]
steps = 0
step = Trainer.step
def killed(self, *arguments):
    global steps
    steps += 1
    if steps == after:
        os.kill(os.getpid(), signal.Signals[how])
    return step(self, *arguments)
Trainer.step = killed
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
