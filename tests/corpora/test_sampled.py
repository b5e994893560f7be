"""Songs played by a SoundFont: a small one that is made here, with a decaying sine in every program."""

import struct
import sys
from itertools import chain

import numpy as np
import pytest

from rnnsep.corpora.location import FontParams, LocationParams, link_songs
from rnnsep.corpora.synthetic.instruments.sampled import KEYS, KITS, PROGRAMS, SoundFont, open_soundfont
from rnnsep.corpora.synthetic.render import SAMPLED, SOURCES, render
from rnnsep.corpora.synthetic.score import Hit, Note
from rnnsep.corpora.synthetic.song import generator
from rnnsep.corpora.synthetic.styles import ROLES, STYLES
from rnnsep.params import ParamError
from rnnsep.running import files
from rnnsep.running.errors import UserError

RATE = 44100
PITCH = 69  # of the sample, 441 Hz or nearly 440


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def write_soundfont(path, programs=range(128), kits=(0, 8, 16, 24, 25, 32, 40)):
    """One instrument, a sine of two seconds, which all `programs` and drum `kits` play."""
    sine = (np.sin(2 * np.pi * 441 / RATE * np.arange(2 * RATE)) * 20000 * np.exp(-np.arange(2 * RATE) / RATE)).astype(
        "<i2"
    )
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
    both = font.notes([Note(0.0, 0.5, 60, 1.0), Note(1.0, 0.5, 60, 0.3)], "piano", rng, 2 * RATE)
    assert np.abs(both[:RATE]).max() > 2 * np.abs(both[RATE:]).max() > 0.01


def test_what_is_played_is_cut_and_padded(font):
    rng = np.random.default_rng(0)
    long = font.notes([Note(0.0, 3.0, 60, 0.8)], "organ", rng, 1000)
    assert long.shape == (1000, 2)
    assert not font.notes([], "organ", rng, 1000).any()
    hits = font.hits([Hit(0.1, piece, 0.9) for piece in KEYS], "acoustic", rng, 3 * RATE)
    assert hits.shape == (3 * RATE, 2)
    assert hits.any()


def test_songs_are_a_function_of_seed_and_font(font_file):
    index = next(i for i in range(50) if (generator(3, i, "players").random(len(SOURCES)) < SAMPLED)[1:].all())
    played, again, plain = (render(3, index, 1.0, font) for font in (font_file, font_file, None))
    for name in (*SOURCES, "mixture"):
        np.testing.assert_array_equal(played[name], again[name])
        assert name == "vocals" or (played[name] != plain[name]).any()
    np.testing.assert_array_equal(played["mixture"], sum(played[name].astype(np.int32) for name in SOURCES))


def test_what_is_no_font_is_one_line(tmp_path, font_file, monkeypatch):
    font = SoundFont(write_soundfont(tmp_path / "few.sf2", programs=[], kits=[0]))
    with pytest.raises(UserError, match="few.sf2: has no instrument 33; use another one"):
        font.play([Note(0.0, 1.0, 60, 0.8)], 33, 1000)
    (tmp_path / "song.sf2").write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(UserError, match="song.sf2 is not a SoundFont"):
        open_soundfont(tmp_path / "song.sf2")
    monkeypatch.setitem(sys.modules, "symusic", None)
    with pytest.raises(UserError, match="uv sync --extra soundfont"):
        SoundFont(font_file)


def link(font, folder):
    font = LocationParams(name="synthetic", path=None, synthetic=FontParams(soundfont=str(font)))
    link_songs(font, folder / "songs", folder / "songs.txt")


def test_dvc_sees_the_font_behind_the_link(tmp_path, font_file):
    link(font_file, tmp_path)
    assert (tmp_path / "songs").read_bytes() == font_file.read_bytes()
    assert (tmp_path / "songs.txt").read_text() == f"corpus.synthetic.soundfont: {font_file}\n"
    ((_, size, _),) = files.stamps(tmp_path / "songs")  # which tell the stage that follows that the font has changed
    assert size == font_file.stat().st_size
    for name, message in (("none.sf2", "does not exist"), ("", "is a folder"), ("a" * 300, "exist")):
        with pytest.raises(ParamError, match=f"corpus.synthetic.soundfont: .*{message}"):
            link(tmp_path / name, tmp_path)
