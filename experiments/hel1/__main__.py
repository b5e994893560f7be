"""
Compare HEL1's published scores with simulated submissions, frame by frame, and write report.md and figure.svg.

    python -m experiments.hel1 --corpus /path/to/musdb18-7s [--parts networks measures trained]

What is finished is kept in the folder, so an interrupted run resumes.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from experiments.hel1 import controls, figure, table
from experiments.hel1.common import Bands
from experiments.hel1.excerpts import Excerpt, names_of, read_excerpts
from experiments.hel1.hypotheses import FITTED, RANDOM, SCORED, SUBMITTED
from experiments.hel1.published import Array, above, published
from experiments.hel1.simulation import scores_pool, sdr_pool, submissions
from rnnsep.running import files
from rnnsep.running.errors import UserError


class Study:
    """The excerpts in a copy of MUSDB18-7s, HEL1's scores on them, and a folder for results and finished work."""

    def __init__(self, corpus: Path | None, folder: Path):
        if corpus is None or not corpus.is_dir():
            raise UserError(f"--corpus: must be the folder of a copy of musdb18-7s, not {corpus}")
        self.corpus, self.folder = corpus.resolve(), folder
        self.excerpts: list[Excerpt] = read_excerpts(corpus, published())
        self.published = published().of(names_of(self.excerpts))
        self.hel1 = self.published.above_mix("HEL1")  # (nb_measures, nb_songs, nb_sources, nb_frames)
        self.bands = Bands.of(self.excerpts)

    def pool(self, hypothesis: table.Hypothesis) -> Array:
        """SDR over MIX of a network's draws (see `sdr_pool`)."""
        return sdr_pool(hypothesis.variant, self.excerpts, hypothesis.nb_draws, self.folder)


def networks(study: Study) -> str:
    """The networks with random weights, by SDR over MIX; writes figure.svg."""
    pools = {one: study.pool(one) for one in RANDOM}
    compared, submitted = table.Networks(pools, study.hel1[0]), pools[SUBMITTED]
    everything = published().above_mix("HEL1")[0]
    rows = {
        f"HEL1, {len(everything)} songs": everything,
        f"HEL1, these {len(study.excerpts)} songs": study.hel1[0],
        "IRM1, these songs": study.published.above_mix("IRM1")[0],
        **{f"`submitted`, {weights}": submissions(submitted, weights, 400) for weights in figure.COLOURS},
    }
    common = {weights: table.common_part(study.bands, submitted, weights, study.hel1[0]) for weights in figure.COLOURS}
    panels = {
        "distance from the mean of simulated submissions (dB)": compared.distances(submitted),
        "log likelihood ratio of the same weights for all songs to new ones": compared.same_weights(submitted),
        "correlation with gains that are common to all songs": common,
    }
    files.write_text(study.folder / "figure.svg", figure.strips(panels))
    fitted = {one: study.pool(one) for one in FITTED}
    return "\n".join(
        [
            table.figures(rows),
            compared.table(),
            compared.confusions(),
            table.common_parts(study.bands, fitted, study.hel1[0]),
        ]
    )


def measures(study: Study) -> str:
    """All measures, with filters of the excerpts."""
    mix = controls.mix_scores(study.excerpts)
    pools = {one: scores_pool(one.variant, study.excerpts, mix, SCORED[one], study.folder) for one in SCORED}
    irm1 = controls.irm1_scores(study.excerpts)
    both = study.published.above_mix("IRM1"), above(irm1, mix)
    return controls.table(study.published, mix, irm1) + "\n" + table.all_measures(pools, study.hel1, both)


def trained(study: Study) -> str:
    """Trained networks and mistakes after training."""
    from experiments.hel1.training import movements, systems  # imports TensorFlow

    rows = systems(study.corpus, study.excerpts, study.folder)
    reference = submissions(study.pool(SUBMITTED), "new for each song", table.NB_SUBMISSIONS)
    moved = [[f"{nb} steps", f"{100 * share:.0f} %"] for nb, share in movements(study.corpus, study.folder).items()]
    return "\n".join(
        [
            table.systems(rows, reference, study.hel1[0], study.bands),
            table.markdown(["in andabi's manner", "weights moved, of what Adam can"], moved),
        ]
    )


PARTS: dict[str, Callable[[Study], str]] = {"networks": networks, "measures": measures, "trained": trained}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m experiments.hel1", description=(__doc__ or "").splitlines()[1])
    result.add_argument("--corpus", type=Path, metavar="FOLDER", help="a copy of MUSDB18-7s")
    result.add_argument("--folder", type=Path, default=Path(".cache/hel1"), help="for results and finished work")
    result.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="of the study")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        with threadpool_limits(1):  # the matrices are small; more threads only wait for each other
            study = Study(options.corpus, options.folder)
            report = "\n".join(PARTS[part](study) for part in options.parts)
    except UserError as error:
        print(f"hel1: {error}", file=sys.stderr)
        return 1
    files.write_text(options.folder / "report.md", report)
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
