"""Energy ratios of whole songs: uSDR and SI-SDR."""

import math

import numpy as np

from rnnsep.signal.streams import Audio

CHUNK = 1 << 16  # samples read at a time
DOUBTFUL = 1e-8  # share of the energies that are subtracted; smaller differences are summed directly


def song_ratios(reference: Audio, estimate: Audio) -> dict[str, float]:
    """{"uSDR", "SI-SDR"} of one source of a song in dB; higher is better.

    With the samples s of the reference and e of the estimate, and sums over all samples and channels:

    - uSDR = 10 log10(sum s^2 / sum (s - e)^2). Called utterance-level SDR [1]_, global SDR or SDR of the Music Demixing
      Challenges 2021 and 2023 [2]_ [3]_, and "new SDR" in Demucs. These add 1e-7 to both energies, which changes the
      score of silent references only.
    - SI-SDR = 10 log10(sum (a s)^2 / sum (a s - e)^2) with a = sum s e / sum s^2 [4]_. There is one gain `a` for all
      channels, so errors in panning count. No mean is subtracted.

    Both signals have shape (nb_samples, nb_channels) or (nb_samples,) and are read in slices. The estimate is trimmed
    or zero-padded to the length of the reference. A silent reference scores NaN; so does a silent estimate in SI-SDR.
    An estimate without error scores infinity.

    .. [1] Y. Luo, J. Yu, "Music source separation with band-split RNN", IEEE/ACM Transactions on Audio, Speech, and
       Language Processing 31, 2023.
    .. [2] Y. Mitsufuji et al., "Music Demixing Challenge 2021", Frontiers in Audio Processing 1, 2022.
    .. [3] G. Fabbro et al., "The Sound Demixing Challenge 2023 - Music Demixing Track", Transactions of the
       International Society for Music Information Retrieval 7(1), 2024.
    .. [4] J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR - half-baked or well done?", ICASSP 2019.
    """
    signal, error, crossed = _sums(reference, estimate, 1.0)
    if signal == 0:
        return {"uSDR": math.nan, "SI-SDR": math.nan}
    # with d = e - s: e = (1 + sum s d / sum s^2) s + a part orthogonal to s, whose energy is the error of SI-SDR
    gain = 1 + crossed / signal
    orthogonal = error - crossed**2 / signal
    if orthogonal < DOUBTFUL * error:
        _, orthogonal, _ = _sums(reference, estimate, gain)
    return {"uSDR": _decibels(signal, error), "SI-SDR": _decibels(gain**2 * signal, orthogonal)}


def _sums(reference: Audio, estimate: Audio, gain: float) -> tuple[float, float, float]:
    """Sums over samples and channels of s^2, d^2 and s d, with d = e - gain s."""
    signal = error = crossed = 0.0
    nb_samples = reference.shape[0]
    for start in range(0, nb_samples, CHUNK):
        source = np.array(reference[start : min(start + CHUNK, nb_samples)], np.float64)
        difference = -gain * source
        part = np.asarray(estimate[start : start + len(source)])
        difference[: len(part)] += part
        s, d = source.ravel(), difference.ravel()
        signal += float(np.einsum("n,n->", s, s))
        error += float(np.einsum("n,n->", d, d))
        crossed += float(np.einsum("n,n->", s, d))
    return signal, error, crossed


def _decibels(signal: float, error: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.divide(signal, error)))
