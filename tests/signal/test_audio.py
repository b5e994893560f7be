"""Audio files: exact round trips, blocks, and one clear line for each kind of damage."""

import pickle
import resource

import numpy as np
import pytest
import soundfile

from rnnsep.running.errors import UserError
from rnnsep.signal import writing
from rnnsep.signal.audio import BLOCK, AudioFile
from rnnsep.signal.decoding import decode
from rnnsep.signal.streams import open_audio
from rnnsep.signal.writing import write_wav
from tests.sound import encode, samples, tone


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("limit", [writing.LARGEST_WAV, 1000])
def test_what_is_written_is_read(tmp_path, monkeypatch, subtype, limit):
    """In this process and another, and beyond 4 GiB, which only RF64 holds."""
    monkeypatch.setattr(writing, "LARGEST_WAV", limit)
    audio = samples(0, 1000, 3)
    write_wav(tmp_path / "a.wav", [audio[:300], audio[300:]], 8000, subtype, nb_samples=1000)
    file = pickle.loads(pickle.dumps(AudioFile(tmp_path / "a.wav")))  # noqa: S301 - our own
    assert (file.rate, file.shape, len(file), file.subtype) == (8000, (1000, 3), 1000, subtype)
    assert soundfile.info(file.path).format == ("RF64" if limit == 1000 else "WAV")
    np.testing.assert_array_equal(np.asarray(file) * 32768, audio)


def test_all_16_bit_samples_keep_their_value_and_more_is_clipped(tmp_path):
    audio = np.arange(-32768, 32768, dtype=np.int16)[:, np.newaxis]
    write_wav(tmp_path / "a.wav", [audio.astype(np.float32) / 32768, np.array([[1.0], [7.0], [-7.0]])], 8000)
    audio = np.concatenate((audio, [[32767], [32767], [-32768]]))
    np.testing.assert_array_equal(soundfile.read(tmp_path / "a.wav", dtype="int16", always_2d=True)[0], audio)
    read, _ = soundfile.read(tmp_path / "a.wav", dtype="float32", always_2d=True)
    np.testing.assert_array_equal(AudioFile(tmp_path / "a.wav")[100:], read[100:])


def test_float_wav_keeps_what_exceeds_full_scale_and_no_date(tmp_path):
    audio = samples(0).astype(np.float32) / 1000
    write_wav(tmp_path / "a.wav", [audio], 8000, "FLOAT")
    np.testing.assert_array_equal(np.asarray(AudioFile(tmp_path / "a.wav")), audio)
    content = (tmp_path / "a.wav").read_bytes()
    peak = content.index(b"PEAK")
    assert content[peak + 12 : peak + 16] == bytes(4)


def test_parts_equal_the_whole(tmp_path):
    write_wav(tmp_path / "a.wav", [samples(0, BLOCK + 7, 1)], 8000)
    with AudioFile(tmp_path / "a.wav") as file:
        whole = np.asarray(file)
        np.testing.assert_array_equal(np.concatenate(list(file.blocks())), whole)
        for part in (slice(5, 9), slice(-3, None), slice(9, 5), slice(None), slice(BLOCK, BLOCK + 100)):
            np.testing.assert_array_equal(file[part], whole[part])
        assert file[9:5].shape == (0, 1)
        with pytest.raises(ValueError, match="step 1"):
            file[::2]


def test_what_cannot_be_opened_is_one_line(tmp_path):
    for path, reason in ((tmp_path / "missing.wav", "No such file"), (tmp_path, "Is a directory")):
        for read in (open_audio, decode, lambda path: AudioFile(path)[:]):
            with pytest.raises(UserError, match=reason) as caught:
                read(path)
            assert str(caught.value).startswith(f"{path}: ")


def test_writing_leaves_nothing_where_it_fails(tmp_path):
    for blocks in ([], [np.zeros((5, 1)), np.full((5, 1), np.nan)]):
        with pytest.raises(ValueError, match=r"no audio|NaN"):
            write_wav(tmp_path / "a.wav", blocks, 8000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_full_disk_is_one_clear_line(tmp_path, subtype):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(UserError, match=r"a\.wav: cannot be written"):
            write_wav(tmp_path / "a.wav", [np.zeros((100_000, 2), np.int16)], 8000, subtype)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "nb_channels"), [(".wav", 2), (".flac", 2), (".wav", 9)])
def test_decoding_equals_soundfile(tmp_path, suffix, nb_channels):
    soundfile.write(tmp_path / f"a{suffix}", samples(0, 10_000, nb_channels), 22050, subtype="PCM_16")
    rate, blocks = decode(tmp_path / f"a{suffix}")
    assert rate == 22050
    decoded = np.concatenate(list(blocks))
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded * 32768, samples(0, 10_000, nb_channels))


def test_streams_of_a_container_are_told_apart(tmp_path):
    tones = [tone(1, frequency=frequency) for frequency in (220.0, 880.0)]
    encode(tmp_path / "a.mp4", *tones, codec="aac")
    for stream, expected in enumerate(tones):
        rate, blocks = decode(tmp_path / "a.mp4", stream)
        audio = np.concatenate(list(blocks))
        assert (rate, audio.shape[1]) == (44100, 2)
        error = audio[: len(expected)] - expected
        assert np.mean(error[4096:-4096] ** 2) < 1e-3 * np.mean(expected**2)  # 30 dB after AAC
