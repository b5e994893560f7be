"""Files with wrong headers, stray bytes, or a change of format: read to their end, with a warning if audio is lost."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rnnsep.signal.audio import AudioFile, TruncatedError
from rnnsep.signal.decoding import decode
from rnnsep.signal.streams import Decoded, open_audio

Noise = Callable[..., NDArray[np.int16]]


def with_size(content: bytes, size: int) -> bytes:
    """A WAV file with another size in the header of its data chunk."""
    return content[:40] + size.to_bytes(4, "little") + content[44:]


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF, 3200 + 44, 3200 + 36, 3200 + 16])
def test_a_wrong_size_in_a_wav_header_does_not_matter(tmp_path: Path, noise: Noise, size: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(0), 8000)
    path.write_bytes(with_size(path.read_bytes(), size))
    for audio in (AudioFile(path), open_audio(path)):
        assert audio.shape == (800, 2)
        np.testing.assert_array_equal(audio[:] * 32768, noise(0))
        audio.close()


@pytest.mark.parametrize(("subtype", "width"), [("PCM_16", 2), ("PCM_24", 3), ("FLOAT", 4)])
def test_a_wav_beyond_4_gib_is_read_to_its_end(tmp_path: Path, noise: Noise, subtype: str, width: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(0) / 32768, 8000, subtype)
    content = path.read_bytes()
    at = content.index(b"data") + 8
    nb_samples = 2**32 // (2 * width) + 1000
    size = nb_samples * 2 * width
    with open(path, "wb") as file:
        file.write(content[: at - 4] + (size % 2**32).to_bytes(4, "little"))
        file.seek(at + size - 1600 * width)
        file.write(content[at : at + 1600 * width])
    with open_audio(path) as audio:
        assert audio.shape == (nb_samples, 2)
        np.testing.assert_array_equal(audio[nb_samples - 800 : nb_samples] * 32768, noise(0))
        assert not audio[nb_samples - 900 : nb_samples - 800].any()


def test_a_flac_file_from_a_pipe_has_no_length_and_is_read(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(0, 50_000), 8000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the number of samples has 36 bits
    content[22:26] = bytes(4)
    path.write_bytes(content)
    audio = open_audio(path)
    assert isinstance(audio, Decoded)
    assert audio.warning == ""
    np.testing.assert_array_equal(audio[:] * 32768, noise(0, 50_000))


def test_an_rf64_file_from_a_pipe_is_read(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(0), 8000, "PCM_16", format="RF64")
    content = bytearray(path.read_bytes())
    at = content.index(b"ds64") + 16  # identifier, size, size of the file
    assert int.from_bytes(content[at : at + 8], "little") == 3200
    content[at : at + 8] = bytes(8)
    path.write_bytes(content)
    with open_audio(path) as audio:
        np.testing.assert_array_equal(audio[:] * 32768, noise(0))


def test_an_aiff_file_from_a_pipe_is_read(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "a.aiff"
    soundfile.write(path, noise(0), 8000, "PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"SSND") + 4
    content[at : at + 4] = bytes(4)
    path.write_bytes(content)
    with open_audio(path) as audio:
        np.testing.assert_array_equal(audio[:] * 32768, noise(0))


@pytest.mark.parametrize("name", ["a.wav", "a.rf64", "a.aiff", "a.flac", "a.w64", "a.caf"])
def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path: Path, noise: Noise, name: str) -> None:
    path, whole = tmp_path / name, noise(0, 80_000)
    soundfile.write(path, whole, 8000, "PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TruncatedError, match="download or copy it again"):
        AudioFile(path)[:]
    audio = open_audio(path)
    found = audio[:] * 32768
    assert 30_000 < len(found) <= 40_000
    np.testing.assert_array_equal(found, whole[: len(found)])
    assert isinstance(audio, Decoded)
    if name == "a.caf":
        assert audio.warning.startswith(f"{path}: its header does not fit the file, which may be truncated")
    else:
        lost = float(audio.warning.split("truncated: ")[1].split()[0])
        assert lost == pytest.approx((80_000 - len(found)) / 8000, abs=0.03)


def mp3(path: Path, seconds: float, rate: int = 44100, layout: str = "stereo", frequency: float = 440.0) -> bytes:
    """The bytes of an MP3 file of a tone, also written to `path`."""
    time = np.arange(round(seconds * rate)) / rate
    tone = np.tile(0.3 * np.sin(2 * np.pi * frequency * time), (2 if layout == "stereo" else 1, 1))
    with av.open(str(path), "w", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(tone.astype(np.float32), format="fltp", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path.read_bytes()


def decoded(path: Path) -> tuple[int, NDArray[np.float32], str]:
    """Rate, samples and warning of a file."""
    warnings: list[str] = []
    rate, blocks = decode(path, report=warnings.append)
    return rate, np.concatenate(list(blocks)), "; ".join(warnings)


@pytest.mark.parametrize("name", ["a.mp3", "a.mka", "a.m4a", "a.wv"])
@pytest.mark.parametrize("kept", [1.0, 0.9, 0.5])
def test_what_a_truncated_compressed_file_has_lost_is_reported(tmp_path: Path, name: str, kept: float) -> None:
    path = tmp_path / name
    tone = 0.3 * np.sin(np.arange(5 * 44100) / 10).astype(np.float32)
    codec = {"a.mp3": "libmp3lame", "a.mka": "aac", "a.m4a": "aac", "a.wv": "wavpack"}[name]
    with av.open(str(path), "w", options={"movflags": "faststart"} if name == "a.m4a" else {}) as container:
        stream = container.add_stream(codec, rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 44100, Fraction(1, 44100), 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    path.write_bytes(path.read_bytes()[: round(kept * path.stat().st_size)])
    _, found, warning = decoded(path)
    if kept == 1:
        assert warning == ""
        # PyAV 14 keeps the delay and the padding of AAC in Matroska
        assert len(found) / 44100 == pytest.approx(5, abs=0.05 if name == "a.mka" else 0.03)
    else:
        lost = float(warning.removeprefix(f"{path}: damaged or truncated: ").split()[0])
        assert lost == pytest.approx(5 - len(found) / 44100, abs=0.03)
        assert len(found) / 44100 == pytest.approx(5 * kept, abs=0.6)


def test_an_mp3_without_a_length_gives_no_false_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    content = mp3(path, 3)
    path.write_bytes(b"ID3\x04\0\0" + bytes([0, 0, 1, 0]) + bytes(128) + content)
    assert decoded(path)[2] == ""


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_without_its_last_page_is_reported(tmp_path: Path, noise: Noise, subtype: str) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, noise(0, 300_000, 1), 48000, subtype, format="OGG")
    assert decoded(path)[2] == ""
    content = path.read_bytes()
    for end in (content[:-1], content[: len(content) // 2], content[: content.rfind(b"OggS")]):
        path.write_bytes(end)
        assert decoded(path)[2].startswith(f"{path}: truncated: its last page is missing")


STRAY = np.random.default_rng(0).bytes(4000)


def test_stray_bytes_at_the_end_of_an_mp3_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    content = mp3(path, 3)
    _, whole, warning = decoded(path)
    assert warning == ""
    path.write_bytes(content + STRAY)
    _, found, warning = decoded(path)
    np.testing.assert_array_equal(found, whole)
    assert warning.startswith(f"{path}: damaged or truncated: up to 0.")


@pytest.mark.parametrize("kept", [0, 4000])
def test_stray_bytes_within_an_mp3_lose_what_they_replace(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.mp3"
    content = mp3(path, 3)
    middle = len(content) // 2
    _, whole, _ = decoded(path)
    path.write_bytes(content[:middle] + STRAY + content[middle + 4000 - kept :])
    _, found, warning = decoded(path)
    lost = (len(whole) - len(found)) / 44100
    assert 0 < lost < (0.4 if kept == 0 else 0.06)
    same = int(np.argmax(np.abs(found - whole[: len(found)]).max(axis=1) > 0))
    assert same > 60_000  # up to the fault, in the middle of 132,300 samples
    np.testing.assert_array_equal(found[-50_000:], whole[-50_000:])
    said = float(warning.split("up to ")[1].split()[0])
    assert lost - 0.01 < said < lost + 4000 / 8000 + 0.01


@pytest.mark.parametrize(
    ("rate", "layout", "change"),
    [
        (48000, "stereo", "changes from 44100 Hz stereo to 48000 Hz stereo"),
        (44100, "mono", "changes from 44100 Hz stereo to 44100 Hz mono"),
    ],
)
def test_an_mp3_that_changes_its_format_has_that_of_the_beginning(
    tmp_path: Path, rate: int, layout: str, change: str
) -> None:
    begin = mp3(tmp_path / "a.mp3", 2)
    end = mp3(tmp_path / "b.mp3", 2, rate, layout, 1000.0)
    (tmp_path / "a.mp3").write_bytes(begin + end)
    given, found, warning = decoded(tmp_path / "a.mp3")
    assert (given, found.shape[1]) == (44100, 2)
    assert warning == f"{tmp_path / 'a.mp3'}: {change}; all is converted to the format of the beginning"
    assert len(found) / 44100 == pytest.approx(4.1, abs=0.1)
    spectrum = np.abs(np.fft.rfft(found[-70_000:-26_000, 0]))
    assert np.argmax(spectrum) * 44100 / 44_000 == pytest.approx(1000, abs=2)
    audio = open_audio(tmp_path / "a.mp3")
    np.testing.assert_array_equal(audio[:], found)


def test_without_a_reader_of_its_own_a_warning_is_printed_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp3").write_bytes(mp3(tmp_path / "a.mp3", 1) + bytes(3000))
    assert sum(len(block) for block in decode(tmp_path / "a.mp3")[1]) > 44100
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {tmp_path / 'a.mp3'}: damaged")
