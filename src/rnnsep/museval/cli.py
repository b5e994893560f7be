"""museval's command lines as functions. `rnnsep evaluate` does more: it resumes and scores songs in parallel."""

import argparse
from collections.abc import Sequence
from importlib.metadata import version

from rnnsep.museval import eval_dir, eval_mus_dir
from rnnsep.signal import sigsep


def bsseval(inargs: Sequence[str] | None = None) -> None:
    """Score a folder of wav files against another one and print the scores (see `eval_dir`)."""
    parser = argparse.ArgumentParser(prog="bsseval", description="Score a folder of wav files against references.")
    parser.add_argument("reference_dir")
    parser.add_argument("estimates_dir")
    parser.add_argument("-o", metavar="DIR", help="folder for the scores (default: estimates_dir)")
    parser.add_argument("--win", type=float, default=1.0, help="frame length in s (default: 1)")
    parser.add_argument("--hop", type=float, default=1.0, help="hop of the frames in s (default: 1)")
    parser.add_argument("-m", choices=["v4", "v3"], default="v4", help="version of BSSEval (default: v4)")
    parser.add_argument("--version", "-v", action="version", version=f"%(prog)s {version('museval')}")
    given = parser.parse_args(inargs)
    print(
        eval_dir(
            given.reference_dir, given.estimates_dir, given.o or given.estimates_dir, given.m, given.win, given.hop
        )
    )


def museval(inargs: Sequence[str] | None = None) -> None:
    """Score the estimates of musdb's tracks below a folder and write JSON files (see `eval_mus_dir`)."""
    parser = argparse.ArgumentParser(prog="museval", description="Score estimates of the tracks of MUSDB18.")
    parser.add_argument("estimates_dir")
    parser.add_argument("-o", metavar="DIR", help="folder for the scores (default: estimates_dir)")
    parser.add_argument("--musdb", metavar="DIR", help="MUSDB18 (default: $MUSDB_PATH)")
    parser.add_argument("--is-wav", action="store_true", help="read wav files instead of stems")
    given = parser.parse_args(inargs)
    database = sigsep.musdb().DB(root=given.musdb, is_wav=given.is_wav)
    eval_mus_dir(database, given.estimates_dir, given.o or given.estimates_dir)
