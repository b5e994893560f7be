"""Conversion between float16 and float32 by integer arithmetic, several times as fast as NumPy's for small values."""

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1 << 16  # values, which stay in the cache


def to_half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """
    `values.astype(np.float16)` for finite values.

    NumPy takes 80 ns for each value below 6e-5, such as those of quiet bins.
    """
    given = np.ascontiguousarray(values).view(np.uint32).reshape(-1)
    halves = np.empty(given.size, np.uint16)
    for at in range(0, given.size, AT_ONCE):
        bits = given[at : at + AT_ONCE]
        size = bits & 0x7FFFFFFF
        # halves below 2**-14 are multiples of 2**-24; adding 0.5 rounds a float32 to these
        small = (size.view(np.float32) + np.float32(0.5)).view(np.uint32) - np.float32(0.5).view(np.uint32)
        half = (size >> 13) & 1  # the last bit kept: ties go to even
        half += size
        half += np.uint32(0xFFF - (112 << 23) & 0xFFFFFFFF)  # the bits that are cut off round; exponents differ by 112
        half >>= 13
        np.copyto(half, small, where=size < 113 << 23)
        np.minimum(half, 0x7C00, out=half)  # infinity
        half |= (bits >> 16) & 0x8000
        halves[at : at + AT_ONCE] = half
    return halves.view(np.float16).reshape(values.shape)


def to_single(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """`values.astype(np.float32)` for finite values."""
    given = np.ascontiguousarray(values).view(np.uint16).reshape(-1)
    singles = np.empty(given.size, np.uint32)
    for at in range(0, given.size, AT_ONCE):
        bits = given[at : at + AT_ONCE].astype(np.uint32)
        size = (bits & 0x7FFF) << 13
        size += np.uint32(112 << 23)
        # below 2**-14 there is no hidden bit: add one and subtract its value
        small = (size + np.uint32(1 << 23)).view(np.float32) - np.float32(2.0**-14)
        np.copyto(size, small.view(np.uint32), where=size < 113 << 23)
        size |= (bits & 0x8000) << 16
        singles[at : at + AT_ONCE] = size
    return singles.view(np.float32).reshape(values.shape)
