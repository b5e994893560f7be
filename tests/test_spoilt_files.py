"""Files that were spoilt: one table of what is done to them and of what is read then; and random changes of any file.

The audio of a file is read whole, in part with a warning, or not at all with an error of one line.
"""

import io
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnsep.features.storage import FeatureSong, map_array, open_features
from rnnsep.network.model import load_model
from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.corpus import Corpus, Song
from rnnsep.signal.decoding import decode
from rnnsep.signal.stft import StftParams
from rnnsep.signal.streams import open_audio
from rnnsep.tables import reading
from tests.sound import encode, tone

ROOT = Path(__file__).resolve().parents[1]
RATE = 8000  # Hz
SOUND = np.random.default_rng(0).integers(-9000, 9000, (30_000, 2), np.int16)
STRAY = np.random.default_rng(0).bytes(4000)


def written(kind, subtype="PCM_16", audio=SOUND, rate=RATE, endian="FILE"):
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, subtype, endian, kind)
    return buffer.getvalue()


def put(content, mark, after, new):
    """`content` with `new` in the place of what lies `after` bytes behind the first `mark`."""
    at = content.index(mark) + len(mark) + after
    return content[:at] + new + content[at + len(new) :]


def unknown_length(flac):
    return put(flac[:21] + bytes([flac[21] & 0xF0]) + flac[22:], b"fLaC", 18, bytes(4))  # the number has 36 bits


