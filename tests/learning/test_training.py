import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rnnsep.features.extraction import write_features
from rnnsep.learning.recipe import reuse
from rnnsep.learning.schedule import PLATEAU_FACTOR, rate_of_epoch
from rnnsep.learning.trainer import Trainer
from rnnsep.learning.training import divided
from rnnsep.network.model import Model, load_model
from rnnsep.params import ParamError, changed
from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import Corpus
from rnnsep.signal.stft import stft
from tests.learning.conftest import STFT, write_bands
from tests.learning.small import RECIPE, SHORT, run

LBFGS = {"optimizer.name": "lbfgs", "training.averaging": 0.0, "rnn.dropout": 0.0}
TWO_NETWORKS = SHORT | {"training.epochs": 1, "training.networks": 2, "training.threads": 1}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def trained(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tf.config.run_functions_eagerly(True)  # this fixture is set up before `eager`
    return run(features, tmp_path_factory.mktemp("trained"))


def test_a_model_is_three_files_that_the_seed_determines(trained: Path, features: Path, tmp_path: Path) -> None:
    assert list(contents(trained)) == ["history.tsv", "model.json", "weights.npz"]
    one, same, other = (contents(run(features, tmp_path / str(n), SHORT | {"training.seed": n % 2})) for n in (0, 2, 1))
    assert one == same
    assert one["weights.npz"] != other["weights.npz"]


def test_a_compiled_training_is_the_eager_one_up_to_rounding(features: Path, tmp_path: Path) -> None:
    plain = SHORT | {"rnn.dropout": 0.0}  # random numbers differ
    eager = run(features, tmp_path / "eager", plain)
    tf.config.run_functions_eagerly(False)
    compiled = run(features, tmp_path / "compiled", plain)
    one, other = (pd.read_csv(models / "history.tsv", sep="\t") for models in (eager, compiled))
    np.testing.assert_allclose(one, other, rtol=1e-3)


def test_the_history_has_a_row_for_each_epoch_and_the_loss_falls(trained: Path) -> None:
    history = pd.read_csv(trained / "history.tsv", sep="\t")
    assert list(history.columns) == ["epoch", "train_loss", "valid_loss", "learning_rate"]
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0] - 0.1


def test_the_masks_separate_what_training_has_not_heard(features: Path, bands: Path, tmp_path: Path) -> None:
    model = load_model(run(features, tmp_path, {"training.epochs": 8, "sampling.frames": 16}))
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
import tensorflow as tf
from rnnsep.learning.trainer import Trainer
from tests.learning.small import RECIPE, run

steps = 0
step = Trainer.step
def killed(self, *arguments):
    global steps
    steps += 1
    if steps == RECIPE.sampling.steps + 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *arguments)
Trainer.step = killed
tf.config.run_functions_eagerly(True)
run(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_training_resumes_and_ends_with_the_same_bytes(trained: Path, features: Path, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(features), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "checkpoint.npz").exists()
    assert contents(run(features, tmp_path)) == contents(trained)


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_more_epochs_continue_a_shorter_training_and_end_with_the_bytes_of_a_run_from_scratch(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], schedule: str
) -> None:
    changes = SHORT | {"training.schedule": schedule, "training.patience": 2, "training.learning_rate": 0.05}
    run(features, tmp_path / "short", changes | {"training.epochs": 2})
    short = contents(tmp_path / "short" / "models")
    whole = contents(run(features, tmp_path / "whole", changes | {"training.epochs": 4}))
    capsys.readouterr()
    assert contents(run(features, tmp_path / "short", changes | {"training.epochs": 4})) == whole != short
    assert "resuming after epoch 2" in capsys.readouterr().out
    assert contents(run(features, tmp_path / "short", changes | {"training.epochs": 2})) == short
    assert "restarting" in capsys.readouterr().out


def test_only_schedules_that_do_not_depend_on_the_number_of_epochs_continue() -> None:
    assert reuse(RECIPE).growing == ()
    constant = {"training.schedule": "constant"}
    assert reuse(changed(RECIPE, constant)).growing == ("training.epochs",)
    assert reuse(changed(RECIPE, constant | {"enhancement.layers": 1})).growing == ()
    assert reuse(changed(RECIPE, constant | {"training.start": "models"})).growing == ()


def test_training_stops_when_validation_no_longer_improves(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.0, 2.5, 2.5, 1.0])
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: next(losses))
    models = run(features, tmp_path, SHORT | {"training.epochs": 9, "training.patience": 2})
    assert pd.read_csv(models / "history.tsv", sep="\t")["valid_loss"].tolist() == [3.0, 2.0, 2.5, 2.5]
    assert '"best_epoch": 2' in (models / "model.json").read_text()


