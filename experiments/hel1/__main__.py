"""
Simulate the hypotheses about HEL1's scores and write table.csv, table.md and figure.svg.

    python -m experiments.hel1 --corpus /path/to/musdb18-7s [--only NAME...]

What is finished is kept in the folder, so an interrupted run resumes. Takes about 45 CPU minutes in all.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from experiments.hel1 import figure, fingerprint, table
from experiments.hel1.hypotheses import HYPOTHESES
from rnnsep.layers.backend import import_tensorflow
from rnnsep.running import files
from rnnsep.running.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = parser().parse_args(arguments)
    if options.list:
        for one in HYPOTHESES:
            print(f"{one.name:28}{one.about}")
        return 0
    try:
        run(options.name, options.corpus, options.folder, options.only)
    except UserError as error:
        print(f"hel1: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    known = [one.name for one in HYPOTHESES]
    result = argparse.ArgumentParser(prog="python -m experiments.hel1", description=(__doc__ or "").splitlines()[1])
    result.add_argument("--corpus", type=Path, metavar="FOLDER", help="a copy of the corpus")
    result.add_argument("--name", choices=["musdb18-7s", "musdb18", "musdb18-hq"], default="musdb18-7s", help="of it")
    result.add_argument("--only", nargs="+", metavar="NAME", choices=known, default=known, help="some hypotheses")
    result.add_argument("--folder", type=Path, default=Path(".cache/hel1"), help="for results and finished work")
    result.add_argument("--list", action="store_true", help="list the hypotheses")
    return result


def run(corpus: str, copy: Path | None, folder: Path, names: Sequence[str]) -> None:
    """Score the hypotheses called `names` on the songs of a copy of `corpus` and write the results to `folder`."""
    if copy is None or not copy.is_dir():
        raise UserError(f"--corpus: must be the folder of a copy of {corpus}, not {copy}")
    import_tensorflow()  # before what imports it, for its messages
    from experiments.hel1.networks import Study
    from experiments.hel1.scoring import score, score_references
    from rnnsep.learning.training import use_threads

    use_threads(1)
    with threadpool_limits(1):  # the matrices of scores are small; more threads only wait for each other
        study = Study(corpus, copy.resolve(), folder)
        mix, irm1 = score_references(study)
        mixture = fingerprint.read(mix, mix)
        rows = table.reference_rows(mixture, fingerprint.read(irm1, mix))
        for hypothesis in (one for one in HYPOTHESES if one.name in names):
            runs = score(hypothesis, study)
            rows.append(table.row(hypothesis, (fingerprint.read(one, mix) for one in runs)))
            print(f"{hypothesis.name}: distance {table.mean(rows[-1].distances):.2f} dB", flush=True)
    error = fingerprint.sampling_error(len(mixture.names))
    files.write_text(folder / "table.csv", table.csv(rows))
    files.write_text(folder / "table.md", table.markdown(rows, error))
    files.write_text(folder / "figure.svg", figure.plane(rows))
    print(f"\n{table.markdown(rows, error)}\nwritten: table.csv, table.md and figure.svg in {folder}")


if __name__ == "__main__":
    sys.exit(main())