def half(content):
    return content[: len(content) // 2]


WAV, FLAC, RF64, AIFF = written("WAV"), written("FLAC"), written("RF64"), written("AIFF")
WHOLE = ""
LOST = r"damaged or truncated: ([\d.]+) s of audio are lost"
AUDIO = {  # content, and the warning (WHOLE: none) or, after "error", the error
    **{
        f"wav of size {size:#x}": (put(WAV, b"data", 0, size.to_bytes(4, "little")), WHOLE)
        for size in (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, *(SOUND.nbytes + n for n in (44, 36, 16)))
    },
    "rf64 from a pipe": (put(RF64, b"ds64", 12, bytes(8)), WHOLE),
    "aiff from a pipe": (put(AIFF, b"SSND", 0, bytes(4)), WHOLE),
    "au from a pipe": (put(written("AU"), b".snd", 4, b"\xff" * 4), WHOLE),
    "caf from a pipe": (put(written("CAF"), b"data", 0, b"\xff" * 8), "its header does not fit the file"),
    "w64 from a pipe": (put(written("W64"), b"data", 12, bytes(8)), WHOLE),
    "flac from a pipe": (unknown_length(FLAC), WHOLE),
    "flac called wav": (FLAC, WHOLE),
    "big-endian wav": (written("WAV", endian="BIG"), WHOLE),
    "wav with a tag at its end": (WAV + b"TAG" + bytes(125), WHOLE),
    "wav with a note": (WAV[:36] + b"LIST\x05\0\0\0INFOx\0" + WAV[36:], WHOLE),
    "two wavs": (WAV + WAV, "is several sound files in one, of which only the first is read"),
    "two data chunks": (WAV + WAV[36:], "is several sound files"),
    "two aiffs": (AIFF + AIFF, "is several sound files"),
    **{f"half a {kind}": (half(written(kind)), LOST) for kind in ("WAV", "RF64", "AIFF", "AU", "W64", "FLAC")},
    "half a caf": (half(written("CAF")), "its header does not fit the file, which may be truncated"),
    "nothing": (b"", "error: empty file"),
    "a wav header": (WAV[:44], "error: .*(truncated|empty)"),
    "half a wav header": (WAV[:20], "error: is not audio"),
    "no samples": (written("WAV", audio=SOUND[:0]), "error: .*holds no samples"),
    "text": (b"this is no sound at all", "error: is not audio"),
    "zeros": (bytes(5000), "error: (is not audio|has no audio)"),
    "NaN": (written("WAV", "FLOAT", np.where(np.arange(100) == 42, np.nan, 0)), "error: NaN or infinity.* sample 42"),
    "infinity": (written("WAV", "FLOAT", np.where(np.arange(100) == 42, np.inf, 0)), "error: NaN or .* sample 42"),
}


@pytest.mark.parametrize("name", AUDIO)
def test_spoilt_audio_is_read_whole_in_part_or_not_at_all(tmp_path, name):
    content, outcome = AUDIO[name]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    if outcome.startswith("error: "):
        with pytest.raises(UserError, match=f"^{re.escape(str(path))}: {outcome.removeprefix('error: ')}") as caught:
            open_audio(path)[:]
        assert "\n" not in str(caught.value)
        return
    with open_audio(path) as audio:
        found, warning = audio[:] * 32768, getattr(audio, "warning", "")
    np.testing.assert_array_equal(found, SOUND[: len(found)])
    match = re.match(f"{re.escape(str(path))}: {outcome}" if outcome else "$", warning)
    assert match, warning
    if outcome == LOST:
        assert float(match[1]) == pytest.approx((len(SOUND) - len(found)) / RATE, abs=0.03)
    if "half" in name:
        assert 0.35 < len(found) / len(SOUND) <= 0.5
        with pytest.raises(UserError, match="download or copy it again"):
            AudioFile(path)[:]
    else:
        assert len(found) == len(SOUND)


@pytest.mark.parametrize(
    ("subtype", "width", "declared"),
    [("PCM_16", 2, None), ("PCM_24", 3, None), ("FLOAT", 4, None), ("PCM_16", 2, 0xFFFFFFFF), ("PCM_16", 2, 0)],
)
def test_a_wav_beyond_4_gib_is_read_to_its_end(tmp_path, subtype, width, declared):
    path, sound = tmp_path / "a.wav", SOUND[:800]
    content = written("WAV", subtype, sound / 32768)
    at = content.index(b"data") + 8
    nb_samples = 2**32 // (2 * width) + 1000
    size = nb_samples * 2 * width
    with open(path, "wb") as file:
        file.write(content[: at - 4] + (size % 2**32 if declared is None else declared).to_bytes(4, "little"))
        file.seek(at + size - 1600 * width)
        file.write(content[at : at + 1600 * width])
    with open_audio(path) as audio:
        assert audio.shape == (nb_samples, 2)
        np.testing.assert_array_equal(audio[nb_samples - 800 : nb_samples] * 32768, sound)
        assert not audio[nb_samples - 900 : nb_samples - 800].any()


def test_codecs_within_a_wav_are_decoded(tmp_path):
    """Those that libsndfile reads without seeking or cuts short, too."""
    path = tmp_path / "a.wav"
    encode(path, tone(1), codec="libmp3lame")
    with open_audio(path) as audio:
        assert len(audio[:]) == audio.nb_samples == pytest.approx(44100, abs=2500)
    sine = tone(1, RATE, 1)
    for subtype in ("GSM610", "IMA_ADPCM", "MS_ADPCM", "ULAW", "PCM_U8"):
        path.write_bytes(written("WAV", subtype, sine))
        with open_audio(path) as audio:
            assert len(audio[4000:]) == audio.nb_samples - 4000
            assert np.mean((audio[: len(sine)] - sine) ** 2) < 0.01 * np.mean(sine**2)


def decoded(path):
    """Rate, samples and warning of a file."""
    warnings = []
    rate, blocks = decode(path, report=warnings.append)
    return rate, np.concatenate(list(blocks)), "; ".join(warnings)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp3", "libmp3lame"), ("a.mka", "aac"), ("a.m4a", "aac"), ("a.wv", "wavpack")]
)
def test_what_a_truncated_compressed_file_has_lost_is_reported(tmp_path, name, codec):
    path, options = tmp_path / name, {"movflags": "faststart"} if name == "a.m4a" else {}
    content = encode(path, tone(5), codec=codec, options=options)
    _, whole, warning = decoded(path)
    assert warning == ""
    # PyAV 14 keeps the delay and the padding of AAC in Matroska
    assert len(whole) / 44100 == pytest.approx(5, abs=0.05 if name == "a.mka" else 0.03)
    path.write_bytes(half(content))
    _, found, warning = decoded(path)
    lost = float(warning.removeprefix(f"{path}: damaged or truncated: ").split()[0])
    assert lost == pytest.approx(5 - len(found) / 44100, abs=0.03)
    assert len(found) / 44100 == pytest.approx(2.5, abs=0.6)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_has_its_length_and_one_without_its_last_page_is_reported(tmp_path, subtype):
    path = tmp_path / "a.ogg"
    for nb_samples in (100, 8000, 300_000):
        sound = np.random.default_rng(nb_samples).uniform(-0.3, 0.3, (nb_samples, 1))
        content = written("OGG", subtype, sound, 48000)
        path.write_bytes(content)
        with open_audio(path) as audio:
            parts = [audio[start : start + 1000] for start in range(0, nb_samples, 700)]
            assert audio.shape == (nb_samples, 1)
        expected = soundfile.read(path, dtype="float32", always_2d=True)[0]
        for start, part in zip(range(0, nb_samples, 700), parts, strict=True):
            np.testing.assert_array_equal(part, expected[start : start + 1000])
    path.write_bytes(content + written("OGG", subtype, sound, 48000))  # a chain of streams
    with open_audio(path) as audio:
        assert audio.nb_samples == pytest.approx(600_000, abs=1000)
    for end in (content[:-1], half(content), content[: content.rfind(b"OggS")]):
        path.write_bytes(end)
        with open_audio(path) as audio:
            assert getattr(audio, "warning", "").startswith(f"{path}: truncated: its last page is missing")


