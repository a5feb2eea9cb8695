"""Half octaves: the intervals of activation.

They lie on a fixed logarithmic scale, so that they can be counted before the greatest activation is known.
"""

from __future__ import annotations

import numpy as np

from saewidgets.atlas.keys import Array

# Intervals of |activation|: [2 ** (i / 2 - 16), 2 ** ((i + 1) / 2 - 16)); the first and the last are open.
N_HALVES = 64
_LOWEST = -16


def half_octave(values: Array) -> Array:
    """`[n]` uint16 interval of each value; negative values follow as `N_HALVES + interval` of their magnitude.

    Example:
        >>> half_octave(np.array([1.0, 1.4, 1.5, 2.0, -1.0], np.float32)).tolist()
        [32, 32, 33, 34, 96]
    """
    fraction, exponent = np.frexp(np.abs(values))
    index = 2 * (exponent.astype(np.int64) - 1 - _LOWEST) + (fraction >= np.float32(np.sqrt(0.5)))
    index = np.clip(index, 0, N_HALVES - 1)
    return (index + N_HALVES * (values < 0)).astype(np.uint16)


def octave(half: Array) -> Array:
    """The octave, two intervals of one sign, that a half octave lies in."""
    return half // 2


def edges(sign: int = 1) -> Array:
    """`[N_HALVES + 1]` bounds of the intervals, the outer ones 0 and infinity; of `sign`."""
    bounds = 2.0 ** (np.arange(N_HALVES + 1) / 2 + _LOWEST)
    bounds[0], bounds[-1] = 0.0, np.inf
    return sign * bounds
