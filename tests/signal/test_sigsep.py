"""musdb and museval without ffmpeg."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.signal import sigsep
from rnnsep.signal.decoding import decode

Noise = Callable[..., NDArray[np.int16]]


def test_both_are_imported_where_no_program_is_on_path() -> None:
    code = (
        "from rnnsep.signal import sigsep; import sys;"
        "assert sigsep.museval().evaluate; assert sigsep.musdb().DB; assert sigsep.musdb() is sys.modules['musdb'];"
        "assert 'stempeg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], env={"PATH": ""}, check=True)


def test_a_wav_is_read_in_parts(tmp_path: Path, noise: Noise) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0, 8000), 8000)
    info = sigsep.Info(str(tmp_path / "a.wav"))
    assert (info.samples(), info.rate(), info.duration()) == (8000, 8000, 1.0)
    audio, rate = sigsep.read_stems(str(tmp_path / "a.wav"), start=0.25, duration=0.5, stem_id=0)
    assert rate == 8000
    np.testing.assert_array_equal(audio * 32768, noise(0, 8000)[2000:6000])
    assert audio.dtype == np.float64


def test_another_rate_is_rejected(tmp_path: Path, noise: Noise) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0), 8000)
    with pytest.raises(ValueError, match="8000 Hz"):
        sigsep.read_stems(str(tmp_path / "a.wav"), sample_rate=44100)


def test_estimates_are_written(tmp_path: Path, noise: Noise, write_tree: Callable[..., Path]) -> None:
    write_tree(tmp_path, {"train/a": {"mixture": noise(0), "vocals": noise(1)}})
    database = sigsep.musdb().DB(root=str(tmp_path), is_wav=True)
    database.save_estimates({"vocals": database[0].audio}, database[0], str(tmp_path / "estimates"))
    read, rate = soundfile.read(tmp_path / "estimates" / "train" / "a" / "vocals.wav", dtype="int16")
    assert rate == 8000
    np.testing.assert_array_equal(read, noise(0))


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "a.stem.mp4").write_bytes(b"no sound")
    with pytest.raises(UserError, match=r"a\.stem\.mp4: is not audio"):
        sigsep.musdb().DB(root=str(tmp_path))


@pytest.mark.real
def test_stems_are_those_that_are_decoded(shared_data: Path) -> None:
    track = sigsep.musdb().DB(root=str(shared_data / "musdb18-7s"), subsets=["test"])[0]
    assert track.rate == 44100
    assert track.stems.shape == (5, *track.audio.shape)
    for source in track.sources.values():
        decoded = np.concatenate(list(decode(Path(track.path), source.stem_id)[1]))
        np.testing.assert_array_equal(source.audio, decoded)