def test_an_mp3_begins_where_its_tag_says(tmp_path):
    """The encoder's delay of 1105 samples is cut if a tag names it; without a tag nobody can know it."""
    path, burst = tmp_path / "a.mp3", np.zeros((20_000, 1), np.float32)
    burst[5000:5400] = 0.5 * np.sin(np.arange(400) / 5)[:, np.newaxis]
    for tagged, delay in (("1", 0), ("0", 1105)):
        encode(path, burst, codec="libmp3lame", options={"write_xing": tagged})
        _, found, warning = decoded(path)
        lags = np.correlate(found[:12_000, 0], burst[5000:5400, 0], "valid")
        assert (int(np.argmax(lags)) - 5000, warning) == (delay, "")
        if tagged == "1":
            assert len(found) == len(burst)
    path.write_bytes(b"ID3\x04\0\0" + bytes([0, 0, 1, 0]) + bytes(128) + path.read_bytes())
    assert decoded(path)[2] == ""


@pytest.mark.parametrize(("where", "replaced"), [("end", 0), ("middle", 0), ("middle", 4000)])
def test_stray_bytes_in_an_mp3_lose_what_they_replace(tmp_path, where, replaced):
    path = tmp_path / "a.mp3"
    content = encode(path, tone(3), codec="libmp3lame", options={"write_xing": "0", "id3v2_version": "0"})
    _, whole, warning = decoded(path)
    assert warning == ""
    at = len(content) if where == "end" else len(content) // 2
    path.write_bytes(content[:at] + STRAY + content[at + replaced :])
    _, found, warning = decoded(path)
    lost = (len(whole) - len(found)) / 44100
    assert lost == 0 if where == "end" else 0 < lost < (0.4 if replaced else 0.06)
    np.testing.assert_array_equal(found[:60_000], whole[:60_000])
    np.testing.assert_array_equal(found[-50_000:], whole[-50_000:])
    said = float(warning.removeprefix(f"{path}: damaged or truncated: up to ").split()[0])
    assert lost - 0.01 < said < lost + 4000 / 8000 + 0.01


@pytest.mark.parametrize(("rate", "nb_channels", "to"), [(48000, 2, "48000 Hz stereo"), (44100, 1, "44100 Hz mono")])
def test_an_mp3_that_changes_its_format_has_that_of_the_beginning(tmp_path, rate, nb_channels, to, capsys):
    path, bare = tmp_path / "a.mp3", {"write_xing": "0", "id3v2_version": "0"}
    begin = encode(path, tone(2), codec="libmp3lame", options=bare)
    end = encode(path, tone(2, rate, nb_channels, 1000.0), codec="libmp3lame", rate=rate, options=bare)
    path.write_bytes(begin + end)
    with open_audio(path) as audio:
        found = audio[:]
        warning = f"{path}: changes from 44100 Hz stereo to {to}; all is converted to the format of the beginning"
        assert (audio.rate, audio.nb_channels, getattr(audio, "warning", "")) == (44100, 2, warning)
    assert len(found) / 44100 == pytest.approx(4.1, abs=0.1)
    spectrum = np.abs(np.fft.rfft(found[-70_000:-26_000, 0]))
    assert np.argmax(spectrum) * 44100 / 44_000 == pytest.approx(1000, abs=2)
    for _ in decode(path)[1]:
        pass
    assert capsys.readouterr().err.splitlines() == [f"warning: {warning}"]


