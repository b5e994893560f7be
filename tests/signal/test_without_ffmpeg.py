"""musdb and museval without ffmpeg."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.signal import without_ffmpeg
from rnnsep.signal.decoding import decode
from tests.sound import encode

Noise = Callable[..., NDArray[np.int16]]


def test_both_are_imported_where_no_program_is_on_path() -> None:
    code = (
        "from rnnsep.signal.without_ffmpeg import musdb, museval; import sys;"
        "assert museval().evaluate; assert musdb().DB; assert musdb() is sys.modules['musdb'];"
        "assert 'stempeg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], env={"PATH": ""}, check=True)


def test_a_wav_is_read_in_parts(tmp_path: Path, noise: Noise) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0, 8000), 8000)
    info = without_ffmpeg.Info(str(tmp_path / "a.wav"))
    assert (info.samples(), info.rate(), info.duration()) == (8000, 8000, 1.0)
    audio, rate = without_ffmpeg.read_stems(str(tmp_path / "a.wav"), start=0.25, duration=0.5, stem_id=0)
    assert rate == 8000
    np.testing.assert_array_equal(audio * 32768, noise(0, 8000)[2000:6000])
    assert audio.dtype == np.float64


def test_another_rate_is_rejected(tmp_path: Path, noise: Noise) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0), 8000)
    with pytest.raises(ValueError, match="8000 Hz"):
        without_ffmpeg.read_stems(str(tmp_path / "a.wav"), sample_rate=44100)


def test_estimates_are_written(tmp_path: Path, noise: Noise, write_tree: Callable[..., Path]) -> None:
    write_tree(tmp_path, {"train/a": {"mixture": noise(0), "vocals": noise(1)}})
    database = without_ffmpeg.musdb().DB(root=str(tmp_path), is_wav=True)
    database.save_estimates({"vocals": database[0].audio}, database[0], str(tmp_path / "estimates"))
    read, rate = soundfile.read(tmp_path / "estimates" / "train" / "a" / "vocals.wav", dtype="int16")
    assert rate == 8000
    np.testing.assert_array_equal(read, noise(0))


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "a.stem.mp4").write_bytes(b"no sound")
    with pytest.raises(UserError, match=r"a\.stem\.mp4: is not audio"):
        without_ffmpeg.musdb().DB(root=str(tmp_path))


@pytest.mark.parametrize(
    ("ending", "subtype", "steps"),
    [
        # in 16-bit steps: ffmpeg rounds floats half to even, drops the lower bits of integers, and clips
        ("wav", "FLOAT", [0, 0, 2, 2, 0, -2, 3, -3, 32767, -32768]),
        ("wav", "DOUBLE", [0, 0, 2, 2, 0, -2, 3, -3, 32767, -32768]),
        ("wav", "PCM_32", [0, 0, 1, 2, -1, -2, 2, -3, 32767, -32768]),
        ("wav", "PCM_24", [0, 0, 1, 2, -1, -2, 2, -3, 32767, -32768]),
        ("flac", "PCM_24", [0, 0, 1, 2, -1, -2, 2, -3, 32767, -32768]),
    ],
)
def test_16_bits_as_from_ffmpeg(tmp_path: Path, ending: str, subtype: str, steps: list[int]) -> None:
    given = np.array([0.25, 0.5, 1.5, 2.5, -0.5, -1.5, 2.75, -2.75, 40000, -40000]) / 32768
    if subtype.startswith("PCM"):
        given = given.clip(-1, 1 - 2.0**-23)
    path = str(tmp_path / f"a.{ending}")
    soundfile.write(path, np.stack((given, given[::-1]), axis=1), 8000, subtype)
    audio, _ = without_ffmpeg.read_stems(path, stem_id=0, ffmpeg_format="s16le")
    np.testing.assert_array_equal(audio * 32768, np.stack((steps, steps[::-1]), axis=1))
    unrounded, _ = without_ffmpeg.read_stems(path, stem_id=0)
    np.testing.assert_allclose(unrounded[:, 0], given, rtol=0, atol=2e-7)


def test_tracks_of_stem_files_have_16_bits(tmp_path: Path) -> None:
    """The samples that ffmpeg's own converter (here through PyAV) makes of the decoded streams."""
    (tmp_path / "test").mkdir()
    path = tmp_path / "test" / "a.stem.mp4"
    encode(path, *1.3 * np.random.default_rng(0).uniform(-1, 1, (5, 8192, 2)), codec="aac")
    track = without_ffmpeg.musdb().DB(root=str(tmp_path), subsets=["test"])[0]
    wanted = [converted(path, stream) for stream in range(5)]
    assert wanted[0].min() == -1
    assert wanted[0].max() == 32767 / 32768
    np.testing.assert_array_equal(track.audio, wanted[0])
    np.testing.assert_array_equal(track.stems, wanted)
    np.testing.assert_array_equal(track.targets["drums"].audio, wanted[1])
    np.testing.assert_array_equal(track.targets["accompaniment"].audio, sum(wanted[1:4]))


def converted(path: Path, stream: int) -> NDArray[np.float64]:
    """A decoded stream (nb_samples, nb_channels) through swresample's conversion to 16 bits."""
    resampler = av.AudioResampler("s16")
    with av.open(str(path)) as container:
        frames = [frame for one in container.decode(audio=stream) for frame in resampler.resample(one)]
    return np.concatenate([frame.to_ndarray().reshape(-1, 2) for frame in frames]) / 32768


@pytest.mark.real
def test_stems_are_those_that_are_decoded(shared_data: Path) -> None:
    track = without_ffmpeg.musdb().DB(root=str(shared_data / "musdb18-7s"), subsets=["test"])[0]
    assert track.rate == 44100
    assert track.stems.shape == (5, *track.audio.shape)
    for source in track.sources.values():
        np.testing.assert_array_equal(source.audio, converted(Path(track.path), source.stem_id))
        decoded = np.concatenate(list(decode(Path(track.path), source.stem_id)[1]))
        assert abs(source.audio - decoded).max() <= 0.5 / 32768
