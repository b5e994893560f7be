"""`rnnsep evaluate` and `rnnsep.evaluate`: the pipeline's scores for any folders and arrays."""

import json
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import rnnsep
from rnnsep.app import cli
from rnnsep.running.errors import UserError
from rnnsep.scoring.evaluation import score_estimates
from rnnsep.scoring.song_scores import EvaluationParams
from rnnsep.signal.corpus import Corpus, Song

SOURCES = ("vocals", "drums")
RATE = 8000


def sound(seed: int, nb_samples: int = 2 * RATE, nb_channels: int = 2) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(seed).normal(size=(nb_samples, nb_channels))).astype(np.float32)


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "1")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """References of two songs, and estimates that are the references with noise."""
    for index, name in enumerate(("a", "b")):
        for k, source in enumerate(SOURCES):
            reference = sound(10 * index + k)
            for root, audio in (("references", reference), ("estimates", reference + 0.3 * sound(99))):
                path = tmp_path / root / name / f"{source}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, audio, RATE, subtype="FLOAT")
    return tmp_path / "references", tmp_path / "estimates"


def evaluate(folders: tuple[Path, Path], scores: Path, *options: str) -> int:
    return cli.main(["evaluate", *map(str, folders), "-o", str(scores), *options])


@pytest.mark.parametrize("version", ["v4", "v3", "v2"])
def test_scores_are_those_of_the_pipeline(
    folders: tuple[Path, Path], tmp_path: Path, version: Literal["v4", "v3", "v2"]
) -> None:
    assert evaluate(folders, tmp_path / "scores", "--version", version) == 0
    root = tmp_path / "corpus"
    for name in ("a", "b"):
        shutil.copytree(folders[0] / name, root / "test" / name)
        mixture = sum(soundfile.read(root / "test" / name / f"{source}.wav")[0] for source in SOURCES)
        soundfile.write(root / "test" / name / "mixture.wav", mixture, RATE, subtype="FLOAT")
    songs = tuple(Song(name, "test", "test", RATE, 2 * RATE, 2) for name in ("a", "b"))
    Corpus(root, "noise", SOURCES, songs).write()
    params = EvaluationParams(engine="fast", window=1.0, hop=1.0, version=version, split="test")
    score_estimates(root, folders[1], tmp_path / "pipeline", params)
    for name in ("a", "b"):
        own, other = ((tmp_path / folder / "test" / f"{name}.json").read_text() for folder in ("scores", "pipeline"))
        assert own == other


def test_finished_songs_are_kept_and_other_options_are_an_error(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(folders, tmp_path / "scores", "--songs", "a") == 0
    before = (tmp_path / "scores/test/a.json").stat().st_mtime_ns
    assert evaluate(folders, tmp_path / "scores") == 0
    assert (tmp_path / "scores/test/a.json").stat().st_mtime_ns == before
    assert (tmp_path / "scores/test/b.json").exists()
    assert "| estimates |" in capsys.readouterr().out
    assert evaluate(folders, tmp_path / "scores", "--window", "0.5") == 1
    assert "made with other options" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        ("no song", 1, "b: no estimates of this song"),
        ("extra song", 1, "c: no such song among the references"),
        ("no estimate", 1, "b: no estimate of drums; found vocals; --targets scores some sources only"),
        ("extra estimate", 0, "b: no reference of bass; not scored"),
        ("short", 0, "b: drums.wav: 9000 samples, the reference 16000; it is padded with zeros"),
        ("mono", 0, "b: drums.wav: mono, the reference has 2 channels; it is scored in all of them"),
        ("rate", 1, "16000 Hz, but the reference has 8000 Hz; resample it"),
        ("NaN", 1, "NaN or infinity, first at sample 5"),
        ("silence", 0, "b: drums is silent; all scores of the song by BSSEval are NaN"),
    ],
)
def test_each_fault_is_one_line_and_the_other_song_is_scored(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str, code: int, message: str
) -> None:
    references, estimates = folders
    drums = estimates / "b" / "drums.wav"
    audio = sound(1)
    if fault == "no song":
        shutil.rmtree(estimates / "b")
    elif fault == "extra song":
        shutil.copytree(estimates / "a", estimates / "c")
    elif fault == "no estimate":
        drums.unlink()
    elif fault == "extra estimate":
        shutil.copy(drums, drums.with_stem("bass"))
    elif fault == "short":
        soundfile.write(drums, audio[:9000], RATE, subtype="FLOAT")
    elif fault == "mono":
        soundfile.write(drums, audio[:, :1], RATE, subtype="FLOAT")
    elif fault == "rate":
        soundfile.write(drums, audio, 16000, subtype="FLOAT")
    elif fault == "NaN":
        audio[5] = np.nan
        soundfile.write(drums, audio, RATE, subtype="FLOAT")
    else:
        soundfile.write(references / "b" / "drums.wav", np.zeros_like(audio), RATE, subtype="FLOAT")
    assert evaluate(folders, tmp_path / "scores") == code
    lines = [line for line in capsys.readouterr().err.splitlines() if "could not be scored" not in line]
    assert len(lines) == 1
    assert message in lines[0]
    assert (tmp_path / "scores/test/a.json").exists()
    assert evaluate(folders, tmp_path / "scores") == code  # kept songs keep their warnings
    assert lines == [line for line in capsys.readouterr().err.splitlines() if "could not be scored" not in line]


