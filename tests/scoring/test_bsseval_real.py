"""BSSEval against museval on excerpts of MUSDB18, with 128 taps, since museval is slow."""

import numpy as np
import pytest

from rnnsep.scoring.bsseval.bss_eval import bss_eval
from rnnsep.scoring.with_museval import museval
from rnnsep.signal.decoding import decode

RATE = 44100
TAPS = 128
SONG = "test/Arise - Run Run Run"
EQUAL = "train/Fergessen - The Wind"  # one stem has the same left and right

pytestmark = pytest.mark.real


def excerpt(shared_data, song, wordlength=None):
    """Three seconds of the four stems, and estimates with some of the other stems and noise."""
    path = shared_data / "musdb18-7s" / f"{song}.stem.mp4"
    stems = [np.concatenate(list(decode(path, stream)[1]))[RATE : 4 * RATE] for stream in range(1, 5)]
    references = np.stack(stems).astype(np.float64)
    noise = np.random.default_rng(0).standard_normal(references.shape)
    estimates = 0.8 * references + 0.2 * references.sum(axis=0) + 0.02 * references.std() * noise
    if wordlength:
        references, estimates = (np.round(audio * 2 ** (wordlength - 1)) for audio in (references, estimates))
    return references, estimates


def differences(references, estimates):
    """Largest difference to museval in SDR, ISR, SIR, SAR."""
    ours = bss_eval(references, estimates, RATE, RATE, nb_taps=TAPS)
    theirs = museval().metrics.bss_eval(references, estimates, window=RATE, hop=RATE, filters_len=TAPS)
    assert not np.isnan(ours[:4]).any()
    return [np.abs(mine - their).max() for mine, their in zip(ours[:4], theirs, strict=False)]


def test_16_bit(shared_data):
    assert max(differences(*excerpt(shared_data, SONG, 16))) < 1e-6


@pytest.mark.long
def test_as_decoded(shared_data):
    """Nothing above 16 kHz but float32's rounding: museval's own scores move as much when sources are reordered."""
    sdr, isr, sir, sar = differences(*excerpt(shared_data, SONG))
    assert sdr < 1e-6
    assert isr < 1e-2
    assert max(sir, sar) < 5e-2


@pytest.mark.long
def test_equal_channels_as_by_least_squares(shared_data, monkeypatch):
    """What museval means to do; as it is, its scores are off by up to several dB, when not caught by an exception."""

    def singular(*matrices):
        raise np.linalg.LinAlgError

    references, estimates = excerpt(shared_data, EQUAL, 16)
    assert any(np.array_equal(*stem.T) for stem in references)
    monkeypatch.setattr(np.linalg, "solve", singular)
    assert max(differences(references, estimates)) < 1e-6