def test_the_best_epoch_can_be_that_with_the_highest_sdr(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, sdrs = iter([3.0, 2.0, 1.0, 0.0]), iter([1.0, 5.0, 4.0, 4.5])
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: next(losses))
    monkeypatch.setattr(Trainer, "sdr", lambda *_: next(sdrs))
    changes = SHORT | {"training.epochs": 9, "training.patience": 2, "training.select": "sdr"}
    models = run(features, tmp_path, changes | {"training.schedule": "plateau"})
    history = pd.read_csv(models / "history.tsv", sep="\t")
    assert history["valid_loss"].tolist() == [3.0, 2.0, 1.0, 0.0]
    assert history["valid_sdr"].tolist() == [1.0, 5.0, 4.0, 4.5]
    assert history["learning_rate"].tolist() == pytest.approx([0.01, 0.01, 0.01, 0.01 * PLATEAU_FACTOR])
    assert '"best_epoch": 2' in (models / "model.json").read_text()


def test_a_nan_loss_stops_training_and_keeps_the_last_checkpoint(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, float("nan")])
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: next(losses))
    with pytest.raises(UserError, match=r"the loss is NaN or infinite in epoch 2; lower training\.learning_rate"):
        run(features, tmp_path, SHORT)
    with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as checkpoint:
        assert all(np.isfinite(checkpoint[name]).all() for name in checkpoint.files)
    assert not (tmp_path / "models").exists()


def test_plateau_lowers_the_rate_after_half_the_patience() -> None:
    plateau = {"training.schedule": "plateau", "training.patience": 4, "training.learning_rate": 1.0}
    params = changed(RECIPE, plateau).training
    losses = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    rates = [rate_of_epoch(losses[:n], params) for n in range(8)]
    assert rates == pytest.approx([1, 1, 1, 1, PLATEAU_FACTOR, PLATEAU_FACTOR, PLATEAU_FACTOR, PLATEAU_FACTOR**2])
    assert rate_of_epoch([1.0] * 9, changed(RECIPE, plateau | {"training.schedule": "cosine"}).training) == 1


def without(split: str, features: Path, folder: Path) -> Path:
    """A copy of the features without a split: its songs are moved to train, or those of train to valid."""
    shutil.copytree(features, folder)
    index = folder / "features.json"
    index.write_text(index.read_text().replace(f'"{split}"', '"valid"' if split == "train" else '"train"'))
    return folder


def test_without_validation_songs_the_last_weights_are_kept(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "evaluate", None)  # there is nothing to evaluate on
    models = run(without("valid", features, tmp_path / "features"), tmp_path, SHORT | {"training.patience": 1})
    assert '"best_epoch": 3' in (models / "model.json").read_text()
    history = pd.read_csv(models / "history.tsv", sep="\t")
    assert history["valid_loss"].isna().all() and history["train_loss"].notna().all()


