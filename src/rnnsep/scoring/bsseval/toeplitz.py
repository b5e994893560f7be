"""Least squares by block Schur: the normal equations of filters are block Toeplitz, so n^2 and not n^3 operations.

References: T. Kailath and A. H. Sayed, "Displacement structure: theory and applications", SIAM Review 37(3), 1995;
the hyperbolic rotations in mixed form are those of A. W. Bojanczyk et al., Linear Algebra Appl. 88/89, 1987.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf

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
    load = 0.0
    while True:
        lags[0].flat[:: len(basis) + 1] = 1 + load
        try:
            filters[:, basis] = solve(lags, targets[:, basis] / unit) / unit
        except np.linalg.LinAlgError:
            load = max(10 * load, 1e-15)
        else:
            return filters


def solve(correlations: Array, targets: Array) -> Array:
    """Solve sum over b, j of correlations[a - b, i, j] filters[b, j] = targets[a, i], shapes as above.

    Negative lags are the transposes of positive ones. Raises `LinAlgError` where the matrix is not positive definite.
    """
    nb_taps, size, nb_targets = targets.shape
    # the first block row (i, b, j): correlations[-b, i, j] = correlations[b, j, i]
    upper = np.ascontiguousarray(correlations.transpose(2, 0, 1)).reshape(size, nb_taps * size)
    upper = solve_triangular(np.linalg.cholesky(correlations[0]), upper, lower=True, check_finite=False)
    lower = upper[:, size:].copy()
    rest = targets.reshape(nb_taps * size, nb_targets).copy()
    identity = np.eye(size)
    factor = []  # block rows of the Cholesky factor, each from its diagonal on
    forward = np.empty(targets.shape)
    for tap in range(nb_taps):
        if tap:
            upper = upper[:, : lower.shape[1]]
            rho = solve_triangular(upper[:, :size], lower[:, :size].T, trans=1, check_finite=False).T
            right = np.linalg.cholesky(identity - rho.T @ rho)
            left = np.linalg.cholesky(identity - rho @ rho.T)
            rotation = solve_triangular(right, np.hstack((identity, -rho.T)), lower=True, check_finite=False)
            upper = rotation[:, :size] @ upper
            upper += rotation[:, size:] @ lower
            lower = left.T @ lower[:, size:]
            lower -= solve_triangular(left, rho @ right, lower=True, check_finite=False) @ upper[:, size:]
        head = slice(tap * size, (tap + 1) * size)
        forward[tap] = solve_triangular(upper[:, :size], rest[head], trans=1, check_finite=False)
        rest[head.stop :] -= upper[:, size:].T @ forward[tap]
        factor.append(upper)
    filters = rest  # read no more
    for tap in reversed(range(nb_taps)):
        head = slice(tap * size, (tap + 1) * size)
        known = forward[tap] - factor[tap][:, size:] @ filters[head.stop :]
        filters[head] = solve_triangular(factor[tap][:, :size], known, check_finite=False)
    return filters.reshape(targets.shape)
