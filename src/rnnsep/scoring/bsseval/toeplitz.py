"""Least squares by block Schur: the normal equations of filters are block Toeplitz, so n^2 and not n^3 operations.

References: T. Kailath and A. H. Sayed, "Displacement structure: theory and applications", SIAM Review 37(3), 1995;
the hyperbolic rotations in mixed form are those of A. W. Bojanczyk et al., Linear Algebra Appl. 88/89, 1987.
"""

from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpstrf, dtrtrs

Array = NDArray[np.float64]

DEPENDENT = 1e-14  # of its energy: what a channel must hold beyond a combination of the others


def projection_filters(correlations: Array, targets: Array) -> Array:
    """Filters that bring channels, delayed and summed, nearest to each target.

    `correlations[l, i, j]` is the sum over n of x_i[n] x_j[n + l] for channels x, shape (nb_taps, nb_channels,
    nb_channels); `targets[l, i, k]` is the same of x_i and target k, shape (nb_taps, nb_channels, nb_targets).
    Returns filters (nb_taps, nb_channels, nb_targets). The projection is unique; where the filters are not, since
    a channel is silent or a combination of others, the channels that add nothing get zeros.
    """
    filters = np.zeros(targets.shape)
    scale = np.sqrt(np.diagonal(correlations[0]))
    loud = np.flatnonzero(scale)
    if loud.size == 0:
        return filters
    energies = correlations[0][np.ix_(loud, loud)] / np.outer(scale[loud], scale[loud])
    _, pivots, rank, _ = dpstrf(energies, tol=DEPENDENT, lower=1)
    basis = np.sort(loud[pivots[:rank] - 1])
    unit = scale[basis, None]
    lags = correlations[:, basis[:, None], basis] / (unit * unit.T)
    scaled = targets[:, basis] / unit
    nb_taps, _, nb_targets = targets.shape
    group = gcd(nb_taps, max(8 // len(basis), 1))
    load = 0.0
    while True:
        lags[0].flat[:: len(basis) + 1] = 1 + load
        try:
            solution = solve(grouped(lags, group), scaled.reshape(nb_taps // group, -1, nb_targets))
        except np.linalg.LinAlgError:
            load = max(10 * load, 1e-12)
        else:
            filters[:, basis] = solution.reshape(scaled.shape) / unit
            return filters


def solve(correlations: Array, targets: Array) -> Array:
    """Solve sum over b, j of correlations[a - b, i, j] filters[b, j] = targets[a, i], shapes as above.

    Negative lags are the transposes of positive ones. Raises `LinAlgError` if the matrix is not positive definite.
    """
    nb_taps, size, nb_targets = targets.shape
    # the first block row (i, b, j): correlations[-b, i, j] = correlations[b, j, i]
    upper = np.ascontiguousarray(correlations.transpose(2, 0, 1)).reshape(size, nb_taps * size)
    upper = np.ascontiguousarray(_divided(_cholesky(correlations[0]), upper, lower=1))
    lower = upper[:, size:].copy()
    rest = targets.reshape(nb_taps * size, nb_targets).copy()
    identity = np.eye(size)
    factor = []  # block rows of the Cholesky factor, each from its diagonal on
    forward = np.empty(targets.shape)
    for tap in range(nb_taps):
        if tap:
            upper = upper[:, : lower.shape[1]]
            rho = _divided(upper[:, :size], lower[:, :size].T, trans=1).T
            right = _cholesky(identity - rho.T @ rho)
            left = _cholesky(identity - rho @ rho.T)
            rotation = _divided(right, np.hstack((identity, -rho.T)), lower=1)
            upper = rotation[:, :size] @ upper
            upper += rotation[:, size:] @ lower
            lower = left.T @ lower[:, size:]
            lower -= _divided(left, rho @ right, lower=1) @ upper[:, size:]
        head = slice(tap * size, (tap + 1) * size)
        forward[tap] = _divided(upper[:, :size], rest[head], trans=1)
        rest[head.stop :] -= upper[:, size:].T @ forward[tap]
        factor.append(upper)
    filters = rest  # read no more
    for tap in reversed(range(nb_taps)):
        head = slice(tap * size, (tap + 1) * size)
        known = forward[tap] - factor[tap][:, size:] @ filters[head.stop :]
        filters[head] = _divided(factor[tap][:, :size], known)
    return filters.reshape(targets.shape)


def grouped(correlations: Array, nb_grouped: int) -> Array:
    """The same matrix in larger blocks, of `nb_grouped` taps: as fast per block, so that fewer are faster."""
    nb_taps, size, _ = correlations.shape
    lags = np.concatenate((correlations.transpose(0, 2, 1)[:0:-1], correlations))  # from 1 - nb_taps on
    shape = nb_taps // nb_grouped, nb_grouped, size, nb_grouped, size
    blocks = np.empty(shape)  # (a, a', i, b', j): lag a * nb_grouped + a' - b'
    for row in range(nb_grouped):
        for column in range(nb_grouped):
            blocks[:, row, :, column] = lags[nb_taps - 1 + row - column :: nb_grouped][: shape[0]]
    return blocks.reshape(shape[0], nb_grouped * size, nb_grouped * size)


def _cholesky(matrix: Array) -> Array:
    """The lower factor. LAPACK is called directly: for 8 x 8 checks would take longer than sums."""
    factor: Array
    factor, failed = dpotrf(matrix, lower=1)
    if failed:
        raise np.linalg.LinAlgError("not positive definite")
    return factor


def _divided(triangular: Array, right: Array, lower: int = 0, trans: int = 0) -> Array:
    quotient: Array = dtrtrs(triangular, right, lower, trans)[0]
    return quotient
