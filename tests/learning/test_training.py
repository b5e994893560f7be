import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rnnsep.learning.schedule import PLATEAU_FACTOR, rate_of_epoch
from rnnsep.learning.trainer import Trainer
from rnnsep.learning.training import divided
from rnnsep.network.model import Model, load_model
from rnnsep.params import changed
from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import Corpus
from rnnsep.signal.stft import stft
from tests.learning.small import RECIPE, SHORT, run

LBFGS = {"optimizer.name": "lbfgs", "training.averaging": 0.0, "rnn.dropout": 0.0}
ENHANCED = SHORT | {"mask.activation": "sigmoid", "training.epochs": 2, "rnn.layers": 1, "enhancement.layers": 1,
                    "enhancement.discrimination": 0.1}  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def history(models):
    return pd.read_csv(models / "history.tsv", sep="\t").to_dict("list")


pytestmark = pytest.mark.usefixtures("eager")


def test_a_network_learns_to_separate_what_it_has_not_heard(features, bands, tmp_path):
    models = run(features, tmp_path, {"training.epochs": 4, "sampling.frames": 4, "sampling.batch": 32,
                                      "training.learning_rate": 0.03})  # fmt: skip
    found = history(models)
    assert list(found) == ["epoch", "train_loss", "valid_loss", "learning_rate"]
    assert found["epoch"] == [1, 2, 3, 4]
    assert found["train_loss"][-1] < found["train_loss"][0] - 0.1
    model, corpus = load_model(models), Corpus.read(bands)
    (song,) = corpus.of("test")
    spectra = {name: stft(corpus.stem(song, name), model.stft) for name in ("mixture", "low", "high")}
    masks = model.masks(spectra["mixture"])
    for mask, source in zip(masks, model.sources, strict=True):
        error = np.sum(np.abs(mask * spectra["mixture"] - spectra[source]) ** 2)
        before = np.sum(np.abs(spectra["mixture"] / 2 - spectra[source]) ** 2)
        assert error < before / 10


def test_a_compiled_training_is_the_eager_one_up_to_rounding(features, tmp_path):
    plain = SHORT | {"rnn.dropout": 0.0, "rnn.layers": 1, "training.epochs": 2}  # random numbers differ
    eager = run(features, tmp_path / "eager", plain)
    tf.config.run_functions_eagerly(False)
    compiled = run(features, tmp_path / "compiled", plain)
    one, other = (pd.read_csv(models / "history.tsv", sep="\t") for models in (eager, compiled))
    np.testing.assert_allclose(one, other, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "evaluations"),
    [
        (SHORT | {"training.epochs": 3}, 2),
        (SHORT | LBFGS | {"training.epochs": 2, "sampling.batch": 128, "sampling.shift": 0.1}, 2),
        (ENHANCED, 4),  # in the second stage
    ],
)
def test_a_killed_training_resumes_and_ends_with_the_same_bytes(features, tmp_path, monkeypatch, changes, evaluations):
    whole = contents(run(features, tmp_path / "whole", changes))
    evaluate, calls = Trainer.evaluate, iter(range(1, evaluations))

    def killed(*arguments):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            run(features, tmp_path / "killed", changes)
    assert contents(run(features, tmp_path / "killed", changes)) == whole
    monkeypatch.setattr(Trainer, "evaluate", killed)  # what is finished is only read
    assert contents(run(features, tmp_path / "killed", changes)) == whole


def test_more_epochs_continue_a_shorter_training_and_end_with_the_bytes_of_a_run_from_scratch(
    features, tmp_path, capsys
):
    changes = SHORT | {"training.schedule": "plateau", "training.patience": 2, "training.learning_rate": 0.05}
    short = contents(run(features, tmp_path / "short", changes | {"training.epochs": 2}))
    whole = contents(run(features, tmp_path / "whole", changes | {"training.epochs": 4}))
    capsys.readouterr()
    assert contents(run(features, tmp_path / "short", changes | {"training.epochs": 4})) == whole != short
    assert "resuming after epoch 2" in capsys.readouterr().out
    assert contents(run(features, tmp_path / "short", changes | {"training.epochs": 2})) == short
    assert "restarting" in capsys.readouterr().out


def scripted(monkeypatch, **values):
    """Let methods of `Trainer` return these values in turn."""
    for name, given in values.items():
        left = iter(given)
        monkeypatch.setattr(Trainer, name, lambda *_, left=left: next(left))


def test_training_stops_when_validation_no_longer_improves(features, tmp_path, monkeypatch):
    scripted(monkeypatch, evaluate=[3.0, 2.0, 2.5, 2.5, 1.0])
    changes = SHORT | {"training.schedule": "constant", "training.patience": 2}
    run(features, tmp_path, changes | {"training.epochs": 2})
    models = run(features, tmp_path, changes | {"training.epochs": 9})  # resumes
    assert history(models)["valid_loss"] == [3.0, 2.0, 2.5, 2.5]
    assert '"best_epoch": 2' in (models / "model.json").read_text()


def test_the_best_epoch_can_be_that_with_the_highest_sdr(features, tmp_path, monkeypatch):
    scripted(monkeypatch, evaluate=[3.0, 2.0, 1.0, 0.0], sdr=[1.0, 5.0, 4.0, 4.5])
    changes = {"training.epochs": 9, "training.patience": 2, "training.select": "sdr", "training.schedule": "plateau"}
    models = run(features, tmp_path, SHORT | changes)
    found = history(models)
    assert found["valid_loss"] == [3.0, 2.0, 1.0, 0.0]
    assert found["valid_sdr"] == [1.0, 5.0, 4.0, 4.5]
    assert found["learning_rate"] == pytest.approx([0.01, 0.01, 0.01, 0.01 * PLATEAU_FACTOR])
    assert '"best_epoch": 2' in (models / "model.json").read_text()


