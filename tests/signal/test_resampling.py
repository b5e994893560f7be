from itertools import pairwise
from math import gcd

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from rnnsep.signal.resampling import resampled, resampled_blocks
from tests.sound import noise

RATES = [(44100, 16000), (16000, 44100), (44100, 22050), (8000, 44100), (48000, 44100), (3, 7), (7, 3), (5, 1)]
rates = st.sampled_from(RATES) | st.tuples(st.integers(1, 60), st.integers(1, 60))


@settings(max_examples=150)
@given(rates=rates, nb_samples=st.integers(1, 3000), nb_channels=st.integers(1, 3), data=st.data())
def test_any_slice_and_any_blocks_are_scipys_to_the_last_bit(rates, nb_samples, nb_channels, data):
    audio, common = noise(nb_samples, nb_channels), gcd(*rates)
    expected = np.asarray(resample_poly(audio, rates[1] // common, rates[0] // common, axis=0))
    result = resampled(audio, *rates)
    assert result.shape == expected.shape
    start = data.draw(st.integers(0, len(expected) - 1))
    stop = data.draw(st.integers(start, len(expected)))
    np.testing.assert_array_equal(result[start:stop], expected[start:stop])

    cuts = sorted(data.draw(st.lists(st.integers(0, nb_samples), max_size=6)))
    blocks = [audio[first:last] for first, last in pairwise([0, *cuts, nb_samples])]
    wanted = data.draw(st.integers(1, len(expected))) if rates[0] != rates[1] else nb_samples
    streamed = np.concatenate(list(resampled_blocks(iter(blocks), *rates, wanted)))
    np.testing.assert_array_equal(streamed, expected[:wanted])


def test_only_what_a_slice_needs_is_read_and_a_stream_sends_what_it_can():
    class Recording:
        shape = (10**9, 1)
        read = 0

        def __getitem__(self, part):
            self.read += part.stop - part.start
            return np.zeros((part.stop - part.start, 1), np.float32)

    audio = Recording()
    assert resampled(audio, 44100, 16000)[100_000_000:100_001_000].shape == (1000, 1)
    assert audio.read < 1000 * 44100 / 16000 + 4 * 441  # a period has 441 samples
    blocks = resampled_blocks((noise(1000) for _ in range(50)), 44100, 16000, 18000)
    assert max(len(block) for block in blocks) < 2000 * 16000 / 44100