def test_an_unknown_codec_beside_a_good_one_is_skipped(tmp_path):
    """As on iPhones, which write APAC beside AAC. Later streams keep their numbers."""
    path = tmp_path / "a.m4a"
    good = encode(path, tone(1), tone(1, frequency=880.0), codec="aac")
    entries = [match.start() for match in re.finditer(b"mp4a", good)]
    for unknown, frequency in ((0, 880), (1, 440)):
        at = entries[unknown]
        entry = good[at : at + 60].replace(b"mp4a", b"apac").replace(b"esds", b"dapa")
        path.write_bytes(good[:at] + entry + good[at + 60 :])
        with open_audio(path) as audio:
            assert np.argmax(np.abs(np.fft.rfft(audio[:44100][:, 0]))) == frequency
    with pytest.raises(UserError, match="audio stream 1 has an unknown codec"):
        decode(path, 1)
    with pytest.raises(UserError, match="has no audio stream 2"):
        decode(path, 2)


@dataclass(frozen=True)
class Reader:
    """`read` is given the path of a file called `name`, which at first holds `good`."""

    name: str
    good: bytes
    read: Callable[[Path], Any]


def read_model(path):
    weights = path.with_name("weights.npz")
    if not weights.exists():
        weights.symlink_to(MODEL.with_name(weights.name))
    load_model(path.parent)


def read_audio(path):
    with AudioFile(path) as audio:
        assert sum(len(block) for block in audio.blocks() if np.isfinite(block).all()) == audio.nb_samples


def read_stream(path):
    assert all(np.isfinite(block).all() for block in decode(path)[1])


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def text(content):
    return json.dumps(content, indent=1).encode()


STFT = StftParams(sample_rate=8000, window=256, hop=128, channels="mono", taper="hann")
FRAME = {"time": 0.0, "duration": 1.0, "metrics": {"SDR": 1.0, "ISR": 2.0}}
SONG = asdict(Song("a", "train", "train", 8000, 100, 1))
MODEL = next(path for path in sorted((ROOT / "src/rnnsep/models").glob("*/model.json")))
SHORT = np.random.default_rng(0).uniform(-0.1, 0.1, (300, 2))
READERS = {
    "model": Reader("model.json", MODEL.read_bytes(), read_model),
    "corpus": Reader(
        "corpus.json",
        text({"name": "x", "sources": {"vocals": "vocals.wav"}, "songs": [SONG]}),
        lambda path: Corpus.read(path.parent),
    ),
    "features": Reader(
        "features.json",
        text({"sources": ["a"], "stft": asdict(STFT), "songs": [asdict(FeatureSong("a", "train", 2))]}),
        lambda path: open_features(path.parent),
    ),
    "npy": Reader("song.npy", saved(np.ones((2, 2, 129, 1, 2), np.float16)), map_array),
    "scores": Reader(
        "song.json",
        text({"targets": [{"name": "vocals", "frames": [FRAME, FRAME]}]}),
        lambda path: reading.read_scores(path.parent),
    ),
    "wav": Reader("a.wav", written("WAV", audio=SHORT), read_audio),
    "float wav": Reader("a.wav", written("WAV", "FLOAT", SHORT), read_audio),
    "flac": Reader("a.flac", written("FLAC", audio=SHORT), read_audio),
    "decoded wav": Reader("a.wav", written("WAV", audio=SHORT), read_stream),
    "container": Reader("a.mp4", written("OGG", "VORBIS", SHORT), read_stream),
}


def attempt(reader, content, folder):
    """Read `content`, which must end well or in one line."""
    path = folder / reader.name
    path.write_bytes(content)
    try:
        reader.read(path)
    except UserError as error:
        assert "\n" not in str(error), str(error)


edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)), max_size=4
)  # where, how many bytes go, what comes for them


@pytest.mark.parametrize("name", READERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(edits=edits, ending=st.none() | st.floats(0, 1))
def test_a_changed_file_is_read_or_one_line(tmp_path, name, edits, ending):
    content = READERS[name].good
    for where, nb_bytes, new in edits:
        at = int(where * len(content))
        content = content[:at] + new + content[at + nb_bytes :]
    attempt(READERS[name], content if ending is None else content[: int(ending * len(content))], tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_a_good_file_is_read_and_what_no_such_file_holds_is_one_line(tmp_path, name):
    path = tmp_path / READERS[name].name
    path.write_bytes(READERS[name].good)
    READERS[name].read(path)
    for content in (b"", b"\0" * 5000, b"[" * 500, b"{" * 500, b"9" * 5000, b"\xff\xfe\0"):
        attempt(READERS[name], content, tmp_path)
