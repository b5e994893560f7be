"""Songs with recorded sounds, all made here: a SoundFont with a decaying sine in every program, samples and speech."""

import struct
import sys
from itertools import chain

import numpy as np
import pytest
import soundfile

from rnnsep.corpora.links import StartParams, make_links
from rnnsep.corpora.location import LocationParams, SoundsParams
from rnnsep.corpora.synthetic.instruments import speech
from rnnsep.corpora.synthetic.instruments.sampled import KEYS, KITS, PROGRAMS, SoundFont, Sounds, read_sample
from rnnsep.corpora.synthetic.instruments.voice import _rap
from rnnsep.corpora.synthetic.render import SOURCES, render
from rnnsep.corpora.synthetic.score import Note
from rnnsep.corpora.synthetic.song import compose
from rnnsep.corpora.synthetic.styles import ROLES, STYLES
from rnnsep.params import ParamError
from rnnsep.running import files
from rnnsep.running.errors import UserError

RATE = 44100
PITCH = 69  # of the sample, 441 Hz or nearly 440


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def write_soundfont(path, programs=range(128), kits=(0, 1, 8, 16, 24, 25, 32, 40)):
    """One instrument, a sine of two seconds, which all `programs` and drum `kits` play."""
    seconds = np.arange(2 * RATE) / RATE
    sine = (20000 * np.exp(-seconds) * np.sin(2 * np.pi * 441 * seconds)).astype("<i2")
    presets = [(program, 0) for program in programs] + [(kit, 128) for kit in kits]
    head = b"".join(
        struct.pack("<20sHHHIII", b"preset", program, bank, index, 0, 0, 0)
        for index, (program, bank) in enumerate(presets)
    )
    head += struct.pack("<20sHHHIII", b"EOP", 0, 0, len(presets), 0, 0, 0)
    bags = b"".join(struct.pack("<HH", index, 0) for index in range(len(presets) + 1))
    generators = struct.pack("<HH", 41, 0) * len(presets) + struct.pack("<HH", 0, 0)  # 41: the instrument
    sample = struct.pack("<20sIIIIIBbHH", b"sine", 0, len(sine), 1, len(sine) - 1, RATE, PITCH, 0, 0, 1)
    tables = [
        chunk(b"phdr", head),
        chunk(b"pbag", bags),
        chunk(b"pmod", bytes(10)),
        chunk(b"pgen", generators),
        chunk(b"inst", struct.pack("<20sH", b"sine", 0) + struct.pack("<20sH", b"EOI", 1)),
        chunk(b"ibag", struct.pack("<HHHH", 0, 0, 2, 0)),
        chunk(b"imod", bytes(10)),
        chunk(b"igen", struct.pack("<HHHHHH", 54, 1, 53, 0, 0, 0)),  # 54: looped, 53: the sample
        chunk(b"shdr", sample + struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ]
    info = chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"isng", b"EMU8000\0") + chunk(b"INAM", b"test\0")
    parts = [
        chunk(b"LIST", b"INFO" + info),
        chunk(b"LIST", b"sdta" + chunk(b"smpl", sine.tobytes() + bytes(92))),
        chunk(b"LIST", b"pdta" + b"".join(tables)),
    ]
    path.write_bytes(chunk(b"RIFF", b"sfbk" + b"".join(parts)))
    return path


@pytest.fixture(scope="module")
def font_file(tmp_path_factory):
    return write_soundfont(tmp_path_factory.mktemp("font") / "test.sf2")


@pytest.fixture(scope="module")
def font(font_file):
    return SoundFont(font_file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, font_file):
    """One SoundFont, a sample of each kind, and two phrases: a vowel of four harmonics between hisses."""
    folder, rng, t = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0), np.arange(RATE // 2) / RATE
    (folder / "font.sf2").symlink_to(font_file)
    decay = rng.standard_normal((len(t), 2)) * np.exp(-20 * t)[:, None]
    vowel = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 5))
    phrase = np.concatenate([0.1 * rng.standard_normal(2000), vowel, 0.1 * rng.standard_normal(2000)])
    for kind in (*KEYS, "percussion", "loop", "effect"):
        (folder / kind).mkdir()
        soundfile.write(folder / kind / "one.wav", 0.1 * decay, RATE)
    (folder / "bass").mkdir()
    soundfile.write(folder / "bass" / "bass_c.flac", vowel / 4, RATE)
    (folder / "speech").mkdir()
    for name in ("ann-0", "ben-0"):
        soundfile.write(folder / "speech" / f"{name}.wav", phrase / 4, RATE)
        ends = np.array([2000, 2000 + len(t), len(phrase)]) / RATE
        lines = (f"{phone} {end:.3f}\n" for phone, end in zip(["s", "aa", "t"], ends, strict=True))
        (folder / "speech" / f"{name}.txt").write_text("".join(lines))
    return folder


def test_every_instrument_of_every_style_has_programs():
    layers = set(chain.from_iterable(style.layers for style in STYLES.values()))
    tones = set(chain.from_iterable(style.bass_tones for style in STYLES.values()))
    assert layers <= set(ROLES) <= set(PROGRAMS)
    assert tones <= set(PROGRAMS)
    assert set(chain.from_iterable(style.kits for style in STYLES.values())) <= set(KITS)
    assert all(0 <= program < 128 for program in chain.from_iterable([*PROGRAMS.values(), *KITS.values()]))