def test_training_needs_songs_and_a_plateau_needs_validation(features: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no song of split train"):
        run(without("train", features, tmp_path / "valid"), tmp_path)
    with pytest.raises(UserError, match=r"training\.schedule: plateau needs validation songs"):
        run(without("valid", features, tmp_path / "train"), tmp_path, {"training.schedule": "plateau"})
    with pytest.raises(UserError, match=r"training\.select: sdr needs validation songs"):
        run(tmp_path / "train", tmp_path, {"training.select": "sdr"})


def test_lbfgs_resumes_after_a_kill_with_the_same_bytes(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = LBFGS | SHORT | {"training.epochs": 2, "sampling.batch": 32, "sampling.shift": 0.1}
    whole = run(features, tmp_path / "whole", changes)
    search, calls = Trainer.search, []

    def killed(*arguments: object) -> float:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return search(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "search", killed)
    with pytest.raises(KeyboardInterrupt):
        run(features, tmp_path / "killed", changes)
    assert contents(run(features, tmp_path / "killed", changes)) == contents(whole)


def test_pretraining_uses_its_own_loss_and_patience_starts_after_it(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(Trainer, "evaluate", lambda *_: next(losses))
    epochs = {"training.epochs": 9, "loss.pretraining_epochs": 3, "training.patience": 2}
    models = run(features, tmp_path, SHORT | epochs | {"loss.name": "sdr", "loss.pretraining": "mask"})
    history = pd.read_csv(models / "history.tsv", sep="\t")["train_loss"].tolist()
    assert len(history) == 5
    assert all(value > 0 for value in history[:3])  # (m - m*)²
    assert all(value < 0 for value in history[3:])  # logarithms


def test_an_enhancement_network_enhances_the_estimates_of_the_first(features: Path, tmp_path: Path) -> None:
    changes = SHORT | {"mask.activation": "sigmoid", "training.epochs": 1, "enhancement.layers": 1,
                       "enhancement.discrimination": 0.1, "enhancement.share": 0.5}  # fmt: skip
    models = run(features, tmp_path, changes)
    names = ["enhancement.tsv", "history.tsv", "model.json", "weights.npz"]
    assert list(contents(models)) == names
    model = load_model(models)
    assert model.enhancer is not None and model.enhancer.architecture.params.rnn.layers == 1
    random = np.random.default_rng(0)
    mixture = (random.normal(size=(20, 129, 1)) + 1j * random.normal(size=(20, 129, 1))).astype(np.complex64)
    masks = model.masks(mixture)
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-5)  # the last mask is a ratio
    first = Model(model.sources, model.stft, model.networks).masks(mixture)
    assert np.abs(first.sum(axis=0) - 1).max() > 1e-3
    seen = (first * np.abs(mixture)).transpose(1, 2, 0, 3).reshape(20, 129, 2)
    np.testing.assert_allclose(model.enhancer(seen), masks, atol=5e-5)  # ReLU ratios amplify rounding
    # a run that is killed during the second stage resumes there
    (tmp_path / "enhancement.npz").unlink()
    shutil.move(models, tmp_path / "before")
    assert contents(run(features, tmp_path, changes)) == contents(tmp_path / "before")


@pytest.mark.parametrize(("share", "nb_kept"), [(0.5, 5), (0.1, 1), (0.25, 2), (0.9, 9)])
def test_the_stages_have_disjoint_songs(share: float, nb_kept: int) -> None:
    songs = [f"{i}" for i in range(10)]
    first, second = divided(songs, share)
    assert sorted(first + second) == songs
    assert len(second) == nb_kept
    assert divided(songs, 0.0) == (songs, songs)
    with pytest.raises(UserError, match=r"enhancement\.share"):
        divided(songs[:1], share)


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks train in this process, where `eager` applies."""
    monkeypatch.setenv("RNNSEP_WORKERS", "1")


@pytest.mark.usefixtures("one_process")
def test_the_masks_of_an_ensemble_are_averaged(features: Path, bands: Path, tmp_path: Path) -> None:
    short = SHORT | {"training.epochs": 1, "rnn.layers": 1}
    whole = run(features, tmp_path / "whole", short | {"training.networks": 2})
    assert list(contents(whole)) == [
        "history-2.tsv", "history.tsv", "model.json", "weights.npz",
    ]  # fmt: skip
    alone = [
        run(features, tmp_path / "first", short),
        run(features, tmp_path / "second", short | {"training.seed": RECIPE.training.seed + 1}),
    ]
    for network, models in zip(load_model(whole).networks, alone, strict=True):
        for path, weight in load_model(models).networks[0].weights.items():
            np.testing.assert_array_equal(network.weights[path], weight)
    corpus = Corpus.read(bands)
    mixture = stft(corpus.stem(corpus.of("test")[0], "mixture"), STFT)[:6]
    masks = [load_model(models).masks(mixture) for models in (whole, *alone)]
    np.testing.assert_allclose(masks[0], (masks[1] + masks[2]) / 2, atol=1e-6)
    assert np.abs(masks[1] - masks[2]).max() > 1e-4


@pytest.mark.long
def test_networks_trained_in_parallel_have_the_same_bytes(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []
    for workers in ("1", "2"):
        monkeypatch.setenv("RNNSEP_WORKERS", workers)
        folders.append(run(features, tmp_path / workers, TWO_NETWORKS))
    assert contents(folders[0]) == contents(folders[1])


def test_a_recipe_that_cannot_be_is_rejected_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ParamError, match=r"loss\.segment"):
        run(tmp_path / "no features", tmp_path, {"loss.segment": 5})


def test_a_stereo_network_with_all_options_trains_and_separates(tmp_path: Path) -> None:
    write_bands(tmp_path / "corpus", seconds=0.5, nb_channels=2)
    params = changed(STFT, {"channels": "stereo"})
    write_features(tmp_path / "corpus", tmp_path / "features", params, [0.944, 1.059])
    changes = SHORT | {"input.side": True, "input.pooling": 1000.0, "rnn.residual": True, "rnn.bottleneck": 12,
                       "rnn.bidirectional": True, "rnn.units": 6, "loss.segment": 4}  # fmt: skip
    model = load_model(run(tmp_path / "features", tmp_path, changes))
    mixture = np.random.default_rng(0).normal(size=(7, 129, 2, 2)).astype(np.float32).view(np.complex64)[..., 0]
    masks = model.spread(model.masks(mixture))
    assert masks.shape == (2, 7, 129, 2)
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(masks[:, :, 126], masks[:, :, 127])  # bins of one band


def test_copies_at_other_speeds_stay_with_their_song() -> None:
    songs = ["a", "b", "c", "d", "x0.944/a", "x0.944/b", "x0.944/c", "x0.944/d"]
    first, second = divided(songs, 0.5)
    assert sorted(first + second) == sorted(songs)
    assert {name[-1] for name in first}.isdisjoint(name[-1] for name in second)
