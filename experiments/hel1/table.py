"""The tables of the study, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.hel1.common import Bands
from experiments.hel1.hypotheses import SUBMITTED, Hypothesis
from experiments.hel1.measures import (
    Comparison,
    Likelihood,
    bootstrap,
    compare,
    correlation,
    distance,
    distances,
    fingerprint,
    folds,
)
from experiments.hel1.published import MEASURES, SOURCES, Array
from experiments.hel1.simulation import Weights, submissions

NB_SUBMISSIONS = 400  # with new weights for each song
NB_FITTED = 64  # submissions to which gains are fitted
OWN: Weights = "new for each song"
SAME: Weights = "same for all songs"
EXTREME = {OWN: np.greater_equal, SAME: np.less_equal}  # which measures of something in common speak against which


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text."""
    lines = [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def figures(rows: Mapping[str, Array]) -> str:
    """The fingerprint of each system (nb_songs, nb_sources, nb_frames), or its mean over several (nb, …)."""
    cells = []
    for name, scores in rows.items():
        prints = fingerprint(scores)
        mean = prints if prints.ndim == 2 else prints.mean(axis=0)
        cells.append([name, *(" ".join(f"{value:.2f}" for value in source) for source in mean.T)])
    return markdown(["system", *SOURCES], cells)


@dataclass(frozen=True)
class Networks:
    """The networks with random weights, their pools (nb_draws, nb_songs, nb_sources, nb_frames), and HEL1's scores."""

    pools: Mapping[Hypothesis, Array]
    hel1: Array

    def table(self) -> str:
        """Each network with both kinds of weights: what its simulated submissions say about HEL1."""
        values = {one: float(Likelihood(pool).of_songs(self.hel1)) for one, pool in self._of_equal_size().items()}
        rows = []
        for hypothesis, pool in self.pools.items():
            ratios, far = self.same_weights(pool), self.distances(pool)
            rows.append(
                [
                    f"`{hypothesis.name}`: {hypothesis.about}",
                    _comparison(far[OWN]),
                    f"{values[hypothesis] - values[next(iter(values))]:+.1f}",
                    _comparison(far[SAME]),
                    *(_comparison(ratios[weights], 1) for weights in (OWN, SAME)),
                    _correlation(pool, self.hel1),
                ]
            )
        header = ["network", "new weights: distance", "log likelihood", "same weights: distance",
                  "log likelihood ratio: if new", "if the same", "correlation over frames"]  # fmt: skip
        return markdown(header, rows)

    def distances(self, pool: Array) -> dict[Weights, Comparison]:
        """The distances of HEL1 and of simulated submissions from the mean of these."""
        return {one: distances(submissions(pool, one, NB_SUBMISSIONS), self.hel1) for one in (OWN, SAME)}

    def same_weights(self, pool: Array) -> dict[Weights, Comparison]:
        """The log likelihood ratio of the same weights to new ones, on draws that it was not estimated from."""
        observed = float(Likelihood(pool).same_weights(self.hel1))
        simulated: dict[Weights, list[float]] = {OWN: [], SAME: []}
        for held in folds(len(pool)):
            likelihood = Likelihood(pool[~held])
            for weights, values in simulated.items():
                values += likelihood.same_weights(submissions(pool[held], weights, NB_SUBMISSIONS // 4)).tolist()
        return {weights: compare(np.array(values), observed, EXTREME[weights]) for weights, values in simulated.items()}

    def _of_equal_size(self) -> dict[Hypothesis, Array]:
        """Pools of as many draws as the smallest, since likelihoods depend on the number."""
        nb = min(map(len, self.pools.values()))
        return {one: pool[:nb] for one, pool in self.pools.items()}

    def confusions(self) -> str:
        """How often simulated submissions of a network (rows) are more likely under it than under another (columns).

        Likelihoods are estimated from three quarters of the draws, submissions are made of the others.
        """
        pools = self._of_equal_size()
        found = np.zeros((len(pools), len(pools)))
        parts = folds(min(map(len, pools.values())))
        for held in parts:
            likelihoods = [Likelihood(pool[~held]) for pool in pools.values()]
            for row, pool in enumerate(pools.values()):
                simulated = submissions(pool[held], OWN, NB_SUBMISSIONS // len(parts))
                values = np.stack([likelihood.of_songs(simulated) for likelihood in likelihoods])
                found[row] += np.mean(values[row] > values, axis=1) / len(parts)
        rows = []
        for row, one in enumerate(pools):
            shares = [f"{100 * share:.0f}" for share in found[row]]
            rows.append([f"`{one.name}`", *shares[:row], "", *shares[row + 1 :]])
        return markdown(["% found", *(f"`{one.name}`" for one in self.pools)], rows)


def common_part(bands: Bands, pool: Array, weights: Weights, hel1: Array) -> Comparison:
    """The agreement of HEL1, and of simulated submissions, with gains that are common to all songs."""
    simulated = submissions(pool, weights, NB_FITTED)[:NB_FITTED]
    return compare(np.array([bands.agreement(one) for one in simulated]), bands.agreement(hel1), EXTREME[weights])


def common_parts(bands: Bands, pools: Mapping[Hypothesis, Array], hel1: Array) -> str:
    """The same in each source."""
    rows = [["HEL1", *(f"{value:.2f}" for value in bands.agreements(hel1))]]
    for hypothesis, pool in pools.items():
        for weights in (OWN, SAME):
            simulated = [bands.agreements(one) for one in submissions(pool, weights, NB_FITTED)[:NB_FITTED]]
            low, middle, high = np.quantile(simulated, [0.025, 0.5, 0.975], axis=0)
            cells = [f"{m:.2f} ({lo:.2f} to {hi:.2f})" for lo, m, hi in zip(low, middle, high, strict=True)]
            rows.append([f"`{hypothesis.name}`, {weights}", *cells])
    return markdown(["correlation with common gains", *SOURCES], rows)


def all_measures(pools: Mapping[Hypothesis, Array], hel1: Array, irm1: tuple[Array, Array]) -> str:
    """Medians and interquartile ranges over songs of all measures, and the distances of HEL1, with p.

    Pools are (nb_measures, nb_draws, nb_songs, nb_sources, nb_frames), others without draws. `irm1` is as published and
    as computed here, whose distance is that of a system which is the same.
    """

    def cells(scores: Array) -> list[str]:
        songs = np.median(scores, axis=-1).reshape(len(scores), -1)
        low, middle, high = np.quantile(songs, [0.25, 0.5, 0.75], axis=1)
        return [f"{m:.2f} ({h - lo:.2f})" for lo, m, h in zip(low, middle, high, strict=True)]

    published, here = irm1
    far = (distance(fingerprint(one), fingerprint(other)) for one, other in zip(published, here, strict=True))
    rows = [
        ["HEL1", *cells(hel1), ""],
        ["IRM1, published", *cells(published), ""],
        ["IRM1, here", *cells(here), "; ".join(f"{float(one):.2f} from published" for one in far)],
    ]
    for hypothesis, pool in pools.items():
        compared = [distances(submissions(one, OWN, NB_SUBMISSIONS), own) for one, own in zip(pool, hel1, strict=True)]
        rows.append([f"`{hypothesis.name}`", *cells(pool), "; ".join(_comparison(one) for one in compared)])
    header = ["system", "SDR over MIX", "ISR", "SIR over MIX", "SAR", f"distances: {', '.join(MEASURES)}"]
    return markdown(header, rows)


def systems(rows: Mapping[str, tuple[str, Array]], reference: Array, hel1: Array, bands: Bands) -> str:
    """Systems with scores of their own, by name with a description: (nb_songs, nb_sources, nb_frames) each.

    `reference` are simulated submissions of the preset hel1-untrained.
    """
    mean = fingerprint(reference).mean(axis=0)
    limit = float(np.quantile(distance(fingerprint(reference), mean), 0.95))
    cells = [
        [
            f"`{name}`: {about}",
            " ".join(f"{value:.2f}" for value in fingerprint(scores)[0]),
            f"{float(distance(fingerprint(scores), fingerprint(hel1))):.2f}",
            f"{float(distance(fingerprint(scores), mean)):.2f}",
            f"{bands.agreement(scores):.2f}",
            "{:.2f} ({:.2f} to {:.2f})".format(float(correlation(scores, hel1)), *bootstrap(scores, hel1)),
        ]
        for name, (about, scores) in rows.items()
    ]
    header = ["system", "SDR over MIX", "distance from HEL1", f"from `{SUBMITTED.name}` (95 %: {limit:.2f})",
              "common part", "correlation with HEL1"]  # fmt: skip
    return markdown(header, cells)


def _comparison(one: Comparison, decimals: int = 2) -> str:
    middle, high = one.quantiles(0.5, 0.95)
    if decimals == 2:
        return f"{one.observed:.2f} ({middle:.2f}, 95 %: {high:.2f}), p {one.p:.2f}"
    low, high = one.quantiles(0.025, 0.975)
    return f"{one.observed:.1f} ({low:.1f} to {high:.1f}), p {one.p:.3f}"


def _correlation(pool: Array, hel1: Array) -> str:
    mean = pool.mean(axis=0)
    low, high = bootstrap(mean, hel1)
    rest = [float(correlation(np.delete(pool, draw, 0).mean(axis=0), pool[draw])) for draw in range(len(pool))]
    return f"{float(correlation(mean, hel1)):.2f} ({low:.2f} to {high:.2f}); if true {np.mean(rest):.2f}"