def test_a_nan_loss_stops_training_and_keeps_the_last_checkpoint(features, tmp_path, monkeypatch):
    scripted(monkeypatch, evaluate=[3.0, float("nan")])
    with pytest.raises(UserError, match=r"the loss is NaN or infinite in epoch 2; lower training\.learning_rate"):
        run(features, tmp_path, SHORT)
    with np.load(tmp_path / "checkpoint.npz", allow_pickle=False) as checkpoint:
        assert all(np.isfinite(checkpoint[name]).all() for name in checkpoint.files)
    assert not (tmp_path / "models").exists()


def test_plateau_lowers_the_rate_after_half_the_patience():
    plateau = {"training.schedule": "plateau", "training.patience": 4, "training.learning_rate": 1.0}
    params = changed(RECIPE, plateau).training
    losses = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    rates = [rate_of_epoch(losses[:n], params) for n in range(8)]
    assert rates == pytest.approx([1, 1, 1, 1, PLATEAU_FACTOR, PLATEAU_FACTOR, PLATEAU_FACTOR, PLATEAU_FACTOR**2])
    assert rate_of_epoch([1.0] * 9, changed(RECIPE, plateau | {"training.schedule": "cosine"}).training) == 1


def without(split, features, folder):
    """A copy of the features without a split: its songs are moved to train, or those of train to valid."""
    shutil.copytree(features, folder)
    index = folder / "features.json"
    index.write_text(index.read_text().replace(f'"{split}"', '"valid"' if split == "train" else '"train"'))
    return folder


def test_without_validation_songs_the_last_weights_are_kept(features, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "evaluate", None)  # there is nothing to evaluate on
    models = run(without("valid", features, tmp_path / "features"), tmp_path, SHORT | {"training.patience": 1})
    assert '"best_epoch": 3' in (models / "model.json").read_text()
    found = history(models)
    assert np.isnan(found["valid_loss"]).all() and np.isfinite(found["train_loss"]).all()


def test_recipes_that_do_not_fit_the_songs_are_rejected(features, tmp_path):
    no_train, no_valid = without("train", features, tmp_path / "valid"), without("valid", features, tmp_path / "train")
    for songs, changes, message in (
        (no_train, {}, "no song of split train"),
        (no_valid, {"training.schedule": "plateau"}, r"training\.schedule: plateau needs validation songs"),
        (no_valid, {"training.select": "sdr"}, r"training\.select: sdr needs validation songs"),
        (tmp_path / "nothing is read", {"loss.segment": 5}, r"loss\.segment"),
    ):
        with pytest.raises(UserError, match=message):
            run(songs, tmp_path, changes)


def test_pretraining_has_a_loss_of_its_own_and_ends_before_patience_counts(features, tmp_path, monkeypatch):
    scripted(monkeypatch, evaluate=[1.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    epochs = {"training.epochs": 9, "loss.pretraining_epochs": 3, "training.patience": 2}
    models = run(features, tmp_path, SHORT | epochs | {"loss.name": "sdr"})
    losses = history(models)["train_loss"]
    assert len(losses) == 5
    assert all(value > 0 for value in losses[:3])  # (m - m*)²
    assert all(value < 0 for value in losses[3:])  # logarithms


def test_an_enhancement_network_enhances_the_estimates_of_the_first(features, tmp_path):
    models = run(features, tmp_path, ENHANCED | {"training.epochs": 1})
    assert list(contents(models)) == ["enhancement.tsv", "history.tsv", "model.json", "weights.npz"]
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


def test_the_stages_have_disjoint_songs_and_copies_stay_with_theirs():
    songs = [f"{copy}{i}" for copy in ("", "x0.944/") for i in range(5)]
    assert divided(songs) == (
        ["0", "2", "4", "x0.944/0", "x0.944/2", "x0.944/4"], ["1", "3", "x0.944/1", "x0.944/3"]
    )  # fmt: skip
    with pytest.raises(UserError, match=r"enhancement\.layers: needs two training songs"):
        divided(["0", "x0.944/0"])


def test_networks_of_an_ensemble_are_those_that_their_seeds_give_alone(features, tmp_path, monkeypatch):
    short = SHORT | {"training.epochs": 1, "rnn.layers": 1}
    whole = run(features, tmp_path / "whole", short | {"training.networks": 2})
    assert list(contents(whole)) == ["history-2.tsv", "history.tsv", "model.json", "weights.npz"]
    alone = run(features, tmp_path / "second", short | {"training.seed": RECIPE.training.seed + 1})
    (weights,) = (network.weights for network in load_model(alone).networks)
    first, second = (network.weights for network in load_model(whole).networks)
    for path, weight in weights.items():
        np.testing.assert_array_equal(second[path], weight)
        assert not np.array_equal(first[path], weight), path


@pytest.mark.long
def test_networks_trained_in_parallel_have_the_same_bytes(features, tmp_path, monkeypatch):
    tf.config.run_functions_eagerly(False)  # as in the processes of a pool
    folders, changes = [], SHORT | {"training.epochs": 1, "training.networks": 2, "training.threads": 1}
    for workers in ("1", "2"):
        monkeypatch.setenv("RNNSEP_WORKERS", workers)
        folders.append(run(features, tmp_path / workers, changes))
    assert contents(folders[0]) == contents(folders[1])
