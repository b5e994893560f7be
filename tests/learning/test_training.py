import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnsep.learning import training
from rnnsep.learning.losses import LossParams
from rnnsep.learning.model import load_model
from rnnsep.learning.network import NetworkParams
from rnnsep.learning.sampling import SamplingParams
from rnnsep.learning.training import Trainer, TrainingParams, plateau_scale, train
from rnnsep.running.errors import UserError
from rnnsep.signal.songs import Corpus
from rnnsep.signal.stft import stft

NETWORK = NetworkParams("gru", 2, 16, False, 0.2, 4000.0, "log", "softmax")
LOSS = LossParams("sdr", 0.0)
SAMPLING = SamplingParams(frames=32, batch=4, steps=6, remix=0.5, gain=3.0)
TRAINING = TrainingParams(
    seed=1,
    epochs=3,
    patience=3,
    learning_rate=0.01,
    warmup=3,
    schedule="cosine",
    weight_decay=0.0,
    clip=1.0,
    averaging=0.9,
)


def run(features: Path, folder: Path, **changes: object) -> Path:
    """A small training; the folder of the model."""
    models = folder / "models"
    models.parent.mkdir(parents=True, exist_ok=True)
    train(features, models, NETWORK, LOSS, SAMPLING, replace(TRAINING, **changes))  # type: ignore[arg-type]
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


def test_a_corpus_without_validation_songs_is_refused(features: Path, tmp_path: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    text = (features / "features.json").read_text().replace('"valid"', '"train"')
    (folder / "features.json").write_text(text)
    with pytest.raises(UserError, match="no song of split valid"):
        run(folder, tmp_path)