def test_accompaniment_is_scored_in_a_setting_of_its_own(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for root, noise in zip(folders, (0.0, 0.2), strict=True):
        bass = sound(7) + noise * sound(98)
        soundfile.write(root / "a" / "bass.wav", bass.astype(np.float32), RATE, subtype="FLOAT")
    options = ("--songs", "a")
    assert evaluate(folders, tmp_path / "plain", *options) == 0
    assert evaluate(folders, tmp_path / "both", *options, "--accompaniment") == 0
    plain, both = (json.loads((tmp_path / name / "test/a.json").read_text())["targets"] for name in ("plain", "both"))
    assert both[:-1] == plain
    stems = [[soundfile.read(root / "a" / f"{s}.wav")[0] for s in ("vocals", "drums", "bass")] for root in folders]
    own, those = ({"vocals": v, "accompaniment": d + b} for v, d, b in stems)
    expected = json.loads(rnnsep.evaluate(own, those, RATE).json)["targets"][1]
    assert both[-1]["name"] == "accompaniment"
    scores = [[frame["metrics"]["SDR"] for frame in target["frames"]] for target in (both[-1], expected)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)


def test_arrays_and_folders_give_the_same(folders: tuple[Path, Path]) -> None:
    arrays = [{s: soundfile.read(root / "a" / f"{s}.wav")[0] for s in SOURCES} for root in folders]
    scores = rnnsep.evaluate(*arrays, rate=RATE)
    other = rnnsep.evaluate(folders[0] / "a", folders[1] / "a")
    key = ["target", "metric", "frame"]
    one, two = (each.frames.sort_values(key)["score"].to_numpy() for each in (scores, other))
    np.testing.assert_allclose(one, two, atol=1e-4)
    medians = scores.medians.set_index(["target", "metric"])["score"]
    frames = scores.frames.query("target == 'vocals' and metric == 'SDR'")["score"]
    assert medians["vocals", "SDR"] == pytest.approx(frames.median())
    error = arrays[0]["drums"] - arrays[1]["drums"]
    usdr = 10 * np.log10(np.sum(arrays[0]["drums"] ** 2) / np.sum(error**2))
    assert medians["drums", "uSDR"] == pytest.approx(usdr, abs=1e-4)


def test_a_missing_estimate_in_memory_is_an_error() -> None:
    with pytest.raises(UserError, match="no estimate of drums"):
        rnnsep.evaluate({"vocals": sound(0), "drums": sound(1)}, {"vocals": sound(2)}, RATE)
    with pytest.raises(UserError, match="give one rate"):
        rnnsep.evaluate({"vocals": sound(0)}, {"vocals": sound(1)})