def test_notes_begin_at_their_sample_with_their_pitch(font):
    rng = np.random.default_rng(0)
    played = font.play([Note(0.5, 1.0, PITCH + 12, 0.8)], 0, 2 * RATE)
    assert played.shape == (2 * RATE, 2)
    assert not played[: RATE // 2].any()
    assert np.abs(played[RATE // 2 : RATE // 2 + 400]).max() > 0.01
    spectrum = np.abs(np.fft.rfft(played[RATE // 2 : RATE // 2 + RATE, 0]))
    assert spectrum.argmax() == pytest.approx(880, abs=2)
    both = font.perform([Note(0.0, 0.5, 60, 1.0), Note(1.0, 0.5, 60, 0.3)], "piano", rng, 2 * RATE)
    assert np.abs(both[:RATE]).max() > 2 * np.abs(both[RATE:]).max() > 0.01
    assert font.perform([Note(0.0, 3.0, 60, 0.8)], "organ", rng, 1000).shape == (1000, 2)
    assert not font.perform([], "organ", rng, 1000).any()
    assert len(font.strokes(0, 38, (0.4, 1.0))) == 2


def test_songs_are_a_function_of_seed_and_sounds(folder, font_file):
    for index, seconds in ((0, 1.0), (1, 2.5)):
        songs = [render(3, index, seconds, sounds) for sounds in (folder, folder, font_file, None)]
        for name in (*SOURCES, "mixture"):
            np.testing.assert_array_equal(songs[0][name], songs[1][name])
            for song in songs[1:3]:  # a folder, a SoundFont and synthesis differ
                assert (song[name] != songs[3][name]).any(), name
            assert len(songs[0][name]) == round(seconds * RATE)
        np.testing.assert_array_equal(songs[0]["mixture"], sum(songs[0][name].astype(np.int32) for name in SOURCES))
        assert np.abs(songs[0]["mixture"].astype(int)).max() > 20000


def test_speech_is_sung_at_the_pitch_and_in_the_time_of_the_notes(folder):
    words = speech.syllables(speech.read_phrase(folder / "speech" / "ann-0.wav"))
    assert [[phone[0] for phone in (*one.onset, one.vowel, *one.coda)] for one in words] == [["s", "aa"]]
    notes = [Note(0.5, 0.8, 57.0, 0.9), Note(2.0, 0.8, 64.0, 0.9)]  # 220 and 330 Hz
    x = speech.sing(notes, words, speech.Singer(1.0, 0.0, 0.0, 8000.0), np.random.default_rng(0), 3 * RATE)
    for start, pitch in ((0.7, 220.0), (2.2, 330.0)):
        part = x[int(start * RATE) :][: RATE // 2]
        strength = np.abs(np.fft.rfft(part * np.hanning(len(part)), RATE))
        assert strength[: 2 * round(pitch * 0.7)].argmax() == pytest.approx(pitch, rel=0.03)
    loud = (x.reshape(30, -1) ** 2).mean(axis=1)
    assert loud[[1, 2, 16, 17, 29]].max() < 1e-3 * loud[6:12].mean()  # silent before, between and after
    lines = _rap(compose(0, 0, 12.0), np.random.default_rng(0), 12 * RATE)
    assert np.diff([note.start for note in lines]).min() > 0.1


def test_what_cannot_be_used_is_one_line(tmp_path, folder, font_file, monkeypatch):
    font = SoundFont(write_soundfont(tmp_path / "few.sf2", programs=[], kits=[0]))
    assert font.strokes(1, 38, (0.5,)) == []
    with pytest.raises(UserError, match="few.sf2: has no instrument 33; use another one"):
        font.play([Note(0.0, 1.0, 60, 0.8)], 33, 1000)
    (tmp_path / "song.sf2").write_bytes(b"RIFF\0\0\0\0WAVE")
    (tmp_path / "kick").mkdir()
    with pytest.raises(UserError, match="song.sf2 is not a SoundFont"):
        Sounds(tmp_path / "song.sf2")
    with pytest.raises(UserError, match="kick holds no SoundFont"):
        Sounds(tmp_path / "kick")
    (tmp_path / "song.sf2").unlink()
    for rate, content, message in ((8000, None, "has 8000 Hz"), (RATE, b"no audio", "cannot be read")):
        soundfile.write(tmp_path / "kick" / f"{rate}.wav", np.ones(9) / 2, rate)
        if content:
            (tmp_path / "kick" / f"{rate}.wav").write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_sample(tmp_path / "kick" / f"{rate}.wav")
    (tmp_path / "phrase.txt").write_text("aa\n")
    with pytest.raises(UserError, match="phrase.txt: must have a phone and its end"):
        speech.read_phrase(tmp_path / "phrase.wav")
    monkeypatch.setitem(sys.modules, "symusic", None)
    with pytest.raises(UserError, match="uv sync --extra soundfont"):
        SoundFont(font_file)


def link(sounds, folder):
    sounds = LocationParams(name="synthetic", path=None, synthetic=SoundsParams(sounds=str(sounds)))
    paths = (folder / name for name in ("songs", "songs.txt", "start", "start.txt"))
    make_links(*paths, sounds, StartParams(start=None))


def test_dvc_sees_the_sounds_behind_the_link(tmp_path, folder, font_file):
    link(font_file, tmp_path)
    assert (tmp_path / "songs").read_bytes() == font_file.read_bytes()
    assert (tmp_path / "songs.txt").read_text() == f"{font_file}\n"
    ((_, size, _),) = files.stamps(tmp_path / "songs")  # which tell the stage that follows that the font has changed
    assert size == font_file.stat().st_size
    link(folder, tmp_path)
    assert font_file.stat().st_size in [size for _, size, _ in files.stamps(tmp_path / "songs")]
    for name, message in (("none.sf2", "does not exist"), ("a" * 300, "exist")):
        with pytest.raises(ParamError, match=f"corpus.synthetic.sounds: .*{message}"):
            link(tmp_path / name, tmp_path)
